"""A document inside of a reply that the owning agency signed itself: proven, and kept byte for byte.

Called by the SOAP adapter on envelopes that are proven already (or need no proof). The bytes are those that came over
the wire: a signature over a document holds only for the document as its signer wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from adapters.manifest_soap import InnerSignatureTerms
from esb.ports import Evidence
from security import xml
from security.enveloped import EnvelopedVerifier
from security.errors import SignatureInvalid, SignatureMissing, XmlRefused
from security.xml import Element

ANY: Final = "*"


class InnerSignature:
    """Where such a document stands, and whose signature it must have. Safe for concurrent use."""

    def __init__(self, terms: InnerSignatureTerms, verifier: EnvelopedVerifier) -> None:
        """`terms`: of the manifest."""
        self._path = terms.element.split("/")
        self._name = terms.element
        self._required = terms.required
        self._verifier = verifier

    def evidence(self, envelope: bytes, namespace: str, *, now: datetime) -> tuple[Evidence, ...]:
        """The document with its proof; nothing for a reply without it, where that is allowed.

        Raises:
            SecurityError: the document is not there, or its signature does not hold.
        """
        root = xml.parse(envelope, max_bytes=len(envelope))
        place = self._place(root, namespace)
        if place is None:
            if self._required:
                raise SignatureMissing(f"reply has no document at {self._name}")
            return ()
        document = _bytes_of(envelope, root, place)
        verified = self._verifier.verify(document, now=now)
        return (Evidence(name=self._name, content=document, signer=verified.certificate_sha256.hex()),)

    def _place(self, root: Element, namespace: str) -> list[int] | None:
        """Positions from the root down to the document; None where the path leads nowhere."""
        body = root.find(f"{{{namespace}}}Body")
        if body is None or len(body) != 1:
            return None
        place, element = [root.index(body), 0], body[0]
        for step in self._path:
            found = [index for index, child in enumerate(element) if step in {ANY, _local(child)}]
            if len(found) > 1:
                raise SignatureInvalid(f"reply has several documents at {self._name}")
            if not found:
                return None
            place.append(found[0])
            element = element[found[0]]
        return place


def _bytes_of(envelope: bytes, root: Element, place: Sequence[int]) -> bytes:
    """The document as it was written: an element, or text that is a document."""
    element = root
    for index in place:
        element = element[index]
    text = (element.text or "").strip()
    if not len(element) and text.startswith("<"):
        return text.encode()
    start, end = xml.span_of(envelope, place)
    written = envelope[start:end]
    # Two readers looked for the element; what they found has to be one thing.
    try:
        same = xml.canonical(xml.parse(written)) == xml.canonical(element)
    except XmlRefused as error:
        raise SignatureInvalid("the signed document leans on namespaces of the envelope") from error
    if not same:
        raise SignatureInvalid("the signed document leans on namespaces of the envelope")
    return written


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
