from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from adapters import agency_keys
from esb import operations
from esb.settings import Settings
from security import certificates, keys
from security.keys import ENCRYPTION_FOLDER, Algorithm
from tests.support.keys import NOW


def test_newest_encryption_key_comes_first_and_older_ones_go_on_opening(tmp_path: Path) -> None:
    settings = Settings(home=str(tmp_path))
    first = operations.new_encryption_key(settings, now=NOW)
    second = operations.new_encryption_key(settings, now=NOW + timedelta(days=1))
    found = agency_keys.load(settings)
    assert [key.kid for key in found.decrypting] == [second.kid, first.kid]
    assert found.signing == {}


def test_certificate_to_encrypt_for_is_believed_for_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "keys" / "agencies" / "heat" / ENCRYPTION_FOLDER
    key = keys.generate(Algorithm.RS256, NOW)
    made = certificates.for_encryption(key, common_name="heat", organisation="Test", now=NOW)
    keys.save(made, folder, passphrase="")
    found = agency_keys.load(Settings(home=str(tmp_path)))
    assert found.encrypting["heat"].certificate == made.certificate
    assert not found.trusts("heat")
