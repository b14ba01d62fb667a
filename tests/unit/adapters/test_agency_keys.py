from __future__ import annotations

import shutil
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


def settings(home: Path, environment: str = "simulated") -> Settings:
    return Settings(home=str(home), environment=environment)


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


def test_simulated_agency_is_believed_by_a_simulated_bus_and_registered_nowhere(tmp_path: Path) -> None:
    saved(tmp_path / "simulator" / "din-reg", name="din-reg")
    found = agency_keys.load(settings(tmp_path))
    assert found.trusts("din-reg")
    assert len(found.anchors_of("din-reg").pinned) == len(found.verifying_of("din-reg")) == 1
    assert found.registered_keys_of("din-reg") == ()
    assert found.registered_anchors_of("din-reg").pinned == frozenset()
    assert not found.trusts("mkr")


@pytest.mark.parametrize("environment", ["test", "live"])
def test_simulated_agency_is_a_stranger_in_every_other_environment(tmp_path: Path, environment: str) -> None:
    played = tmp_path / "simulator" / "din-reg"
    saved(played, name="din-reg")
    saved(played / agency_keys.ENCRYPTION, algorithm=Algorithm.RS256, name="din-reg")
    found = agency_keys.load(settings(tmp_path, environment))
    assert not found.trusts("din-reg")
    assert found.encrypting_for("din-reg") is None
    assert agency_keys.load(settings(tmp_path)).encrypting_for("din-reg") is not None


@pytest.mark.parametrize("environment", ["simulated", "test", "live"])
def test_simulators_certificate_among_the_registered_is_not_believed_as_one(tmp_path: Path, environment: str) -> None:
    played, registered = (tmp_path / name / "din-reg" for name in ("simulator", "keys/agencies"))
    key = saved(played, name="din-reg")
    own = saved(registered, days_ago=1, name="din-reg")
    shutil.copy(played / f"{key.kid}.crt.pem", registered)
    found = agency_keys.load(settings(tmp_path, environment))
    assert [known.kid for known in found.registered_keys_of("din-reg")] == [own.kid]
    assert len(found.registered_anchors_of("din-reg").pinned) == 1
    assert "delete its file" in found.findings[0].message


def test_public_file_of_a_simulator_is_used_by_a_simulated_bus_that_has_no_other(tmp_path: Path) -> None:
    played, registered = (tmp_path / name / "tax" / "bridge.pem" for name in ("simulator", "keys/agencies"))
    played.parent.mkdir(parents=True)
    played.touch()
    assert agency_keys.public_file_of(settings(tmp_path), "tax", "bridge.pem") == played
    assert agency_keys.public_file_of(settings(tmp_path, "live"), "tax", "bridge.pem") == registered
    registered.parent.mkdir(parents=True)
    registered.touch()
    assert agency_keys.public_file_of(settings(tmp_path), "tax", "bridge.pem") == registered
