"""Opening an encrypted Body: from the message as it came to the message as it was signed.

Called by `wsse_verifier` before it reads anything. The structure is checked first, then one thing is decrypted, and the
signature is verified over what came out: nothing that was encrypted is believed for that.
"""

from __future__ import annotations

from security.errors import DecryptionFailed, KeyUnavailable, SignatureMissing, XmlRefused
from security.wsse_message import ENCRYPTED_KEY
from security.wsse_terms import WSSE, SoapVersion
from security.xml import Element, parse, span_of
from security.xmldsig import ds
from security.xmlenc import ENCRYPTED_DATA, Decryptor, read_sealed

_SECURITY = f"{{{WSSE}}}Security"


def open_body(envelope: bytes, soap: SoapVersion, decryptor: Decryptor | None) -> bytes:
    """The same message with its Body in clear; every other byte is as it was.

    Raises:
        XmlRefused: not this version's SOAP envelope.
        SignatureMissing: it has no security header.
        DecryptionFailed: the Body is not encrypted, something else is, or it does not open.
        KeyUnavailable: there is no key to open anything with.
    """
    if decryptor is None:
        raise KeyUnavailable("the bus has no RSA key to open encrypted replies with")
    root = parse(envelope)
    header, body = root.find(f"{{{soap.namespace}}}Header"), root.find(f"{{{soap.namespace}}}Body")
    if root.tag != f"{{{soap.namespace}}}Envelope" or body is None or len(body) != 1:
        raise XmlRefused("not a SOAP envelope of this version with one element in its body")
    if body[0].tag != ENCRYPTED_DATA:
        raise DecryptionFailed("body is not encrypted")
    key = _encrypted_key(header)
    content = decryptor.open(read_sealed(key, body[0]))
    start, end = span_of(envelope, [root.index(body), 0])
    return envelope[:start] + content + envelope[end:]


def _encrypted_key(header: Element | None) -> Element:
    """The one EncryptedKey. It stands before the signature: parts are undone in the order in which they stand."""
    securities = [] if header is None else [block for block in header if block.tag == _SECURITY]
    if len(securities) != 1:
        raise SignatureMissing("message has no security header, or several")
    tags = [str(child.tag) for child in securities[0]]
    if ENCRYPTED_DATA in tags:
        raise DecryptionFailed("an encrypted signature is outside the profile: sign, then encrypt the body alone")
    if tags.count(ENCRYPTED_KEY) != 1:
        raise DecryptionFailed("security header must hold one encrypted key")
    if ds("Signature") in tags and tags.index(ENCRYPTED_KEY) > tags.index(ds("Signature")):
        raise DecryptionFailed("body must be signed first and encrypted then, not the other way round")
    return securities[0][tags.index(ENCRYPTED_KEY)]
