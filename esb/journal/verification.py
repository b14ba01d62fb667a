"""Does the journal still say what was written? Checks chains, checkpoints, anchors and stored payloads, all of them.

Called by `esb journal verify` and the demo, also while the bus runs. Only reads. Finding nothing proves as much as
the oldest thing outside the database that it was compared with: an anchor, a checkpoint, a file kept elsewhere.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import msgspec

from esb.errors import JournalTampered
from esb.journal import anchors, queries, register_audit
from esb.journal import content as contents
from esb.journal.content import Content, Kind
from esb.journal.rows import Value
from esb.ports import State
from security.errors import ChainBroken, SecurityError
from security.hashchain import (
    CHECKPOINT_CHAIN,
    ChainVerifier,
    Checkpoint,
    check_signature,
    check_succession,
    from_line,
    to_line,
)

RECORDS_PER_PAGE = 1000
EXCHANGES_PER_PAGE = 250
PROBLEMS_AT_MOST = 1000
DATABASE = "database"


class ProvingKey(Protocol):
    """A public key of the bus."""

    @property
    def kid(self) -> str:
        """Its name in a checkpoint."""
        ...

    def verify(self, signature: bytes, data: bytes) -> None:
        """Raises SecurityError."""
        ...


class VerifiableJournal(Protocol):
    """What of a journal is read here; `GroupCommitJournal` is one."""

    @property
    def owner(self) -> str:
        """`<node>/<slot>`; chains of this node are expected to have an anchor on this machine."""
        ...

    async def select(self, query: str, *values: Value) -> Sequence[Sequence[Any]]:
        """Rows of one statement of `queries`."""
        ...

    async def missing_guards(self) -> Sequence[str]:
        """Triggers of the database that should be in force and are not."""
        ...


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that does not hold. `seq` 0: the chain as a whole."""

    chain: str
    seq: int
    what: str

    def __str__(self) -> str:
        """`chain #seq: what`."""
        return f"{self.chain} #{self.seq}: {self.what}" if self.seq else f"{self.chain}: {self.what}"


class VerificationReport(msgspec.Struct, frozen=True, kw_only=True):
    """How much was looked at, and what was found; no problems means that everything agrees."""

    records: int
    chains: int
    checkpoints: int
    problems: tuple[Problem, ...]


