"""A bundle is believed when a key that is registered for its agency signed exactly it, and in no other case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from adapters import agency_keys
from adapters.agency_keys import AgencyKeys
from adapters.registration import bundle as bundles
from adapters.registration import signing
from adapters.registration.signing import Proof
from esb.errors import RegistrationRefused
from esb.settings import Settings
from security import certificates, keys
from security.keys import Algorithm, SigningKey

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BUNDLE = bundles.of_files({"adapter.yaml": b"agency: din-reg\n", "contract/a.wsdl": b"<a/>"})


def certified(algorithm: Algorithm = Algorithm.ES256) -> SigningKey:
    key = keys.generate(algorithm, NOW)
    return certificates.self_signed(key, common_name="din-reg", organisation="test", now=NOW, valid_days=10)


def bare() -> SigningKey:
    return keys.generate(Algorithm.ES256, NOW)


OWN, FOREIGN, BARE = certified(), certified(), bare()


def known(*held: SigningKey) -> AgencyKeys:
    pinned = [key.certificate for key in held if key.certificate is not None]
    return AgencyKeys(
        anchors={"din-reg": certificates.anchors_of(pinned)},
        verifying={"din-reg": tuple(key.verifying() for key in held)},
    )


def prove(proof: Proof, *held: SigningKey, content: bytes = BUNDLE.content, at: datetime = NOW) -> str:
    return signing.prove(content, proof, "din-reg", known(*held), at=at)


@pytest.mark.parametrize("key", [OWN, BARE, certified(Algorithm.RS256)], ids=["certificate", "bare key", "RSA"])
def test_the_agencys_own_key_is_believed_whatever_its_file_is_called(key: SigningKey) -> None:
    assert prove(signing.sign(BUNDLE, key), key) == keys.thumbprint(key.verifying().public).hex()


def test_a_certificate_that_a_registered_authority_issued_is_believed() -> None:
    authority = certificates.make_authority(bare(), common_name="CA", organisation="test", now=NOW, valid_days=10)
    issued = certificates.issue(authority, bare(), common_name="a", organisation="test", now=NOW, valid_days=5)
    assert prove(signing.sign(BUNDLE, issued), authority)


def test_what_is_packed_is_unpacked() -> None:
    proof = signing.sign(BUNDLE, OWN)
    assert signing.unpack(signing.pack(BUNDLE, proof)) == (BUNDLE, proof)


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ((), "not one of din-reg's"),
        ((FOREIGN,), "not one of din-reg's"),
        ((BARE,), "not one of din-reg's"),
    ],
)
def test_a_key_that_is_not_registered_is_refused(held: tuple[SigningKey, ...], told: str) -> None:
    with pytest.raises(RegistrationRefused, match=told):
        prove(signing.sign(BUNDLE, OWN), *held)


@pytest.mark.parametrize("environment", ["simulated", "live"])
def test_the_simulators_key_is_refused_with_advice(tmp_path: Path, environment: str) -> None:
    keys.save(OWN, tmp_path / "simulator" / "din-reg", passphrase="")
    found = agency_keys.load(Settings(home=str(tmp_path), environment=environment))
    with pytest.raises(RegistrationRefused, match=r"simulator's key.*sign it with din-reg's own key"):
        signing.prove(BUNDLE.content, signing.sign(BUNDLE, OWN), "din-reg", found, at=NOW)


def test_another_agencys_key_is_refused() -> None:
    with pytest.raises(RegistrationRefused):
        signing.prove(BUNDLE.content, signing.sign(BUNDLE, OWN), "mkr", known(OWN), at=NOW)


def test_a_signature_over_other_bytes_is_refused() -> None:
    with pytest.raises(RegistrationRefused, match="not signed by a registered key"):
        prove(signing.sign(BUNDLE, OWN), OWN, content=BUNDLE.content + b"\0")


def test_a_registered_certificate_does_not_lend_itself_to_another_key() -> None:
    own, foreign = signing.sign(BUNDLE, OWN), signing.sign(BUNDLE, FOREIGN)
    with pytest.raises(RegistrationRefused):
        prove(msgspec.structs.replace(foreign, certificate=own.certificate), OWN)


@pytest.mark.parametrize("days", [-1, 11])
def test_a_certificate_out_of_date_is_refused(days: int) -> None:
    with pytest.raises(RegistrationRefused, match="not one of din-reg's: certificate is"):
        prove(signing.sign(BUNDLE, OWN), OWN, at=NOW + timedelta(days=days))


def test_a_key_with_a_certificate_has_to_show_it() -> None:
    hidden = msgspec.structs.replace(signing.sign(BUNDLE, OWN), certificate=None)
    with pytest.raises(RegistrationRefused, match="no key of din-reg is registered"):
        prove(hidden, OWN)


@pytest.mark.parametrize("certificate", ["!", "", "AAAA"])
def test_a_certificate_that_is_none_is_refused(certificate: str) -> None:
    with pytest.raises(RegistrationRefused):
        prove(msgspec.structs.replace(signing.sign(BUNDLE, OWN), certificate=certificate), OWN)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        BUNDLE.content,
        b"{}\n" + BUNDLE.content,
        b'{"esb_bundle":2,"proof":{"signature":"a..b"}}\n' + BUNDLE.content,
        b'{"esb_bundle":1,"proof":{"signature":"a..b"},"more":1}\n' + BUNDLE.content,
        b'{"esb_bundle":1,"proof":{"signature":"a..b"}}\n',
        b"\xff" * 100 + b"\n" + BUNDLE.content,
        b" " * 40_000 + b"\n" + BUNDLE.content,
    ],
)
def test_a_file_that_is_no_signed_bundle_is_refused(content: bytes) -> None:
    with pytest.raises(RegistrationRefused):
        signing.unpack(content)
