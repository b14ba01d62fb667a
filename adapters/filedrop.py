"""Operations whose agency exchanges files with the bus: a document is laid into one folder, its answer into another.

Made by `adapters/later.py`. A file is there whole or not at all, whatever dies when: it is written beside, made
durable, then renamed. Nothing here reads what the agency wrote; that is `filedrop_inbox`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec

from adapters.endpoint import Endpoint
from adapters.file_form import Forms, Item
from adapters.manifest_interaction import BatchTerms, LaterTerms
from esb.errors import AgencyTimeout, AgencyUnreachable
from esb.model import AgencyCode, JsonObject
from esb.ports import (
    NO_ORIGIN,
    AgencyAnswer,
    AgencyOperation,
    AnswerIntake,
    Awaited,
    Courier,
    Origin,
    OutgoingCall,
    ProvenAnswer,
    RawAnswer,
)
from security import jws
from security.errors import KeyUnavailable
from security.keys import SigningKey

OWN: Final = ".esb"
"""The bus's own folder within one that is shared with an agency; on the same file system, so that files can move."""

SIGNATURE: Final = ".jws"


class FileOperation:
    """Implements `esb.ports.LaterOperation` over files; the contract's documents are those of `spoken`."""

    def __init__(
        self, spoken: AgencyOperation, outbox: Outbox, courier: Courier, *, terms: LaterTerms, endpoint: Endpoint
    ) -> None:
        self._spoken = spoken
        self._outbox = outbox
        self._courier = courier
        self._terms = terms
        self._endpoint = endpoint

    @property
    def agency(self) -> AgencyCode:
        """Owner of the system."""
        return self._spoken.agency

    @property
    def name(self) -> str:
        """The operation's name in the contract."""
        return self._spoken.name

    @property
    def look(self) -> AgencyOperation | None:
        """Answers lie down by themselves."""
        return None

    @property
    def intake(self) -> AnswerIntake | None:
        """Nothing comes over HTTP."""
        return None

    @property
    def courier(self) -> Courier | None:
        """Looks into the folders; the adapter's operations share it."""
        return self._courier

    def encode(self, values: JsonObject) -> bytes:
        """See the port."""
        return self._spoken.encode(values)

    def sign(
        self,
        document: bytes,
        *,
        message_id: str,
        traceparent: str | None,  # noqa: ARG002 - a file has no place for it
        now: datetime,
        origin: Origin = NO_ORIGIN,  # noqa: ARG002 - nor for this
    ) -> OutgoingCall:
        """The document under its message id. Raises AgencyPaused; KeyUnavailable where files are signed."""
        self._endpoint.refuse_when_paused(now)
        self._outbox.require_key()
        return OutgoingCall(
            method="FILE", url=str(self._outbox.folder), headers={}, body=document, proof=message_id.encode()
        )

    async def send(self, call: OutgoingCall, *, timeout_s: float) -> RawAnswer:
        """Lay the document down.

        Raises:
            AgencyUnreachable: it does not lie there. AgencyTimeout: the disk did not say within `timeout_s`.
        """
        item = Item(id=call.proof.decode(), content=call.body, operation=self.name)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.to_thread(self._outbox.lay_down, item)
        except TimeoutError as error:
            raise AgencyTimeout("the outbox takes too long", agency=self.agency, operation=self.name) from error
        except OSError as error:
            reason = f"outbox: {error.strerror or type(error).__name__}"
            raise AgencyUnreachable(reason, agency=self.agency, operation=self.name) from error
        return RawAnswer(http_status=202, headers={}, body=b"")

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:  # noqa: ARG002 - the bus's own word
        """Nothing came back yet."""
        return ProvenAnswer(http_status=answer.http_status, content=b"", signed_at=None)

    def decode(self, answer: ProvenAnswer) -> AgencyAnswer:  # noqa: ARG002 - there is nothing in it
        """That the answer is awaited, under the message id."""
        return AgencyAnswer(found=True, data={}, awaits=Awaited(key=None, for_s=self._terms.for_s))

    def decode_answer(self, answer: ProvenAnswer) -> AgencyAnswer:
        """See the port."""
        return self._spoken.decode(answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """The folder from which an agency takes files. `key`: what signs them, where they are `signed`."""

    agency: str
    folder: Path
    forms: Forms
    batch: BatchTerms | None = None
    signed: bool = False
    key: SigningKey | None = None

    def require_key(self) -> None:
        """Raises KeyUnavailable."""
        if self.signed and self.key is None:
            raise KeyUnavailable("the bus has no key to sign files with; make one with `esb keys new`")

    def lay_down(self, item: Item) -> None:
        """Durable when it returns; laying the same down again changes nothing. Blocks. Raises OSError."""
        own = self.folder / OWN
        if self.batch is not None:
            staged = own / "staged"
            staged.mkdir(parents=True, exist_ok=True)
            write_whole(staged / item.id, msgspec.msgpack.encode(item), beside=own)
            return
        own.mkdir(parents=True, exist_ok=True)
        # A signature covers bytes and no name: where files are signed, the id stands inside.
        content = self.forms.write([item]) if self.signed else item.content
        ending = self.forms.suffix if self.signed else self.forms.single_suffix()
        name = f"{item.operation}.{item.id}{ending}"
        if self.key is not None and self.signed:
            signature = jws.sign_detached(content, self.key).encode()
            write_whole(self.folder / f"{name}{SIGNATURE}", signature, beside=own)
        write_whole(self.folder / name, content, beside=own)

    def bundle(self) -> None:
        """Make files of what was gathered, and finish what a predecessor left. Blocks. Raises OSError."""
        if self.batch is None or not (self.folder / OWN).is_dir():
            return
        with only_one(self.folder / OWN) as is_it:
            if is_it:
                self._finish_all()
                self._gather(self.batch)

    def _gather(self, batch: BatchTerms) -> None:
        while staged := sorted(_files(self.folder / OWN / "staged"), key=_written_at)[: batch.most]:
            if len(staged) < batch.most and time.time() - _written_at(staged[0]) < batch.every_s:
                return
            made_at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            bundle = self.folder / OWN / "batches" / f"{self.agency}.{made_at}-{uuid4().hex[:8]}{self.forms.suffix}"
            bundle.mkdir(parents=True)
            for path in staged:
                path.rename(bundle / path.name)
            self._finish(bundle)

    def _finish_all(self) -> None:
        for bundle in sorted((self.folder / OWN / "batches").glob("*")):
            self._finish(bundle)

    def _finish(self, bundle: Path) -> None:
        """Publish one bundle, from wherever it stands: items gathered, file written and sealed, or half moved out."""
        own, sealed = self.folder / OWN, bundle / ".sealed"
        if not sealed.exists():
            items = [msgspec.msgpack.decode(path.read_bytes(), type=Item) for path in sorted(_files(bundle))]
            if not items:
                shutil.rmtree(bundle)
                return
            content = self.forms.write(items)
            write_whole(bundle / ".file", content, beside=own)
            if self.signed and self.key is not None:
                write_whole(bundle / ".signature", jws.sign_detached(content, self.key).encode(), beside=own)
            # From here on the file is never made anew: the agency may have taken it already.
            write_whole(sealed, b"", beside=own)
        # The signature first: who sees the file finds it signed.
        _move(bundle / ".signature", self.folder / f"{bundle.name}{SIGNATURE}")
        _move(bundle / ".file", self.folder / bundle.name)
        shutil.rmtree(bundle)


def write_whole(path: Path, content: bytes, *, beside: Path) -> None:
    """The file at `path` is there with this content, durably, or as it was before. Raises OSError."""
    draft = beside / f"draft-{uuid4().hex}"
    with draft.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[bool]:
    """True for one process at a time; the kernel ends it with the process, however that ends."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _move(source: Path, target: Path) -> None:
    if source.exists():
        source.rename(target)
        sync(target.parent)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if not path.name.startswith(".")] if folder.is_dir() else []


def _written_at(path: Path) -> float:
    return path.stat().st_mtime
