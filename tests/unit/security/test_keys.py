from __future__ import annotations

import dataclasses
import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc.jwk import ECKey, RSAKey, import_key

from security import keys
from security.errors import KeyUnavailable, SignatureInvalid
from security.keys import Algorithm
from tests.support.keys import NOW, bare_key, signing_key, weak_rsa_key

ALGORITHMS = pytest.mark.parametrize("algorithm", Algorithm)


@ALGORITHMS
def test_signature_verifies_over_the_same_bytes_only(algorithm: Algorithm) -> None:
    key = bare_key(algorithm)
    signature = key.sign(b"data")
    key.verifying().verify(signature, b"data")
    for spoilt, data in (
        (signature, b"other"),
        (signature[:-1], b"data"),
        (b"", b"data"),
        (signature + b"\0", b"data"),
        (signature[:32] + b"\0" + signature[32:], b"data"),
    ):
        with pytest.raises(SignatureInvalid):
            key.verifying().verify(spoilt, data)


@ALGORITHMS
def test_saved_key_loads_as_it_was(algorithm: Algorithm, tmp_path: Path) -> None:
    key = signing_key(algorithm)
    keys.save(key, tmp_path, passphrase="")
    loaded = keys.active(tmp_path, passphrase="")
    assert (loaded.kid, loaded.algorithm, loaded.certificate) == (key.kid, algorithm, key.certificate)
    key.verifying().verify(loaded.sign(b"data"), b"data")


def test_private_key_is_written_for_its_owner_only(tmp_path: Path) -> None:
    keys.save(bare_key(), tmp_path / "new", passphrase="")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    path = tmp_path / "new" / f"{bare_key().kid}.key.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(path.name for path in path.parent.iterdir()) == [
        f"{bare_key().kid}.key.pem",
        f"{bare_key().kid}.pub.pem",
    ]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_private_key_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    keys.save(bare_key(), tmp_path, passphrase="")
    path = tmp_path / f"{bare_key().kid}.key.pem"
    path.chmod(mode)
    with pytest.raises(KeyUnavailable, match=f"chmod 600 {path}"):
        keys.load_signing(path, passphrase="")


def test_saved_key_is_never_overwritten(tmp_path: Path) -> None:
    keys.save(bare_key(), tmp_path, passphrase="")
    path = tmp_path / f"{bare_key().kid}.key.pem"
    before = path.read_bytes()
    with pytest.raises(KeyUnavailable, match="cannot write"):
        keys.save(dataclasses.replace(bare_key(name="other"), kid=bare_key().kid), tmp_path, passphrase="")
    assert path.read_bytes() == before


def test_passphrase_protects_the_key_on_disk(tmp_path: Path) -> None:
    keys.save(bare_key(), tmp_path, passphrase="long enough")
    path = tmp_path / f"{bare_key().kid}.key.pem"
    assert b"ENCRYPTED" in path.read_bytes()
    assert keys.load_signing(path, passphrase="long enough").kid == bare_key().kid
    for wrong in ("", "another"):
        with pytest.raises(KeyUnavailable, match="ESB_KEY_PASSPHRASE"):
            keys.load_signing(path, passphrase=wrong)


def test_newest_key_is_the_active_one_and_an_older_never_stands_in(tmp_path: Path) -> None:
    older = keys.generate(Algorithm.ES256, NOW - timedelta(days=1))
    newer = keys.generate(Algorithm.ES256, NOW)
    for key in (newer, older):
        keys.save(key, tmp_path, passphrase="")
    assert keys.active(tmp_path, passphrase="").kid == newer.kid
    (tmp_path / f"{newer.kid}.key.pem").write_text("spoilt")
    with pytest.raises(KeyUnavailable):
        keys.active(tmp_path, passphrase="")


def test_missing_key_is_named_with_advice(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="esb keys new"):
        keys.active(tmp_path / "nowhere", passphrase="")
    with pytest.raises(KeyUnavailable, match="esb keys new"):
        keys.load_signing(tmp_path / "x.key.pem", passphrase="")


def test_certificate_of_another_key_is_noticed(tmp_path: Path) -> None:
    keys.save(bare_key(), tmp_path, passphrase="")
    stranger = signing_key(name="stranger").certificate
    assert stranger is not None
    (tmp_path / f"{bare_key().kid}.crt.pem").write_bytes(stranger.public_bytes(serialization.Encoding.PEM))
    with pytest.raises(KeyUnavailable, match="does not belong"):
        keys.active(tmp_path, passphrase="")


def test_public_keys_of_a_folder_come_sorted_and_certified_where_they_are(tmp_path: Path) -> None:
    keys.save(signing_key(), tmp_path, passphrase="")
    keys.save(bare_key(name="second"), tmp_path, passphrase="")
    keys.write_public(signing_key().verifying(), tmp_path / f"{signing_key().kid}.pub.pem")
    loaded = keys.load_verifying_keys(tmp_path)
    assert [key.kid for key in loaded] == sorted([signing_key().kid, bare_key(name="second").kid])
    assert {key.kid for key in loaded if key.certificate} == {signing_key().kid}
    assert keys.load_verifying_keys(tmp_path / "nowhere") == ()


@pytest.mark.parametrize("name", ["x.pub.pem", "x.crt.pem"])
def test_unreadable_public_key_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("not PEM")
    with pytest.raises(KeyUnavailable, match=name):
        keys.load_verifying_keys(tmp_path)


@pytest.mark.parametrize(
    "private",
    [
        weak_rsa_key(),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["rsa-1024", "p-384", "secp256k1", "ed25519"],
)
def test_key_outside_the_closed_set_is_refused(tmp_path: Path, private: rsa.RSAPrivateKey) -> None:
    path = tmp_path / "x.key.pem"
    path.touch(mode=0o600)
    path.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(KeyUnavailable):
        keys.load_signing(path, passphrase="")
    (tmp_path / "y.pub.pem").write_bytes(keys.public_pem(private.public_key()))
    with pytest.raises(KeyUnavailable):
        keys.load_verifying_keys(tmp_path)


@ALGORITHMS
def test_jwk_is_what_joserfc_reads_and_holds_nothing_private(algorithm: Algorithm) -> None:
    key = bare_key(algorithm)
    entry = keys.jwk(key.verifying())
    assert (entry["kid"], entry["alg"], entry["use"]) == (key.kid, algorithm, "sig")
    assert not {"d", "p", "q"} & entry.keys()
    read = import_key(json.loads(json.dumps(entry)))
    assert isinstance(read, ECKey | RSAKey)
    assert read.as_pem(private=False) == keys.public_pem(key.private.public_key())
    assert keys.from_jwk(entry) == key.verifying()


@pytest.mark.parametrize(
    "spoilt",
    [{"kty": "oct"}, {"kty": "EC", "crv": "P-384"}, {"alg": "HS256"}, {"alg": "RS256"}, {"x": "AA"}, {"x": "!"}],
)
def test_jwk_that_is_not_ours_is_refused(spoilt: dict[str, str]) -> None:
    with pytest.raises(KeyUnavailable):
        keys.from_jwk({**keys.jwk(bare_key().verifying()), **spoilt})
    with pytest.raises(KeyUnavailable):
        keys.from_jwk({})


def test_name_of_a_key_is_its_time_and_thumbprint() -> None:
    key = bare_key()
    stamp, _, digest = key.kid.partition("-")
    assert stamp == "20261121T120000"
    assert keys.thumbprint(key.private.public_key()).hex().startswith(digest)
    assert len(digest) == 8


def test_private_key_does_not_show_when_printed() -> None:
    assert "private" not in repr(bare_key())
