from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from adapters import agency_keys
from esb.model import Severity
from esb.settings import Settings
from security import certificates, keys
from security.keys import Algorithm, SigningKey
from tests.support.soap_agency import NOW


def saved(folder: Path, *, algorithm: Algorithm = Algorithm.ES256, days_ago: int = 0, name: str = "bus") -> SigningKey:
    made = NOW - timedelta(days=days_ago)
    key = certificates.self_signed(
        keys.generate(algorithm, made), common_name=name, organisation="test", now=made, valid_days=90
    )
    keys.save(key, folder, passphrase="")
    return key


def settings(home: Path) -> Settings:
    return Settings(home=str(home))


def test_machine_without_keys_has_none_and_no_error(tmp_path: Path) -> None:
    found = agency_keys.load(settings(tmp_path))
    assert (dict(found.signing), found.findings) == ({}, ())
    assert not found.trusts("din-reg")
    assert found.verifying_of("din-reg") == ()


def test_newest_key_of_each_algorithm_signs(tmp_path: Path) -> None:
    bus = tmp_path / "keys" / "bus"
    saved(bus, days_ago=9)
    newest = saved(bus, days_ago=1)
    rsa = saved(bus, algorithm=Algorithm.RS256, days_ago=5)
    found = agency_keys.load(settings(tmp_path))
    assert {algorithm: key.kid for algorithm, key in found.signing.items()} == {
        Algorithm.ES256: newest.kid,
        Algorithm.RS256: rsa.kid,
    }


def test_older_key_never_stands_in_for_one_that_cannot_be_read(tmp_path: Path) -> None:
    bus = tmp_path / "keys" / "bus"
    saved(bus, days_ago=9)
    newest = saved(bus)
    (bus / f"{newest.kid}.key.pem").chmod(0o644)
    found = agency_keys.load(settings(tmp_path))
    assert dict(found.signing) == {}
    assert [finding.severity for finding in found.findings] == [Severity.WARNING]
    assert "chmod 600" in found.findings[0].message


@pytest.mark.parametrize("several", [1, 3])
def test_every_certificate_of_an_agency_is_trusted_and_only_its_own(tmp_path: Path, several: int) -> None:
    folder = tmp_path / "keys" / "agencies" / "din-reg"
    made = [saved(folder, days_ago=days, name="din-reg") for days in range(several)]
    found = agency_keys.load(settings(tmp_path))
    assert found.trusts("din-reg")
    assert not found.trusts("mkr")
    assert len(found.anchors_of("din-reg").pinned) == several
    assert {key.kid for key in found.verifying_of("din-reg")} == {key.kid for key in made}
    assert found.anchors_of("mkr").pinned == frozenset()


def test_agency_with_a_broken_certificate_is_not_trusted_and_does_not_stop_the_others(tmp_path: Path) -> None:
    agencies = tmp_path / "keys" / "agencies"
    saved(agencies / "din-reg", name="din-reg")
    saved(agencies / "mkr", name="mkr")
    (agencies / "mkr" / "broken.crt.pem").write_text("no certificate")
    found = agency_keys.load(settings(tmp_path))
    assert found.trusts("din-reg")
    assert not found.trusts("mkr")
    assert found.verifying_of("mkr") == ()
    assert len(found.findings) == 1
