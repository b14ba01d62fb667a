"""A simulated agency that exchanges files: takes what the bus lays down, answers in the folder that the bus looks into.

Believes files as the bus does, and writes them as carefully. Only for contracts in XML.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import quoteattr

from adapters.file_form import NAMESPACE, id_in
from adapters.filedrop import OWN, SIGNATURE, write_whole
from adapters.manifest_interaction import FileTerms
from security import jws, xml
from security.errors import SecurityError
from security.keys import SigningKey, VerifyingKey

LOOK_EVERY_S = 0.1

AnswerOf = Callable[[bytes], bytes]
"""The agency's document for the bus's."""


class FileAgency:
    """Reads and answers until stopped. `seen` counts documents by message id, `refused` files by reason."""

    def __init__(
        self,
        terms: FileTerms,
        *,
        home: Path,
        answer_of: AnswerOf,
        key: SigningKey,
        bus_keys: tuple[VerifyingKey, ...],
    ) -> None:
        self.seen: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._from_bus = home / terms.outbox
        self._to_bus = home / terms.inbox
        self._signed = terms.signature == "jws"
        self._answer_of = answer_of
        self._key = key
        self._bus_keys = {one.kid: one for one in bus_keys}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; inside a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.to_thread(self.answer_all)
            await asyncio.sleep(LOOK_EVERY_S)

    def answer_all(self) -> None:
        """One round over what lies there now."""
        if not self._from_bus.is_dir():
            return
        for path in sorted(self._from_bus.glob("*.xml")):
            try:
                self._answer(path)
            except SecurityError as error:
                self.refused[error.reason] += 1
            path.unlink()
            path.with_name(path.name + SIGNATURE).unlink(missing_ok=True)

    def _answer(self, path: Path) -> None:
        content = path.read_bytes()
        if self._signed:
            value = path.with_name(path.name + SIGNATURE).read_text("ascii")
            jws.verify_detached(content, value, self._bus_keys)
        root = xml.parse(content)
        if root.tag != f"{{{NAMESPACE}}}Requests":
            key = id_in(path.name) or ""
            self.seen[key] += 1
            self._lay_down(path.name, self._answer_of(xml.canonical(root)))
            return
        answers = []
        for request in root:
            key = request.get("id") or ""
            self.seen[key] += 1
            document = self._answer_of(xml.canonical(request[0]))
            answers.append(f"<f:Answer id={quoteattr(key)}>".encode() + document + b"</f:Answer>")
        body = b"".join(answers)
        self._lay_down(path.name, f'<f:Answers xmlns:f="{NAMESPACE}">'.encode() + body + b"</f:Answers>")

    def _lay_down(self, name: str, content: bytes) -> None:
        drafts = self._to_bus / OWN
        drafts.mkdir(parents=True, exist_ok=True)
        if self._signed:
            signature = jws.sign_detached(content, self._key).encode()
            write_whole(self._to_bus / f"{name}{SIGNATURE}", signature, beside=drafts)
        write_whole(self._to_bus / name, content, beside=drafts)
