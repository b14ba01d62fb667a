from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.secrets import AgencySecrets
from security import secretfile
from security.errors import KeyUnavailable

VALUE = "çox gizli: 'söz' "


def stored(home: Path, content: bytes, *, mode: int = 0o600) -> AgencySecrets:
    path = home / "secrets" / "mkr" / "password"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return AgencySecrets(home, "mkr")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_value_is_the_line_without_its_end(tmp_path: Path, end: str) -> None:
    secrets = stored(tmp_path, (VALUE + end).encode())
    assert secrets.secret("password").reveal() == VALUE
    assert secrets.findings == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"one\ntwo\n", "several lines"),
        (b"a\n\n", "several lines"),
        (b"a\x00b", "control characters"),
        (b"a\tb", "control characters"),
        (b"\xff\xfe", "not text"),
        (b"x" * 16385, "over 16384 bytes"),
    ],
)
def test_file_that_holds_no_secret_is_a_warning_and_fails_closed(tmp_path: Path, content: bytes, reason: str) -> None:
    secrets = stored(tmp_path, content)
    secret = secrets.secret("password")
    assert not secret.is_there
    assert [reason in finding.message for finding in secrets.findings] == [True]
    with pytest.raises(KeyUnavailable, match=reason):
        secret.reveal()


def test_missing_secret_says_how_to_set_it(tmp_path: Path) -> None:
    secrets = AgencySecrets(tmp_path, "mkr")
    for _ in range(2):
        with pytest.raises(KeyUnavailable, match="esb keys secret set mkr password"):
            secrets.secret("password").reveal()
    assert len(secrets.findings) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_secret_that_others_may_read_is_a_warning(tmp_path: Path, mode: int) -> None:
    secrets = stored(tmp_path, b"x", mode=mode)
    assert secrets.secret("password").reveal() == "x"
    assert "chmod 600" in secrets.findings[0].message


@pytest.mark.parametrize("name", ["", ".", "..", "../keys", "a/b", "/etc/passwd", "a\x00", "ə", "x" * 65])
def test_name_cannot_lead_out_of_the_agencys_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyUnavailable):
        secretfile.path_of(tmp_path, "mkr", name)
    with pytest.raises(KeyUnavailable):
        secretfile.path_of(tmp_path, name, "password")


@settings(deadline=None)  # the machine may be busy
@given(
    value=st.text(st.characters(min_codepoint=0x20, exclude_characters="\x7f", codec="utf-8"), min_size=1, max_size=50)
)
def test_value_that_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    path = secretfile.path_of(tmp_path_factory.mktemp("home"), "mkr", "password")
    secretfile.write(path, b"earlier")
    secretfile.write(path, value.encode())
    assert secretfile.read(path) == (value, False)
    assert [found.name for found in secretfile.stored(path.parents[2])] == ["password"]


def test_value_that_is_refused_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = secretfile.path_of(tmp_path, "mkr", "password")
    secretfile.write(path, b"earlier")
    for content in (b"", b"a\nb", b"\xff"):
        with pytest.raises(KeyUnavailable):
            secretfile.write(path, content)
    assert secretfile.read(path)[0] == "earlier"
    assert [file.name for file in path.parent.iterdir()] == ["password"]


def test_secret_is_told_to_nobody_who_does_not_ask(tmp_path: Path) -> None:
    secret = stored(tmp_path, VALUE.encode()).secret("password")
    assert VALUE.strip() not in f"{secret!r} {secret}"
