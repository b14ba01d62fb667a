"""A bundle is the same bytes for the same files, and nothing else is taken for one."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.registration import bundle as bundles
from esb.errors import RegistrationRefused

LEAST = {"adapter.yaml": b"agency: a\n", "contract/a.wsdl": b"<a/>"}

PART = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\", min_codepoint=33), min_size=1, max_size=12
).filter(lambda text: not text.startswith(".") and "\x7f" not in text)
CONTENTS = st.binary(max_size=200).filter(lambda content: b"PRIVATE KEY" not in content)
NAMES = st.lists(PART, min_size=1, max_size=3).map("/".join)


@given(st.dictionaries(NAMES, CONTENTS, max_size=6))
def test_what_is_packed_is_read_back_whatever_its_order(files: dict[str, bytes]) -> None:
    files = {**{name: text for name, text in files.items() if not _clashes(name, files)}, **LEAST}
    made = bundles.of_files(files)
    assert bundles.read(made.content).files == files
    assert bundles.of_files(dict(reversed(files.items()))).content == made.content


def _clashes(name: str, files: dict[str, bytes]) -> bool:
    return len(name.encode()) > 90 or name in LEAST


def test_the_same_folder_gives_the_same_digest_whenever_it_was_copied(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "other"):
        folder = tmp_path / name
        (folder / "contract").mkdir(parents=True)
        for file, content in LEAST.items():
            (folder / file).write_bytes(content)
        (folder / ".git").mkdir()
        (folder / ".git" / "HEAD").write_text(name)
        digests.add(bundles.from_folder(folder).sha256)
    assert len(digests) == 1


def test_the_contract_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter.yaml").write_bytes(b"agency: a\n")
    (tmp_path / "v1" / "types").mkdir(parents=True)
    (tmp_path / "v1" / "types" / "a.xsd").write_bytes(b"<a/>")
    made = bundles.from_folder(tmp_path / "adapter", contract=tmp_path / "v1")
    assert made.contract == {"types/a.xsd": b"<a/>"}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"contract/a.wsdl": b""}, "there is no adapter.yaml"),
        ({"adapter.yaml": b""}, "there is no contract"),
        ({**LEAST, "agency.key.pem": b"-----BEGIN PRIVATE KEY-----\n"}, "holds a private key"),
        ({**LEAST, "contract/../../x": b""}, "is not a name"),
        ({**LEAST, "contract/.hidden": b""}, "is not a name"),
        ({**LEAST, "/etc/passwd": b""}, "is not a name"),
        ({**LEAST, "a\x00b": b""}, "is not a name"),
        ({**LEAST, "a\\b": b""}, "is not a name"),
        ({**LEAST, "contract/" + "a" * 300: b""}, "is not a name"),
        ({**LEAST, "contract/big.wsdl": bytes(bundles.MAX_FILE_BYTES + 1)}, "is over"),
        ({**LEAST, **{f"contract/{number}": b"" for number in range(bundles.MAX_FILES)}}, "more than"),
    ],
)
def test_what_must_not_be_sent_is_named(files: dict[str, bytes], told: str) -> None:
    with pytest.raises(RegistrationRefused, match=told):
        bundles.of_files(files)


def test_a_link_in_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "contract").mkdir()
    (tmp_path / "adapter.yaml").write_bytes(b"")
    (tmp_path / "contract" / "a.wsdl").symlink_to("/etc/hostname")
    with pytest.raises(RegistrationRefused, match="is a link"):
        bundles.from_folder(tmp_path)


def archive(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:", format=form) as made:
        for member, content in members:
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def member(name: str, **others: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.mode, made.mtime = 0o644, 0
    for field, value in others.items():
        setattr(made, field, value)
    return made


GOOD = ((member("adapter.yaml"), b"agency: a\n"), (member("contract/a.wsdl"), b"<a/>"))


def test_the_archives_of_these_tests_are_refused_for_what_is_changed_in_them() -> None:
    assert bundles.read(archive(*GOOD)).files == LEAST


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an archive",
        archive(*GOOD)[:700],
        archive(*GOOD) + b"behind the end",
        archive(*GOOD) + bytes(10240),
        archive(*reversed(GOOD)),
        archive(*GOOD, (member("adapter.yaml"), b"agency: b\n")),
        archive(*GOOD, (member("late", mtime=1), b"")),
        archive(*GOOD, (member("run", mode=0o755), b"")),
        archive(*GOOD, (member("owned", uname="root"), b"")),
        archive(*GOOD, (member("../up"), b"")),
        archive(*GOOD, (member("link", type=tarfile.SYMTYPE, linkname="adapter.yaml"), b"")),
        archive(*GOOD, (member("hard", type=tarfile.LNKTYPE, linkname="adapter.yaml"), b"")),
        archive(*GOOD, (member("pipe", type=tarfile.FIFOTYPE), b"")),
        archive(*GOOD, (member("folder", type=tarfile.DIRTYPE), b"")),
        archive(*GOOD, form=tarfile.GNU_FORMAT) + b"\0",
    ],
)
def test_an_archive_in_any_other_form_is_refused(content: bytes) -> None:
    with pytest.raises(RegistrationRefused):
        bundles.read(content)


@given(st.binary(max_size=2000), st.integers(0, 3000))
def test_no_bytes_end_in_anything_but_a_refusal(junk: bytes, at: int) -> None:
    good = archive(*GOOD)
    spoilt = good[:at] + junk + good[at + len(junk) :]
    try:
        made = bundles.read(spoilt)
    except RegistrationRefused:
        return
    assert made.content == spoilt
