"""Documents inside of a simulated agency's replies that it signs itself, as its manifest's `inner_signature` says."""

from __future__ import annotations

from adapters.inner_signature import ANY
from adapters.manifest_soap import InnerSignatureTerms
from security import xml
from security.enveloped import EnvelopedSigner
from security.keys import SigningKey


def signed_inside(content: bytes, terms: InnerSignatureTerms, key: SigningKey) -> bytes:
    """The Body's child with the document at the named place under a signature; as it is without one.

    Not in canonical form: the document declares all that it uses, as it was signed by itself.
    """
    root = xml.parse(content, max_bytes=len(content))
    element = root
    place: list[int] = []
    for step in terms.element.split("/"):
        found = [index for index, child in enumerate(element) if step in {ANY, str(child.tag).rpartition("}")[2]}]
        if not found:
            return content
        place.append(found[0])
        element = element[found[0]]
    signer = EnvelopedSigner(key)
    text = (element.text or "").strip()
    if not len(element) and text.startswith("<"):
        element.text = signer.sign(text.encode()).decode()
        return xml.canonical(root)
    start, end = xml.span_of(content, place)
    return content[:start] + signer.sign(xml.canonical(element)) + content[end:]
