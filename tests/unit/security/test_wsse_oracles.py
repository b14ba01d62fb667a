"""Other people's code is the oracle: what we sign it verifies, what it signs in this profile we verify."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.algorithms import SignatureConstructionMethod
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from security.errors import SignatureInvalid
from security.keys import Algorithm
from security.wsse import SoapVersion
from security.wsse_terms import WSSE11, WSU
from security.xml import canonical, parse
from security.xmldsig import EXCLUSIVE_C14N
from tests.support import xmlsec_oracle
from tests.support.keys import NOW, signing_key
from tests.support.soap import CONTENT, Forge, signer, tree, verifier

ALGORITHMS = pytest.mark.parametrize("algorithm", Algorithm)
VERSIONS = pytest.mark.parametrize("version", SoapVersion)
CONFIRMS = pytest.mark.parametrize("confirms", [None, b"signature of the request"])


@ALGORITHMS
@VERSIONS
@CONFIRMS
def test_xmlsec_verifies_what_we_sign(algorithm: Algorithm, version: SoapVersion, confirms: bytes | None) -> None:
    key = signing_key(algorithm)
    xmlsec_oracle.verify(tree(signer(key, version).sign(CONTENT, now=NOW, confirms=confirms).envelope), key)


@ALGORITHMS
@VERSIONS
@CONFIRMS
def test_signxml_verifies_what_we_sign(algorithm: Algorithm, version: SoapVersion, confirms: bytes | None) -> None:
    key = signing_key(algorithm)
    envelope = signer(key, version).sign(CONTENT, now=NOW, confirms=confirms).envelope
    results = XMLVerifier().verify(
        tree(envelope),
        x509_cert=key.certificate,
        id_attribute="Id",
        validate_schema=False,
        expect_config=SignatureConfiguration(location=".//", expect_references=3 if confirms else 2),
    )
    assert isinstance(results, list)
    body = results[0].signed_xml
    assert body is not None
    assert body.tag == f"{{{version.namespace}}}Body"


@ALGORITHMS
def test_xmlsec1_verifies_what_we_sign(algorithm: Algorithm, tmp_path: Path) -> None:
    key = signing_key(algorithm)
    assert key.certificate is not None
    message, certificate = tmp_path / "message.xml", tmp_path / "agency.crt.pem"
    message.write_bytes(signer(key).sign(CONTENT, now=NOW, confirms=b"x").envelope)
    certificate.write_bytes(key.certificate.public_bytes(Encoding.PEM))
    names = [f"{SoapVersion.SOAP11.namespace}:Body", f"{WSU}:Timestamp", f"{WSSE11}:SignatureConfirmation"]
    command = ["xmlsec1", "--verify", "--pubkey-cert-pem", str(certificate)]
    command += [part for name in names for part in ("--id-attr:Id", name)]
    done = subprocess.run([*command, str(message)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@ALGORITHMS
def test_prefix_that_only_a_value_uses_stays_bound_under_our_signature(algorithm: Algorithm) -> None:
    key = signing_key(algorithm)
    content = b'<a xmlns:t="urn:t" xmlns:x="urn:x" x:type="t:Kind"><b t:c="1"></b></a>'
    envelope = signer(key).sign(content, now=NOW, inclusive_prefixes=("t",)).envelope
    xmlsec_oracle.verify(tree(envelope), key)
    assert verifier(key).verify(envelope, now=NOW).content == content
    with pytest.raises(SignatureInvalid, match="digest"):
        verifier(key).verify(envelope.replace(b'"urn:t"', b'"urn:u"'), now=NOW)


@ALGORITHMS
@pytest.mark.parametrize("prefix", ["ds", "dsig", None])
def test_what_xmlsec_signs_in_this_profile_we_verify(algorithm: Algorithm, prefix: str | None) -> None:
    key = signing_key(algorithm)
    envelope = xmlsec_oracle.sign(Forge(key), prefix=prefix)
    assert verifier(key).verify(envelope, now=NOW).content == CONTENT


@ALGORITHMS
def test_prefix_that_the_signer_lists_stays_bound_in_what_we_hand_out(algorithm: Algorithm) -> None:
    key = signing_key(algorithm)
    content = b'<r:Reply xmlns:r="urn:r"><r:Value xsi:type="t:Kind">1</r:Value></r:Reply>'
    message = Forge(key, content, declared={"t": "urn:t", "xsi": "http://www.w3.org/2001/XMLSchema-instance"})
    envelope = xmlsec_oracle.sign(message, inclusive=["t", "wsu", "soap"])
    reply = parse(verifier(key).verify(envelope, now=NOW).content)
    assert reply[0].nsmap["t"] == "urn:t"


@ALGORITHMS
@pytest.mark.parametrize("content", [b"<Fault><Code>x</Code></Fault>", b'<Reply xmlns=""><a></a></Reply>', CONTENT])
def test_body_in_the_default_namespace_gives_a_self_contained_child(algorithm: Algorithm, content: bytes) -> None:
    key = signing_key(algorithm)
    message = Forge(key, content, soap_prefix="")
    expected = canonical(message.body[0])
    assert canonical(parse(expected)) == expected
    assert verifier(key).verify(xmlsec_oracle.sign(message), now=NOW).content == expected


@ALGORITHMS
def test_what_signxml_signs_in_this_profile_we_verify(algorithm: Algorithm) -> None:
    key = signing_key(algorithm)
    message = Forge(key)
    maker = XMLSigner(
        method=SignatureConstructionMethod.detached,
        signature_algorithm={Algorithm.ES256: "ecdsa-sha256", Algorithm.RS256: "rsa-sha256"}[algorithm],
        digest_algorithm="sha256",
        c14n_algorithm=EXCLUSIVE_C14N,
    )
    signature = maker.sign(message.root, key=key.private, reference_uri=["body", "time"])
    message.security.append(signature)
    envelope = xmlsec_oracle.with_token_reference(etree.fromstring(etree.tostring(message.root)))
    assert verifier(key).verify(envelope, now=NOW).content == CONTENT
