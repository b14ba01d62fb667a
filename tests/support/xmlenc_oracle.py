"""xmlsec as a second opinion on encryption: it opens what we encrypt, and encrypts what we open.

xmlsec looks for a key inside of the data that it opens; WS-Security keeps the two apart. Here they are put together and
taken apart again.
"""

from __future__ import annotations

from typing import Any

import xmlsec as _xmlsec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree

from security.keys import SigningKey
from security.wsse_keyinfo import key_info_text
from security.wsse_terms import WSSE, KeyReference
from security.xmldsig import DS
from security.xmlenc import XENC, XENC11, ContentCipher, KeyTransport
from tests.support.soap import find

xmlsec: Any = _xmlsec

_NAMES = {"xenc": XENC, "ds": DS, "wsse": WSSE}
_METHODS = {
    KeyTransport.RSA_OAEP_MGF1P: f'<xenc:EncryptionMethod Algorithm="{XENC}rsa-oaep-mgf1p"/>',
    KeyTransport.RSA_OAEP: (
        f'<xenc:EncryptionMethod Algorithm="{XENC11}rsa-oaep">'
        '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
        f'<xenc11:MGF xmlns:xenc11="{XENC11}" Algorithm="{XENC11}mgf1sha256"/></xenc:EncryptionMethod>'
    ),
}


def opened(envelope: bytes, key: SigningKey) -> etree._Element:
    """The message with its Body as xmlsec decrypts it."""
    root = etree.fromstring(envelope)
    data, encrypted_key = _found(root, ".//xenc:EncryptedData"), _found(root, ".//xenc:EncryptedKey")
    for reference in encrypted_key.findall("xenc:ReferenceList", _NAMES) + encrypted_key.findall("ds:KeyInfo", _NAMES):
        encrypted_key.remove(reference)
    info = _found(data, "ds:KeyInfo")
    info.clear()
    info.append(encrypted_key)
    context = xmlsec.EncryptionContext(_manager(key))
    context.decrypt(data)
    return etree.fromstring(etree.tostring(root))


def encrypted(envelope: bytes, key: SigningKey, *, cipher: ContentCipher, transport: KeyTransport) -> bytes:
    """A signed message with its Body encrypted by xmlsec for `key`, in the form of WS-Security."""
    root = etree.fromstring(envelope)
    body = find(root, "soap:Body")
    data = etree.fromstring(
        f'<xenc:EncryptedData xmlns:xenc="{XENC}" xmlns:ds="{DS}" Id="data" Type="{XENC}Content">'
        f'<xenc:EncryptionMethod Algorithm="{cipher.uri}"/><ds:KeyInfo><xenc:EncryptedKey Id="key">'
        f"{_METHODS[transport]}<xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>"
        "<xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>"
    )
    context = xmlsec.EncryptionContext(_manager(key))
    size = cipher.key_bytes * 8
    context.key = xmlsec.Key.generate(xmlsec.KeyData.AES, size, xmlsec.KeyDataType.SESSION)
    context.encrypt_xml(data, body)
    # Read again: lxml does not find the nodes by name that xmlsec has made.
    root = etree.fromstring(etree.tostring(root))
    data = _found(root, ".//xenc:EncryptedData")
    encrypted_key = _found(data, ".//xenc:EncryptedKey")
    info = _found(data, "ds:KeyInfo")
    data.remove(info)
    assert key.certificate is not None
    name = key_info_text(key.certificate, KeyReference.SUBJECT_KEY_IDENTIFIER)
    names = etree.fromstring(f'<x xmlns:ds="{DS}" xmlns:wsse="{WSSE}">{name}</x>')
    encrypted_key.insert(1, names[0])
    references = etree.SubElement(encrypted_key, f"{{{XENC}}}ReferenceList")
    etree.SubElement(references, f"{{{XENC}}}DataReference", URI="#data")
    find(root, "soap:Header/wsse:Security").insert(0, encrypted_key)
    return etree.tostring(root)


def _manager(key: SigningKey) -> Any:
    manager = xmlsec.KeysManager()
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    manager.add_key(xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.PEM))
    return manager


def _found(root: etree._Element, path: str) -> etree._Element:
    found = root.find(path, _NAMES)
    assert found is not None, path
    return found
