"""SOAP envelopes without a signature, and faults, as text: for what agencies bring and are told back. Pure."""

from __future__ import annotations

from html import escape

from esb.ports import RawAnswer
from security import xml
from security.errors import XmlRefused
from security.wsse import SoapVersion

_CONTENT_TYPES = {
    SoapVersion.SOAP11: "text/xml; charset=utf-8",
    SoapVersion.SOAP12: "application/soap+xml; charset=utf-8",
}
_FIRST_ERROR = 400
_FAULT_OF_SOAP_11 = 500


def soap_answer(envelope: bytes, version: SoapVersion, *, http_status: int) -> RawAnswer:
    """The envelope as an HTTP answer. SOAP 1.1 section 6.2 knows one status for all faults."""
    is_fault = http_status >= _FIRST_ERROR
    status = _FAULT_OF_SOAP_11 if is_fault and version is SoapVersion.SOAP11 else http_status
    return RawAnswer(http_status=status, headers={"content-type": _CONTENT_TYPES[version]}, body=envelope)


def wrapped(content: bytes, version: SoapVersion) -> bytes:
    """The envelope around the canonical child of its Body."""
    namespace = version.namespace.encode()
    return b'<s:Envelope xmlns:s="%s"><s:Body>%s</s:Body></s:Envelope>' % (namespace, content)


def unsigned_content(envelope: bytes, version: SoapVersion) -> bytes:
    """The canonical child of the Body. Raises XmlRefused when this is not such an envelope."""
    root = xml.parse(envelope)
    bodies = root.findall(f"{{{version.namespace}}}Body")
    children = [child for body in bodies for child in body if isinstance(child.tag, str)]
    if root.tag != f"{{{version.namespace}}}Envelope" or len(bodies) != 1 or len(children) != 1:
        raise XmlRefused("not a SOAP envelope of this version with one element in its body")
    return xml.canonical(children[0])


def fault(code: str, reason: str, version: SoapVersion) -> bytes:
    """A fault that blames the sender, in canonical form; `code` becomes `Client.code`, or a subcode."""
    # The prefix differs from the envelope's: one that is declared there would not be declared again in canonical form.
    text, namespace = escape(reason, quote=False), version.namespace
    if version is SoapVersion.SOAP11:
        written = f"<faultcode>f:Client.{code}</faultcode><faultstring>{text}</faultstring>"
    else:
        written = (
            f"<f:Code><f:Value>f:Sender</f:Value><f:Subcode><f:Value>f:{code}</f:Value></f:Subcode></f:Code>"
            f'<f:Reason><f:Text xml:lang="en">{text}</f:Text></f:Reason>'
        )
    return f'<f:Fault xmlns:f="{namespace}">{written}</f:Fault>'.encode()
