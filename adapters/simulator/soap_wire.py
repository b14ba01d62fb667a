"""How a simulated SOAP agency proves what comes and secures what goes: the other half of `adapters/soap_proof.py`.

Everything that a manifest can say about envelopes is done for real here: keys are named, names and passwords checked,
Bodies decrypted and encrypted, headers echoed, packages put together and taken apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from adapters import attachments
from adapters.addressing import relates_to
from adapters.attachments import Packing
from adapters.manifest import Manifest
from adapters.multipart import Part, is_multipart
from adapters.secrets import AgencySecrets
from adapters.simulator.keys import AgencyKeys
from adapters.soap_body import faithful, value_prefixes
from adapters.soap_envelope import open_unsigned, plain_envelope
from adapters.soap_proof import believes, secures, signs, username_token
from adapters.xroad import XROAD
from security import xml
from security.certificates import TrustAnchors
from security.keys import SigningKey, VerifyingKey
from security.wsse import HeaderForm, HeaderTerms, KeyReference, SoapVersion, WsseSigner, WsseVerifier
from security.xmlenc import ContentCipher, Decryptor, Encryptor, KeyTransport

_CONTENT_TYPES: Final = {
    SoapVersion.SOAP11: "text/xml; charset=utf-8",
    SoapVersion.SOAP12: "application/soap+xml; charset=utf-8",
}


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """What of a request its answer has to repeat."""

    signature: bytes = b""
    blocks: tuple[bytes, ...] = ()
    packed: bool = False
    message_id: str = ""

    def kept(self) -> bytes:
        """As a `proof`."""
        return msgspec.msgpack.encode(self)


def binding_of(proof: bytes) -> Binding:
    """What `kept` made; of no proof, that there is nothing to repeat."""
    return msgspec.msgpack.decode(proof, type=Binding) if proof else Binding()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is proven as far as the manifest demands. `replay_key` is empty where nothing is."""

    content: bytes
    binding: Binding
    replay_key: bytes
    attachments: dict[str, Part]


class EncryptionKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What the agency opens requests with, and for whom it encrypts replies."""

    own: SigningKey | None = None
    bus: VerifyingKey | None = None


class SoapWire:
    """The envelopes of one agency."""

    def __init__(
        self,
        *,
        manifest: Manifest,
        version: SoapVersion,
        keys: AgencyKeys,
        secrets: AgencySecrets,
        encryption: EncryptionKeys,
        whole: bool,
    ) -> None:
        """`whole`: contents are Bodies, since not every Body holds one element. Raises KeyUnavailable."""
        self._manifest = manifest
        self._version = version
        self._whole = whole
        self._encryption = encryption
        self._verifier = self._verifier_of(keys.bus_anchors, secrets)
        self._signers = {id(key): self._signer_of(key) for key in (keys.own, keys.stranger, keys.expired)}

    # --- requests ----------------------------------------------------------------------------------------

    def open(self, content_type: str, body: bytes, *, now: datetime) -> Asked:
        """What was asked. Raises SecurityError; ContractViolation for a package that is none."""
        packed = is_multipart(content_type)
        envelope, parts = attachments.opened(content_type, body)
        if self._verifier is None:
            came = open_unsigned(envelope, self._version, whole=self._whole)
            binding = Binding(blocks=came.plain_blocks, packed=packed)
            return Asked(content=came.content, binding=binding, replay_key=b"", attachments=parts)
        verified = self._verifier.verify(envelope, now=now)
        blocks = verified.header_blocks + verified.plain_blocks
        return Asked(
            content=verified.content,
            binding=Binding(signature=verified.signature_value, blocks=blocks, packed=packed),
            replay_key=verified.replay_key,
            attachments=parts,
        )

    def _verifier_of(self, bus: TrustAnchors, secrets: AgencySecrets) -> WsseVerifier | None:
        manifest, wsse = self._manifest, self._manifest.wsse
        if not secures(manifest):
            return None
        terms = HeaderTerms(signature=signs(manifest))
        decryptor = None
        if wsse is not None:
            token = wsse.username_token
            terms = HeaderTerms(
                signature=signs(manifest),
                key_references=frozenset({KeyReference(wsse.key_reference)}),
                timestamp=wsse.timestamp,
                username=None if token is None else username_token(token, secrets),
                encrypted=wsse.encrypt != "none",
                actor=wsse.actor,
            )
            decryptor = Decryptor([self._encryption.own]) if self._encryption.own else None
        return WsseVerifier(
            bus,
            self._version,
            clock_skew_s=manifest.signature.clock_skew_s,
            max_age_s=manifest.signature.max_age_s,
            require_confirmation=False,
            terms=terms,
            decryptor=decryptor,
            whole_body=self._whole,
        )

    # --- replies -----------------------------------------------------------------------------------------

    def seal(
        self, content: bytes, *, blocks: Sequence[bytes], binding: Binding, key: SigningKey, now: datetime
    ) -> bytes:
        """The envelope of a reply, signed with `key` where the agency signs."""
        blocks = (*blocks, *_echoed(binding.blocks))
        inside = self._inside(content)
        if believes(self._manifest):
            return plain_envelope(inside, self._version, blocks)
        signed = bool(self._manifest.wsse and self._manifest.wsse.sign_headers)
        return (
            self._signers[id(key)]
            .sign(
                inside,
                now=now,
                inclusive_prefixes=value_prefixes(inside),
                header_blocks=blocks if signed else (),
                plain_blocks=() if signed else blocks,
                confirms=binding.signature if self._manifest.signature.confirmation and binding.signature else None,
            )
            .envelope
        )

    def pack(
        self, envelope: bytes, values: dict[str, str], packing: Packing | None, binding: Binding
    ) -> tuple[str, bytes]:
        """Content-Type and body: as an XOP package for who sent one, with attachments where there are some."""
        if packing is not None and (values or packing.beside):
            envelope, parts = attachments.taken_out(envelope)
            parts += packing.reply.write(values)
            if parts:
                return attachments.beside(envelope, parts, self._version, "")
        if binding.packed and (packing is None or not packing.beside):
            return attachments.packed(envelope, self._version, "")
        return _CONTENT_TYPES[self._version], envelope

    def _inside(self, content: bytes) -> bytes:
        """What goes into the Body: a content that is one already gives its children."""
        if not self._whole or not content:
            return content
        root = xml.parse(content, max_bytes=len(content))
        if root.tag != f"{{{self._version.namespace}}}Body":
            return content
        return b"".join(map(faithful, root))

    def _signer_of(self, key: SigningKey) -> WsseSigner:
        wsse, ttl_s = self._manifest.wsse, self._manifest.signature.ttl_s
        if wsse is None:
            return WsseSigner(key, self._version, ttl_s=ttl_s)
        form = HeaderForm(key_reference=KeyReference(wsse.answering[0]), timestamp=wsse.timestamp)
        encryptor = None
        bus = self._encryption.bus
        if wsse.encrypted_reply and bus is not None and bus.certificate is not None:
            encryptor = Encryptor(
                bus.certificate,
                cipher=ContentCipher(wsse.encryption.algorithm),
                transport=KeyTransport(wsse.encryption.key_transport),
                reference=KeyReference(wsse.encryption.key_reference),
            )
        return WsseSigner(key, self._version, ttl_s=ttl_s, form=form, encryptor=encryptor)


def _echoed(blocks: Sequence[bytes]) -> list[bytes]:
    """What a reply says about its request: X-Road's headers as they were, and to which message it relates."""
    elements = [xml.parse(block) for block in blocks]
    echoed = [xml.canonical(element) for element in map(_bare, elements) if XROAD in str(element.tag)]
    related = relates_to(elements)
    return echoed if related is None else [*echoed, related]


def _bare(element: xml.Element) -> xml.Element:
    """Without the attributes that the signature added."""
    for name in [name for name in element.attrib if str(name).endswith("utility-1.0.xsd}Id")]:
        del element.attrib[name]
    return element
