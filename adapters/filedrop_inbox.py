"""Reads what an agency lays down: each file once, each answer to its exchange, what cannot be read aside with a reason.

The courier of an adapter, sent round by `esb/couriers.py` in every worker. A file is taken by renaming it and goes when
the journal has all of it; whoever dies between leaves it to the next, and the journal knows what it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.file_form import MAX_BYTES, FileRefused, Forms, Item
from adapters.filedrop import OWN, SIGNATURE, Outbox, only_one, write_whole
from esb.errors import AgencyError, AnswerLate, Refused, ReplyInvalid, Saturated
from esb.ports import AgencyOperation, Bring, ProvenAnswer, ProvenPush
from security import jws
from security.errors import SecurityError
from security.keys import VerifyingKey

QUARANTINE: Final = "quarantine"
SIGNATURE_MAY_COME_S: Final = 60.0
"""How long a file waits for its signature, which should have been there first."""

FILES_PER_ROUND: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCourier:
    """Implements `esb.ports.Courier` for one adapter. `operations`: those whose answers may come, by name."""

    agency: str
    inbox: Path
    outbox: Outbox
    forms: Forms
    every_s: float
    settle_s: float
    signed: bool
    keys: tuple[VerifyingKey, ...]
    operations: Mapping[str, AgencyOperation]

    async def carry(self, bring: Bring) -> int:
        """One round: bundle what goes out, bring what came in; how many answers. Raises OSError, StorageError."""
        await asyncio.to_thread(self.outbox.bundle)
        own = self.inbox / OWN
        await asyncio.to_thread(own.mkdir, parents=True, exist_ok=True)
        with only_one(own) as is_it:
            if not is_it:
                return 0
            brought = 0
            for path in await asyncio.to_thread(self._taken):
                # A file with an answer that cannot be given now stays with us and holds up no other.
                with contextlib.suppress(Saturated):
                    brought += await self._bring_file(path, bring)
            return brought

    # --- files -------------------------------------------------------------------------------------------

    def _taken(self) -> list[Path]:
        """The files to read now, out of the agency's reach: those of a predecessor, then what has come."""
        taken = self.inbox / OWN / "taken"
        taken.mkdir(parents=True, exist_ok=True)
        for path in self._arrived():
            signature = path.with_name(path.name + SIGNATURE)
            if signature.exists():
                signature.rename(taken / signature.name)
            path.rename(taken / path.name)
        return sorted(path for path in taken.iterdir() if not path.name.endswith(SIGNATURE))[:FILES_PER_ROUND]

    def _arrived(self) -> list[Path]:
        endings = {self.forms.suffix, self.forms.single_suffix()}
        found = [path for path in self.inbox.iterdir() if path.suffix in endings and not path.name.startswith(".")]
        return sorted(path for path in found if path.is_file() and self._is_settled(path))[:FILES_PER_ROUND]

    def _is_settled(self, path: Path) -> bool:
        age_s = time.time() - path.stat().st_mtime
        if self.signed and not any(place.exists() for place in self._signatures(path)):
            return age_s >= SIGNATURE_MAY_COME_S
        return age_s >= self.settle_s

    def _signatures(self, path: Path) -> tuple[Path, Path]:
        """Where the signature may lie: whoever took it may have died before taking the file."""
        name = path.name + SIGNATURE
        return self.inbox / name, self.inbox / OWN / "taken" / name

    async def _bring_file(self, path: Path, bring: Bring) -> int:
        try:
            items, problems = await asyncio.to_thread(self._read, path)
        except FileRefused as error:
            await asyncio.to_thread(self._set_aside, path, [str(error)])
            return 0
        served = 0
        for item in items:
            problem = await self._bring_item(item, bring)
            served += problem is None
            problems += [f"{item.id}: {problem}"] if problem else []
        await asyncio.to_thread(self._finish, path, problems)
        return served

    async def _bring_item(self, item: Item, bring: Bring) -> str | None:
        """What is wrong with it; None when the journal has it. Raises Saturated, StorageError: later, then."""
        answer = ProvenAnswer(http_status=item.http_status, content=item.content, signed_at=None)
        problem = self._problem_of(answer)
        if problem is not None:
            return problem
        try:
            await bring(self.agency, item.content, ProvenPush(key=item.id, answer=answer))
        except AnswerLate:
            return None  # it is kept, and on record as late
        except Refused as error:
            return error.reason
        return None

    def _problem_of(self, answer: ProvenAnswer) -> str | None:
        problem: str | None = "no operation has answers of this form"
        for operation in self.operations.values():
            try:
                operation.decode(answer)
            except ReplyInvalid as error:
                problem = f"{error.path}: {error.reason}" if error.path else error.reason
            except AgencyError:
                return None  # a refusal is an answer
            else:
                return None
        return problem

    # --- one file ----------------------------------------------------------------------------------------

    def _read(self, path: Path) -> tuple[list[Item], list[str]]:
        if path.stat().st_size > MAX_BYTES:
            raise FileRefused(f"over {MAX_BYTES} bytes")
        content = path.read_bytes()
        if self.signed:
            self._prove(path, content)
        elif self.forms.is_single(path.name, content):
            return [self.forms.read_single(path.name, content)], []
        return self.forms.read(content)

    def _prove(self, path: Path, content: bytes) -> None:
        signature = path.with_name(path.name + SIGNATURE)
        if not signature.exists():
            raise FileRefused(f"{signature.name} is missing")
        try:
            value = signature.read_text("ascii").strip()
            jws.verify_detached(content, value, {key.kid: key for key in self.keys})
        except (UnicodeDecodeError, SecurityError) as error:
            raise FileRefused(f"its signature does not hold: {getattr(error, 'reason', 'not text')}") from error

    def _finish(self, path: Path, problems: list[str]) -> None:
        if problems:
            self._set_aside(path, problems)
            return
        path.unlink()
        path.with_name(path.name + SIGNATURE).unlink(missing_ok=True)

    def _set_aside(self, path: Path, problems: list[str]) -> None:
        aside = self.inbox / QUARANTINE
        aside.mkdir(exist_ok=True)
        text = "".join(f"{problem}\n" for problem in problems)
        write_whole(aside / f"{path.name}.reason.txt", text.encode(), beside=self.inbox / OWN)
        signature = path.with_name(path.name + SIGNATURE)
        if signature.exists():
            signature.rename(aside / signature.name)
        path.rename(aside / path.name)