class _Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody outside the chain remembers that this record exists, with this digest."""

    seq: int
    digest: bytes
    witness: str


async def verify(
    journal: VerifiableJournal, home: Path, keys: Iterable[ProvingKey], *, against: Path | None = None
) -> VerificationReport:
    """Check everything. `keys`: the bus's own. `against`: checkpoints kept elsewhere, as in `checkpoints.jsonl`.

    Raises:
        JournalUnavailable: the journal cannot be read.
    """
    return await _Verification(journal, home, {key.kid: key for key in keys}, against).run()


class _Verification:
    def __init__(
        self, journal: VerifiableJournal, home: Path, keys: Mapping[str, ProvingKey], against: Path | None
    ) -> None:
        self._journal = journal
        self._home = home
        self._keys = keys
        self._against = against
        self._problems: list[Problem] = []
        self._expected: dict[str, list[_Expected]] = defaultdict(list)
        self._records = 0
        self._evidence: dict[str, tuple[str, int]] = {}

    async def run(self) -> VerificationReport:
        # What lies outside is read first: the database may only have grown since, and a bus that is running while
        # this is read must not look as if it had been cut off.
        anchored = list(anchors.read_all(self._home))
        local = self._lines_of(anchors.checkpoint_file(self._home))
        kept = self._lines_of(self._against) if self._against else []
        checkpoints = self._stored(await self._journal.select(queries.CHECKPOINTS))
        chains = [str(row[0]) for row in await self._journal.select(queries.CHAINS)]
        for guard in await self._journal.missing_guards():
            self._report(DATABASE, 0, f"the trigger {guard}, which refuses changes, is missing or switched off")
        for anchor in anchored:
            self._expect(anchor.chain, anchor.head.seq, anchor.head.digest, f"the anchor {anchor.file.name}")
        self._check_checkpoints(checkpoints)
        self._check_copies(checkpoints, local, "checkpoints.jsonl")
        self._check_copies(checkpoints, kept, "the file that was kept elsewhere")
        if checkpoints:
            self._check_anchors({anchor.chain for anchor in anchored}, chains)
        for chain in chains:
            await self._check_chain(chain)
        for chain in self._expected.keys() - set(chains):
            self._miss(chain, self._expected[chain])
        await self._check_exchanges()
        await self._check_evidence()
        async for chain, seq, what in register_audit.problems(self._journal):
            self._report(chain, seq, what)
        return VerificationReport(
            records=self._records,
            chains=len(chains),
            checkpoints=len(checkpoints),
            problems=tuple(self._problems[:PROBLEMS_AT_MOST]),
        )

    # --- checkpoints and anchors -------------------------------------------------------------------------

    def _check_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        after: Checkpoint | None = None
        for checkpoint in checkpoints:
            try:
                check_succession(checkpoint, after=after)
            except ChainBroken as broken:
                self._report(broken.chain, broken.seq, broken.reason)
            self._check_checkpoint(checkpoint)
            after = checkpoint

    def _check_checkpoint(self, checkpoint: Checkpoint) -> None:
        try:
            check_signature(checkpoint, self._prove)
        except SecurityError as error:
            self._report(CHECKPOINT_CHAIN, checkpoint.seq, f"signature does not hold: {error.reason}")
            return
        for chain, head in checkpoint.heads.items():
            self._expect(chain, head.seq, head.digest, f"checkpoint {checkpoint.seq}")

    def _check_copies(self, checkpoints: Sequence[Checkpoint], copies: Sequence[Checkpoint], witness: str) -> None:
        stored = {checkpoint.seq: checkpoint.content for checkpoint in checkpoints}
        for copy in copies:
            if stored.get(copy.seq) == copy.content:
                continue
            what = "was changed" if copy.seq in stored else "is missing"
            self._report(CHECKPOINT_CHAIN, copy.seq, f"{what} in the database, {witness} has it")
            self._check_checkpoint(copy)

    def _check_anchors(self, anchored: set[str], chains: Sequence[str]) -> None:
        node = self._journal.owner.partition("/")[0]
        for chain in chains:
            if chain.partition("/")[0] == node and chain not in anchored:
                self._report(chain, 0, "its anchor is missing or cannot be read")

    def _prove(self, kid: str, signature: bytes, data: bytes) -> None:
        key = self._keys.get(kid)
        if key is None:
            raise SecurityError(f"no key {kid}")
        key.verify(signature, data)

    def _stored(self, rows: Sequence[Sequence[Any]]) -> list[Checkpoint]:
        return list(self._readable((row[0] for row in rows), "the database"))

    def _lines_of(self, file: Path) -> list[Checkpoint]:
        if not file.exists():
            return []
        return list(self._readable(file.read_bytes().splitlines(), file.name))

    def _readable(self, lines: Iterable[bytes], where: str) -> Iterator[Checkpoint]:
        for number, line in enumerate(lines, 1):
            try:
                checkpoint = from_line(_bytes(line))
            except ValueError:
                self._report(CHECKPOINT_CHAIN, 0, f"entry {number} of {where} cannot be read")
                continue
            if to_line(checkpoint) != line:
                self._report(CHECKPOINT_CHAIN, checkpoint.seq, f"is not written as the bus writes it, in {where}")
            yield checkpoint

    # --- chains ------------------------------------------------------------------------------------------

    async def _check_chain(self, chain: str) -> None:
        verifier = ChainVerifier(chain)
        expected = sorted(self._expected[chain], key=lambda one: -one.seq)
        async for row in self._pages(chain):
            self._records += 1
            _, seq, previous, digest, _, content = row[:6]
            if not isinstance(seq, int):
                self._report(chain, 0, "a record has no number")
                continue
            if not all(isinstance(value, bytes) for value in (previous, digest, content)):
                self._report(chain, seq, "is not stored as bytes, which the bus never does")
                verifier.resume(seq=seq, digest=digest)
                continue
            try:
                verifier.accept(seq=seq, previous=previous, digest=digest, content=content)
            except ChainBroken as broken:
                self._report(chain, broken.seq, broken.reason)
                verifier.resume(seq=seq, digest=digest)
            self._check_columns(row)
            while expected and expected[-1].seq <= seq:
                self._compare(chain, seq, digest, expected.pop())
        self._miss(chain, expected)

    async def _check_evidence(self) -> None:
        """What is there under a digest is compared with it by the audit of all that is stored so."""
        for sha256, (chain, seq) in self._evidence.items():
            if not await self._journal.select(queries.BUNDLE_THERE, sha256):
                self._report(chain, seq, "the document that it names as evidence was removed")

    async def _pages(self, chain: str) -> AsyncIterator[Sequence[Any]]:
        seq = 0
        while page := await self._journal.select(queries.RECORDS_PAGE, chain, seq, RECORDS_PER_PAGE):
            for row in page:
                yield row
            seq = page[-1][1]

    def _check_columns(self, row: Sequence[Any]) -> None:
        """The columns that are searched by must say what the content says; only the content is digested."""
        chain, seq, _, _, kind, content, caller, message_id, _ = row
        try:
            facts = contents.decode(content)
        except JournalTampered:
            self._report(chain, seq, "content cannot be read")
            return
        if (facts.kind, facts.caller or "", facts.message_id) != (kind, caller, message_id):
            self._report(chain, seq, "is filed under another exchange or kind than its content says")
        if facts.kind is Kind.EVIDENCE and facts.document_sha256:
            self._evidence.setdefault(facts.document_sha256, (chain, seq))

    def _compare(self, chain: str, seq: int, digest: bytes, expected: _Expected) -> None:
        if seq != expected.seq or digest != expected.digest:
            self._report(chain, expected.seq, f"is not the record that {expected.witness} names")

    def _miss(self, chain: str, expected: Iterable[_Expected]) -> None:
        for one in expected:
            self._report(chain, one.seq, f"is cut off: {one.witness} names it")

    # --- exchanges ---------------------------------------------------------------------------------------

    async def _check_exchanges(self) -> None:
        after = ("", "")
        while page := await self._journal.select(queries.AUDIT_PAGE, *after, EXCHANGES_PER_PAGE):
            for (caller, message_id), rows in groupby(page, key=lambda row: (row[0], row[1])):
                records = list(rows)
                self._check_readable(records)
                await self._check_answers(records)
                after = (message_id, caller)
        for chain, seq, message_id in await self._journal.select(queries.ORPHANS):
            self._report(chain, seq, f"its exchange {message_id} was removed")

    def _check_readable(self, rows: Sequence[Sequence[Any]]) -> None:
        try:
            self._check_exchange(rows)
        except JournalTampered:
            self._report(rows[0][9] or self._journal.owner, rows[0][10] or 0, f"exchange {rows[0][1]} cannot be read")

    def _check_exchange(self, rows: Sequence[Sequence[Any]]) -> None:
        _, message_id, route, state, status, received, outcome, body_sha256, reply_sha256 = rows[0][:9]
        records = [(chain, seq, kind, content) for *_, chain, seq, kind, content in rows if chain]
        chain, seq = (records[0][0], records[0][1]) if records else (self._journal.owner, 0)
        name = f"exchange {message_id}"
        if not any(content == received for _, _, kind, content in records if kind in {Kind.RECEIVED, Kind.PARKED}):
            self._report(chain, seq, f"{name} is not the one that was received")
            return
        facts = contents.decode(received)
        if facts.route != route or not _fits(body_sha256, facts.body_sha256):
            self._report(chain, seq, f"{name}: the stored request is not the one that was received")
        kinds = Counter(kind for _, _, kind, _ in records)
        if kinds[Kind.COMPLETED] != (1 if state == State.COMPLETED else 0):
            self._report(chain, seq, f"{name} is {state} with {kinds[Kind.COMPLETED]} COMPLETED records")
        if outcome is not None or state != State.RECEIVED:
            self._check_outcome(records, outcome, (name, status, reply_sha256))

    def _check_outcome(
        self, records: Sequence[tuple[str, int, str, bytes]], outcome: bytes | None, stored: tuple[str, Any, Any]
    ) -> None:
        name, status, reply_sha256 = stored
        matching = [(chain, seq) for chain, seq, _, content in records if content == outcome]
        if outcome is None or not matching:
            chain, seq = records[-1][:2]
            self._report(chain, seq, f"{name}: the stored outcome is not the recorded one")
            return
        facts: Content = contents.decode(outcome)
        if (facts.status or None) != status or not _fits(reply_sha256, facts.reply_sha256):
            self._report(*matching[-1], f"{name}: the stored reply is not the recorded one")

    async def _check_answers(self, rows: Sequence[Sequence[Any]]) -> None:
        answered = [row[9:] for row in rows if row[11] in _ANSWERS]
        if not answered:
            return
        caller, message_id = rows[0][:2]
        kept = await self._journal.select(queries.ANSWERS_OF, message_id, caller)
        digests = {(agency, key): sha256 for agency, key, sha256 in kept}
        # After a replay an agency may answer under the same key again: then the last one is kept.
        last = {(facts.agency, facts.answer_key): (chain, seq, facts) for chain, seq, facts in _readable(answered)}
        for place, (chain, seq, facts) in last.items():
            if place not in digests:
                self._report(chain, seq, f"exchange {message_id}: the answer it was given is missing")
            elif not _fits(digests[place], facts.answer_sha256):
                self._report(chain, seq, f"exchange {message_id}: the stored answer is not the recorded one")

    # --- findings ----------------------------------------------------------------------------------------

    def _expect(self, chain: str, seq: int, digest: bytes, witness: str) -> None:
        if seq > 0:
            self._expected[chain].append(_Expected(seq=seq, digest=digest, witness=witness))

    def _report(self, chain: str, seq: int, what: str) -> None:
        if len(self._problems) < PROBLEMS_AT_MOST:
            self._problems.append(Problem(chain=chain, seq=seq, what=what))


def _readable(records: Iterable[Sequence[Any]]) -> Iterator[tuple[str, int, Content]]:
    for chain, seq, _, content in records:
        # What cannot be read was reported with its chain.
        with contextlib.suppress(JournalTampered):
            yield chain, seq, contents.decode(content)


_ANSWERS = frozenset({Kind.ANSWERED.value, Kind.ANSWERED_LATE.value})


def _bytes(line: object) -> bytes:
    if not isinstance(line, bytes):
        raise ValueError  # noqa: TRY004 - it cannot be read, whatever the reason
    return line


def _fits(stored: bytes | None, recorded: str | None) -> bool:
    """A payload that is no longer stored fits: purging it is allowed, its digest stays."""
    return stored is None or stored.hex() == recorded
