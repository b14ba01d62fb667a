"""What an agency's team has and sends: a key whose certificate the bus knows, and folders of further versions."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters.manifest import Lifecycle
from adapters.registration import bundle as bundles
from adapters.registration import signing
from adapters.registration.desk import Desk, Done
from adapters.registration.record import LADDER, Pilot
from esb.settings import Settings
from security import certificates, keys
from security.keys import Algorithm, SigningKey
from tests.support.agencies import ROOT

OPERATOR = "aysel"


@dataclass(frozen=True, kw_only=True)
class Team:
    """The team of one agency. `folder`: where its key and its adapters lie."""

    agency: str
    folder: Path
    key: SigningKey

    @property
    def key_file(self) -> Path:
        """The private key."""
        return self.folder / f"{self.key.kid}.key.pem"

    def adapter(self, version: str, *changes: tuple[str, str], file: str = "adapter.yaml") -> Path:
        """The folder of a version made from the checked-in one, with its contract; `changes` are made in `file`."""
        folder = self.folder / version
        shutil.copytree(ROOT / "adapters" / "agencies" / self.agency, folder, dirs_exist_ok=True)
        shutil.copytree(ROOT / "schemas" / "agencies" / self.agency / "v1", folder / "contract", dirs_exist_ok=True)
        edit(
            folder / "adapter.yaml",
            ("version: v1", f"version: {version}"),
            ("lifecycle: live", "lifecycle: registered"),
        )
        edit(folder / file, *changes)
        return folder

    def packed(self, folder: Path) -> bytes:
        """What the team sends."""
        made = bundles.from_folder(folder)
        return signing.pack(made, signing.sign(made, self.key))


def team_of(agency: str, home: Path, folder: Path) -> Team:
    """A team whose certificate is registered in `home`."""
    now = datetime.now(UTC)
    key = certificates.self_signed(
        keys.generate(Algorithm.ES256, now), common_name=agency, organisation="team", now=now, valid_days=30
    )
    folder.mkdir(parents=True, exist_ok=True)
    keys.save(key, folder, passphrase="")
    known = home / "keys" / "agencies" / agency
    known.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / f"{key.kid}.crt.pem", known)
    return Team(agency=agency, folder=folder, key=key)


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Exchange texts in a file; each must be there."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def desk_of(settings: Settings, operator: str = OPERATOR) -> Desk:
    """The register as an operator reaches it."""
    return Desk(settings, operator=operator)


async def lead(desk: Desk, agency: str, version: str, to: Lifecycle, *, callers: tuple[str, ...] = ("portal",)) -> Done:
    """Promote a registered version step by step."""
    done: Done | None = None
    for stage in LADDER[1 : LADDER.index(to) + 1]:
        pilot = Pilot(callers=callers) if stage is Lifecycle.PILOT else None
        done = await desk.promote(agency, version, to=stage, pilot=pilot, reason=f"to {stage}")
    assert done is not None
    return done
