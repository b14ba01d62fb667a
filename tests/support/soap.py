"""Building signed SOAP messages for tests, well and badly: every part of the envelope can be written by hand."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from security.keys import SigningKey
from security.wsse import SoapVersion, VerifiedBody, WsseSigner, WsseVerifier
from security.wsse_terms import WSSE, WSSE11, WSU, X509V3
from security.xmldsig import DS, EXCLUSIVE_C14N, METHOD_URIS, SHA256
from tests.support.keys import NOW, anchors_for, signing_key

SOAP = SoapVersion.SOAP11.namespace
WSU_ID = f"{{{WSU}}}Id"
ID_FLAWS = ("wsu:Id", "Id", "ID", "xml:id", "wsse:Id", "AssertionID")
NAMESPACES = {"soap": SOAP, "wsse": WSSE, "wsse11": WSSE11, "wsu": WSU, "ds": DS}

CONTENT = b'<r:Reply xmlns:r="urn:az:gov:test"><r:Pin>7TESTX1</r:Pin><r:Surname>\xc6\x8fliyeva</r:Surname></r:Reply>'
REQUEST_SIGNATURE = b"signature of the request"


def signer(key: SigningKey | None = None, version: SoapVersion = SoapVersion.SOAP11, ttl_s: float = 300) -> WsseSigner:
    """The signer of `key`, by default of the test agency."""
    return WsseSigner(key or signing_key(), version, ttl_s=ttl_s)


def verifier(
    *trusted: SigningKey, version: SoapVersion = SoapVersion.SOAP11, require_confirmation: bool = False
) -> WsseVerifier:
    """The verifier that believes `trusted`, by default the test agency."""
    return WsseVerifier(
        anchors_for(*(trusted or (signing_key(),))),
        version,
        clock_skew_s=30,
        max_age_s=300,
        require_confirmation=require_confirmation,
    )


def signed(content: bytes = CONTENT, *, now: datetime = NOW, confirms: bytes | None = None) -> bytes:
    """A well signed message."""
    return signer().sign(content, now=now, confirms=confirms).envelope


def verify(envelope: bytes, *trusted: SigningKey) -> VerifiedBody:
    """What the message proves at NOW."""
    return verifier(*trusted).verify(envelope, now=NOW)


def tree(envelope: bytes) -> etree._Element:
    """The message as a tree, to be spoilt."""
    return etree.fromstring(envelope)


def text(root: etree._Element) -> bytes:
    """The tree as a message."""
    return etree.tostring(root, encoding="utf-8")


def find(root: etree._Element, path: str) -> etree._Element:
    """The first element at `path`, with the usual prefixes."""
    found = root.find(path, NAMESPACES)
    assert found is not None, path
    return found


class Forge:
    """Writes a message part by part and signs whatever it is told to: a peer that holds a good key and no scruples."""

    def __init__(
        self,
        key: SigningKey | None = None,
        content: bytes = CONTENT,
        now: datetime = NOW,
        *,
        declared: Mapping[str, str] | None = None,
        soap_prefix: str = "soap",
    ) -> None:
        """A message that would verify if it were signed as it stands. `declared`: namespaces on the envelope."""
        self.key = key or signing_key()
        self.root = etree.fromstring(_envelope(self.key, content, now, declared or {}, soap_prefix))
        self.method = METHOD_URIS[self.key.algorithm]
        self.canonicalisation = EXCLUSIVE_C14N
        self.digest_uri = SHA256
        self.digest = "sha256"
        self.transforms: tuple[str, ...] = (f'<ds:Transform Algorithm="{EXCLUSIVE_C14N}"/>',)
        self.targets = ["body", "time"]
        self.key_info = (
            f'<wsse:SecurityTokenReference xmlns:wsse="{WSSE}">'
            f'<wsse:Reference URI="#token" ValueType="{X509V3}"/></wsse:SecurityTokenReference>'
        )
        self.uris: dict[str, str] = {}

    @property
    def security(self) -> etree._Element:
        """The security header."""
        return find(self.root, "soap:Header/wsse:Security")

    @property
    def body(self) -> etree._Element:
        """The body."""
        return find(self.root, "soap:Body")

    def sign(self) -> bytes:
        """The message with a signature over `targets`."""
        references = "".join(self._reference(target) for target in self.targets)
        signature = etree.fromstring(
            f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>'
            f'<ds:CanonicalizationMethod Algorithm="{self.canonicalisation}"/>'
            f'<ds:SignatureMethod Algorithm="{self.method}"/>{references}</ds:SignedInfo>'
            f"<ds:SignatureValue/><ds:KeyInfo>{self.key_info}</ds:KeyInfo></ds:Signature>"
        )
        self.security.append(signature)
        # Digested as it stands in the message: inherited namespaces are part of inclusive canonical forms.
        canonical = etree.tostring(signature[0], method="c14n", exclusive=True)
        signature[1].text = base64.b64encode(self.key.sign(canonical)).decode()
        return etree.tostring(self.root, encoding="utf-8")

    def _reference(self, target: str) -> str:
        named = [element for element in self.root.iter() if target in element.attrib.values()]
        content = etree.tostring(named[0], method="c14n", exclusive=True, with_tail=False) if named else b""
        digest = base64.b64encode(hashlib.new(self.digest, content).digest()).decode()
        return (
            f'<ds:Reference URI="{self.uris.get(target, "#" + target)}">'
            f"<ds:Transforms>{''.join(self.transforms)}</ds:Transforms>"
            f'<ds:DigestMethod Algorithm="{self.digest_uri}"/><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>'
        )


def _envelope(key: SigningKey, content: bytes, now: datetime, declared: Mapping[str, str], soap_prefix: str) -> bytes:
    assert key.certificate is not None
    token = base64.b64encode(key.certificate.public_bytes(Encoding.DER)).decode()
    expires = now + timedelta(minutes=5)
    prefix = f"{soap_prefix}:" if soap_prefix else ""
    own = f"xmlns:{soap_prefix}" if soap_prefix else "xmlns"
    others = "".join(f' xmlns:{name}="{uri}"' for name, uri in declared.items())
    return (
        (
            f'<{prefix}Envelope {own}="{SOAP}" xmlns:wsu="{WSU}"{others}><{prefix}Header>'
            f'<wsse:Security xmlns:wsse="{WSSE}">'
            f'<wsse:BinarySecurityToken ValueType="{X509V3}" wsu:Id="token">{token}</wsse:BinarySecurityToken>'
            f'<wsu:Timestamp wsu:Id="time"><wsu:Created>{now:%Y-%m-%dT%H:%M:%SZ}</wsu:Created>'
            f"<wsu:Expires>{expires:%Y-%m-%dT%H:%M:%SZ}</wsu:Expires></wsu:Timestamp></wsse:Security>"
            f'</{prefix}Header><{prefix}Body wsu:Id="body">'
        ).encode()
        + content
        + f"</{prefix}Body></{prefix}Envelope>".encode()
    )
