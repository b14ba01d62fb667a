from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from security import identity, keys
from security.errors import KeyUnavailable
from security.keys import SigningKey
from tests.support.keys import bare_key, signing_key


def der(key: SigningKey) -> bytes:
    assert key.certificate is not None
    return key.certificate.public_bytes(Encoding.DER)


def test_callers_are_known_by_their_keys_and_certificates(tmp_path: Path) -> None:
    keys.save(signing_key(name="portal"), tmp_path / "portal", passphrase="")
    keys.save(bare_key(name="eesmn"), tmp_path / "eesmn", passphrase="")
    known = identity.load(tmp_path)
    assert [key.kid for key in known.keys_of("portal")] == [signing_key(name="portal").kid]
    assert [key.kid for key in known.keys_of("eesmn")] == [bare_key(name="eesmn").kid]
    assert known.caller_of_certificate(der(signing_key(name="portal"))) == "portal"


def test_stranger_is_nobody(tmp_path: Path) -> None:
    keys.save(signing_key(name="portal"), tmp_path / "portal", passphrase="")
    known = identity.load(tmp_path)
    assert known.keys_of("stranger") == ()
    assert known.caller_of_certificate(der(signing_key(name="stranger"))) is None
    assert known.caller_of_certificate(b"") is None


def test_folder_that_is_not_there_knows_nobody(tmp_path: Path) -> None:
    assert identity.load(tmp_path / "nowhere").keys == {}


def test_one_certificate_cannot_be_two_callers(tmp_path: Path) -> None:
    for caller in ("portal", "eesmn"):
        keys.save(signing_key(name="portal"), tmp_path / caller, passphrase="")
    with pytest.raises(KeyUnavailable, match="eesmn and portal"):
        identity.load(tmp_path)
