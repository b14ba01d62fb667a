"""xmlsec as a second opinion: a template of our profile, signed by it. The library's stubs lack most of its names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xmlsec as _xmlsec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree

from security.keys import Algorithm, SigningKey
from security.wsse_terms import WSSE, X509V3
from tests.support.soap import Forge, find

xmlsec: Any = _xmlsec

METHODS = {Algorithm.ES256: xmlsec.Transform.ECDSA_SHA256, Algorithm.RS256: xmlsec.Transform.RSA_SHA256}


def verify(root: etree._Element, key: SigningKey) -> None:
    """Return when xmlsec believes the first signature in the tree."""
    assert key.certificate is not None
    xmlsec.tree.add_ids(root, ["Id"])
    context = xmlsec.SignatureContext()
    pem = key.certificate.public_bytes(Encoding.PEM)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.CERT_PEM)
    context.verify(find(root, ".//ds:Signature"))


def sign(message: Forge, *, prefix: str | None = "ds", inclusive: Sequence[str] = ()) -> bytes:
    """The message, signed over Timestamp and Body by xmlsec."""
    template = xmlsec.template.create(
        message.root, xmlsec.Transform.EXCL_C14N, METHODS[message.key.algorithm], ns=prefix
    )
    for target in ("time", "body"):
        reference = xmlsec.template.add_reference(template, xmlsec.Transform.SHA256, uri=f"#{target}")
        transform = xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
        if inclusive:
            xmlsec.template.transform_add_c14n_inclusive_namespaces(transform, list(inclusive))
    xmlsec.template.ensure_key_info(template)
    message.security.append(template)
    context = xmlsec.SignatureContext()
    pem = message.key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context.key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.PEM)
    xmlsec.tree.add_ids(message.root, ["Id"])
    context.sign(template)
    # Read again: lxml does not find the nodes by name that xmlsec has made.
    return with_token_reference(etree.fromstring(etree.tostring(message.root)))


def with_token_reference(root: etree._Element) -> bytes:
    """The message whose KeyInfo names the token in the way of WS-Security; KeyInfo is not signed."""
    key_info = find(root, ".//ds:Signature/ds:KeyInfo")
    key_info.clear()
    reference = etree.SubElement(key_info, f"{{{WSSE}}}SecurityTokenReference")
    etree.SubElement(reference, f"{{{WSSE}}}Reference", URI="#token", ValueType=X509V3)
    return etree.tostring(root)
