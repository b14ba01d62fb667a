"""The `Journal` port over any store: each call becomes an operation that shares its commit with others.

`esb.journal.connect` makes it. It decides nothing about exchanges (`operations` does) and writes no SQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from esb.errors import JournalTampered, JournalUnavailable
from esb.journal import awaiting, errands, leases, operations, queries
from esb.journal import content as contents
from esb.journal.anchors import append_checkpoint
from esb.journal.commit import GroupCommit
from esb.journal.content import Content, Kind
from esb.journal.registrations import Change, operation_of
from esb.journal.rows import (
    AwaitedRow,
    ExchangeRow,
    InboxRow,
    Key,
    Value,
    claim_rows,
    journal_record,
    late_answer,
    microseconds,
    new_row,
    outbox_rows,
    pending_outgoing,
    span_us,
    stored_exchange,
)
from esb.journal.store import Store
from esb.journal.writer import ATTEMPTS, ChainWriter, Committed
from esb.model import CallerName, MessageId, RouteId
from esb.ports import (
    Claim,
    Clock,
    Completion,
    ExchangeFilter,
    InboxReply,
    JournalRecord,
    LateAnswer,
    Outgoing,
    PendingOutgoing,
    ReceivedExchange,
    Reception,
    Refusal,
    State,
    StoredExchange,
    Waiting,
)
from security.hashchain import Checkpoint, Head, Sign, from_line, next_checkpoint

RECORDS_PER_PAGE = 1000
CLAIMS_BETWEEN_PURGES = 250


class GroupCommitJournal:
    """The durable journal of one process; `esb.ports.Journal` says what every method promises."""

    def __init__(
        self,
        store: Store,
        *,
        home: Path,
        owner: str,
        window_s: float,
        clock: Clock,
        committed: Committed | None = None,
    ) -> None:
        """Not usable before `open`. Belongs to the event loop it is made in."""
        self.owner = owner
        self._store = store
        self._home = home
        self._clock = clock
        self._writer = ChainWriter(store, home=home, owner=owner, clock=clock, committed=committed)
        self._committer = GroupCommit(self._writer.execute, window_s=window_s)
        self._closed = False

    @property
    def commits(self) -> int:
        """Batches committed since the start."""
        return self._committer.commits

    async def open(self, *, reserve: bool = True) -> None:
        """Connect and migrate; with `reserve` take the owner name at once, else with the first write.

        Raises:
            JournalUnavailable: also when another process uses this owner name.
        """
        await self._writer.open(reserve=reserve)

    async def close(self) -> None:
        """Finish what was accepted; idempotent."""
        self._closed = True
        await self._committer.close()
        await self._writer.close()

    # --- exchanges ---------------------------------------------------------------------------------------

    async def receive(
        self,
        exchange: ReceivedExchange,
        *,
        lease_s: float | None,
        not_before: datetime | None = None,
        claims: Sequence[Claim] = (),
        outgoing: Sequence[Outgoing] = (),
    ) -> StoredExchange | None:
        """Record RECEIVED; None when it is new."""
        at = self._clock()
        at_us = microseconds(at)
        received = contents.of_request(exchange, kind=Kind.RECEIVED, at=at)
        row = new_row(exchange, received, due_us=microseconds(not_before) if not_before else at_us)
        if lease_s is not None:
            row = row._replace(lease_owner=self.owner, due_us=at_us + span_us(lease_s), attempts=1)
        outbox = outbox_rows(outgoing, key=row.key, due_us=at_us, request=exchange.body)
        stored: StoredExchange | None = await self._submit(
            operations.Receive(
                row=row,
                body_sha256=exchange.body_sha256,
                at_us=at_us,
                claims=claim_rows(claims, used_by=row.key),
                outbox=outbox,
            )
        )
        return stored

    async def claim(self, claims: Sequence[Claim]) -> None:
        """Use up claims for a call that is not an exchange."""
        if claims:
            await self._submit(errands.UseClaims(claims=claim_rows(claims, used_by=("", ""))))

    async def begin_call(self, caller: CallerName, message_id: MessageId) -> None:
        """Record CALLING."""
        key, at = (caller, message_id), self._clock()
        content = await self._content(Kind.CALLING, key, at)
        await self._submit(operations.BeginCall(key=key, content=content, at_us=microseconds(at)))

    async def complete(
        self, completion: Completion, *, claims: Sequence[Claim] = (), outgoing: Sequence[Outgoing] = ()
    ) -> None:
        """Record COMPLETED and everything that leaves because of it."""
        await self._submit(await self._completion(completion, claims, outgoing))

    async def park(
        self, caller: CallerName, message_id: MessageId, *, reason: str, outgoing: Sequence[Outgoing] = ()
    ) -> None:
        """Record PARKED."""
        key, at = (caller, message_id), self._clock()
        content = await self._content(Kind.PARKED, key, at, reason=reason)
        at_us = microseconds(at)
        outbox = outbox_rows(outgoing, key=key, due_us=at_us)
        await self._submit(operations.Park(key=key, reason=reason, content=content, at_us=at_us, outbox=outbox))

    async def postpone(
        self,
        caller: CallerName,
        message_id: MessageId,
        *,
        until: datetime,
        reason: str,
        outgoing: Sequence[Outgoing] = (),
    ) -> None:
        """Record POSTPONED."""
        key, at = (caller, message_id), self._clock()
        content = await self._content(Kind.POSTPONED, key, at, reason=reason, until=until)
        at_us, until_us = microseconds(at), microseconds(until)
        outbox = outbox_rows(outgoing, key=key, due_us=at_us)
        await self._submit(operations.Postpone(key=key, until_us=until_us, content=content, at_us=at_us, outbox=outbox))

    async def refuse(self, refusal: Refusal, *, outgoing: Sequence[Outgoing] = ()) -> None:
        """Record REFUSED."""
        key = (refusal.caller or "", refusal.message_id)
        content = contents.of_refusal(refusal)
        outbox = outbox_rows(outgoing, key=key, due_us=microseconds(self._clock()))
        await self._submit(operations.Refuse(key=key, content=content, at_us=microseconds(refusal.at), outbox=outbox))

    async def park_unreadable(
        self, exchange: ReceivedExchange, *, reason: str, outgoing: Sequence[Outgoing] = ()
    ) -> bool:
        """Record PARKED for what was never RECEIVED; False when it is there already."""
        at = self._clock()
        at_us = microseconds(at)
        content = contents.of_request(exchange, kind=Kind.PARKED, at=at, reason=reason)
        row = new_row(exchange, content, due_us=at_us)._replace(state=State.PARKED.value, outcome=content)
        outbox = outbox_rows(outgoing, key=row.key, due_us=at_us, request=exchange.body)
        return bool(await self._submit(operations.ParkUnreadable(row=row, at_us=at_us, outbox=outbox)))

    async def replay(self, caller: CallerName, message_id: MessageId, *, operator: str, reason: str) -> None:
        """Record REPLAYED."""
        key, at = (caller, message_id), self._clock()
        content = await self._content(Kind.REPLAYED, key, at, operator=operator, reason=reason)
        await self._submit(operations.Replay(key=key, content=content, at_us=microseconds(at)))

    async def drop(
        self, completion: Completion, *, operator: str, reason: str, outgoing: Sequence[Outgoing] = ()
    ) -> None:
        """Record DROPPED and COMPLETED."""
        key = (completion.caller, completion.message_id)
        content = await self._content(Kind.DROPPED, key, self._clock(), operator=operator, reason=reason)
        completed = await self._completion(completion, (), outgoing)
        await self._submit(operations.Drop(completion=completed, content=content))

    async def disclose(self, caller: CallerName, message_id: MessageId, *, operator: str, reason: str) -> None:
        """Record DISCLOSED."""
        key, at = (caller, message_id), self._clock()
        content = await self._content(Kind.DISCLOSED, key, at, operator=operator, reason=reason)
        await self._submit(operations.Disclose(key=key, content=content, at_us=microseconds(at)))

    # --- answers that come later -------------------------------------------------------------------------

    async def await_answer(
        self, caller: CallerName, message_id: MessageId, waiting: Waiting, *, claims: Sequence[Claim] = ()
    ) -> None:
        """Record AWAITING."""
        key, at = (caller, message_id), self._clock()
        content = contents.of_waiting(waiting, exchange=key, route=await self._route_of(key))
        await self._submit(
            awaiting.Await(
                key=key,
                awaited=(waiting.agency, waiting.key),
                operation=waiting.operation,
                look_us=microseconds(waiting.look_at),
                content=content,
                at_us=microseconds(at),
                claims=claim_rows(claims, used_by=key),
            )
        )

    async def await_further(
        self, caller: CallerName, message_id: MessageId, *, look_at: datetime, claims: Sequence[Claim] = ()
    ) -> None:
        """Free the lease until the next look."""
        key = (caller, message_id)
        used = claim_rows(claims, used_by=key)
        await self._submit(awaiting.AwaitFurther(key=key, look_us=microseconds(look_at), claims=used))

    async def waiter(self, agency: str, key: str) -> StoredExchange | None:
        """Whose answer that is."""
        rows = await self.select(queries.AWAITED, agency, key)
        if not rows:
            return None
        caller, message_id = AwaitedRow(*rows[0]).key
        return await self.find(CallerName(caller), MessageId(message_id))

    async def bring(self, waiter: StoredExchange, answer: LateAnswer) -> Reception:
        """Record ANSWERED or ANSWERED_LATE."""
        request = waiter.request
        key = (request.caller, request.message_id)
        content, when_late = contents.of_answer(answer, exchange=key, route=request.route)
        reception: Reception = await self._submit(
            awaiting.Bring(
                key=key,
                awaited=(answer.agency, answer.key),
                raw=answer.raw,
                proven=answer.proven,
                content=content,
                content_when_late=when_late,
                at_us=microseconds(answer.received_at),
                claims=claim_rows(answer.proven.claims, used_by=key),
            )
        )
        return reception

    async def brought(self, caller: CallerName, message_id: MessageId, key: str) -> LateAnswer | None:
        """What came under this key."""
        rows = [AwaitedRow(*row) for row in await self.select(queries.AWAITED_BY, message_id, caller)]
        return next((answer for row in rows if row.answer_key == key and (answer := late_answer(row))), None)

    # --- leases ------------------------------------------------------------------------------------------

    async def claim_work(
        self, *, lease_s: float, limit: int, routes: Sequence[RouteId] | None = None
    ) -> Sequence[StoredExchange]:
        """Lease what is due, longest due first."""
        now_us = self._now_us()
        wanted = None if routes is None else tuple(sorted(routes))
        if wanted == ():
            return ()
        # Asked first without a write: polling an idle journal must not cost a commit each time.
        query, values = queries.work(wanted, now_us=now_us, limit=1)
        if not await self.select(query, *values):
            return ()
        claimed: tuple[StoredExchange, ...] = await self._submit(
            leases.ClaimWork(limit=limit, until_us=now_us + span_us(lease_s), routes=wanted)
        )
        return claimed

    async def take_over(self, caller: CallerName, message_id: MessageId, *, lease_s: float) -> StoredExchange | None:
        """Lease this one, when nobody holds it."""
        until_us = self._now_us() + span_us(lease_s)
        taken: StoredExchange | None = await self._submit(leases.TakeOver(key=(caller, message_id), until_us=until_us))
        return taken

    async def release_own_leases(self) -> int:
        """Free what a previous process of this owner name held."""
        return int(await self._submit(leases.ReleaseOwnLeases()))

    # --- reading -----------------------------------------------------------------------------------------

    async def find(self, caller: CallerName, message_id: MessageId) -> StoredExchange | None:
        """The exchange, or None."""
        rows = await self.select(queries.FIND, message_id, caller)
        return stored_exchange(ExchangeRow(*rows[0])) if rows else None

    async def find_any(self, message_id: MessageId) -> Sequence[StoredExchange]:
        """All with this id."""
        return _stored(await self.select(queries.FIND_ANY, message_id))

    async def document(self, sha256: str) -> bytes | None:
        """What is stored under a digest."""
        rows = await self.select(queries.BUNDLE, sha256)
        return rows[0][0] if rows else None

    async def records_of(self, caller: CallerName, message_id: MessageId) -> Sequence[JournalRecord]:
        """All records of one exchange, in the order they were written."""
        return tuple(journal_record(row) for row in await self.select(queries.RECORDS_OF, message_id, caller))

    async def records_about(self, message_id: MessageId) -> Sequence[JournalRecord]:
        """All records with this id, whoever sent it, refusals of nobody known among them."""
        return tuple(journal_record(row) for row in await self.select(queries.RECORDS_ABOUT, message_id))

    async def records(self, *, chain: str | None = None) -> AsyncIterator[JournalRecord]:
        """Every record of a chain, or of all, a page at a time."""
        chains = [row[0] for row in await self.select(queries.CHAINS)] if chain is None else [chain]
        for name in chains:
            seq = 0
            while page := await self.select(queries.RECORDS_PAGE, name, seq, RECORDS_PER_PAGE):
                for row in page:
                    yield journal_record(row)
                seq = page[-1][1]

    async def list(self, wanted: ExchangeFilter) -> Sequence[StoredExchange]:
        """What matches, newest first."""
        query, values = queries.listed(wanted)
        return _stored(await self.select(query, *values))

    async def select(self, query: str, *values: Value) -> Sequence[Sequence[Any]]:
        """Rows of one statement of `queries`, for `verification` too."""
        self._require_open()
        return await self._store.select(query, *values)

    async def missing_guards(self) -> Sequence[str]:
        """Triggers of the database that should be in force and are not, for `verification`."""
        return await self._store.missing_guards()

    # --- inbox and outbox --------------------------------------------------------------------------------

    async def inbox(self, caller: CallerName, *, limit: int, redeliver_after_s: float) -> Sequence[InboxReply]:
        """Hand out waiting replies, oldest first."""
        now_us = self._now_us()
        if not await self.select(queries.INBOX_WAITS, caller, now_us):
            return ()
        replies: tuple[InboxReply, ...] = await self._submit(
            errands.TakeInbox(caller=caller, limit=limit, until_us=now_us + span_us(redeliver_after_s))
        )
        return replies

    async def acknowledge(self, caller: CallerName, message_id: MessageId) -> bool:
        """Take a reply out of the inbox."""
        return bool(await self._submit(errands.Acknowledge(key=(caller, message_id))))

    async def pending_outgoing(self, *, limit: int, lease_s: float) -> Sequence[PendingOutgoing]:
        """Lease outbox rows, oldest first."""
        now_us = self._now_us()
        self._require_open()
        rows = await self._store.lease_outgoing(now_us=now_us, until_us=now_us + span_us(lease_s), limit=limit)
        return tuple(pending_outgoing(row) for row in rows)

    async def outgoing_published(self, outbox_ids: Sequence[int]) -> None:
        """Drop what the broker has."""
        if outbox_ids:
            await self._submit(errands.Published(outbox_ids=tuple(outbox_ids)))

    async def outgoing_returned(self, outbox_id: int) -> None:
        """Into the inbox, or marked."""
        await self._submit(errands.Returned(outbox_id=outbox_id))

    # --- register of adapters ----------------------------------------------------------------------------

    async def register(self, change: Change) -> None:
        """Write one agency's document and record the act. Raises RegistrationRefused when somebody was faster."""
        await self._submit(operation_of(change, self._clock))

    # --- proof -------------------------------------------------------------------------------------------

    async def checkpoint(self, sign: Sign) -> Checkpoint:
        """Sign the heads of all chains; the last checkpoint again when nothing was written since."""
        for _ in range(ATTEMPTS):
            # The last checkpoint first: heads that are read afterwards cannot be older than those it names.
            lines = await self.select(queries.LAST_CHECKPOINT)
            last = _checkpoint(lines[0]) if lines else None
            heads = {chain: Head(seq, digest) for chain, seq, digest in await self.select(queries.HEADS)}
            if last is not None and last.heads == heads:
                return last
            checkpoint = next_checkpoint(heads, after=last, at=self._clock(), sign=sign)
            if await self._submit(errands.SaveCheckpoint(checkpoint=checkpoint)):
                await asyncio.to_thread(append_checkpoint, self._home, checkpoint)
                return checkpoint
        raise JournalUnavailable("other processes are making checkpoints")

    async def checkpoints(self) -> Sequence[Checkpoint]:
        """All, oldest first. Raises JournalTampered when one cannot be read."""
        return tuple(_checkpoint(row) for row in await self.select(queries.CHECKPOINTS))

    async def ping(self) -> None:
        """Write something, as a write would be."""
        await self._submit(errands.Pulse())

    # --- inside ------------------------------------------------------------------------------------------

    async def _submit(self, operation: operations.Operation) -> Any:
        if self._writer.claims_written >= CLAIMS_BETWEEN_PURGES:
            self._writer.claims_written = 0
            self._committer.submit_unheard(errands.PurgeClaims())
        return await self._committer.submit(operation)

    async def _completion(
        self, completion: Completion, claims: Sequence[Claim], outgoing: Sequence[Outgoing]
    ) -> operations.Complete:
        key, at = (completion.caller, completion.message_id), self._clock()
        at_us, route = microseconds(at), await self._route_of(key)
        return operations.Complete(
            key=key,
            status=completion.status.value,
            content=contents.of_completion(completion, route=route, at=at),
            reply_body=completion.reply_body,
            reply_signature=completion.reply_signature,
            at_us=at_us,
            claims=claim_rows(claims, used_by=key),
            outbox=outbox_rows(outgoing, key=key, due_us=at_us, reply=completion.reply_body),
            inbox=InboxRow(*key, None, completion.reply_signature, at_us) if completion.to_inbox else None,
            evidence=tuple(contents.of_evidence(each, completion, route=route, at=at) for each in completion.evidence),
        )

    async def _content(
        self,
        kind: Kind,
        key: Key,
        at: datetime,
        *,
        reason: str | None = None,
        operator: str | None = None,
        until: datetime | None = None,
    ) -> bytes:
        return contents.encode(
            Content(
                kind=kind,
                at=at,
                caller=key[0],
                message_id=key[1],
                route=await self._route_of(key),
                reason=reason,
                operator=operator,
                until=until,
            )
        )

    async def _route_of(self, key: Key) -> str:
        leased = self._writer.leased(key)
        if leased is not None:
            return leased.route
        # Not ours, or no more: the operation will be refused, or a restart lies between.
        rows = await self.select(queries.FIND, key[1], key[0])
        return ExchangeRow(*rows[0]).route if rows else ""

    def _require_open(self) -> None:
        if self._closed:
            raise JournalUnavailable("the journal is closed")

    def _now_us(self) -> int:
        return microseconds(self._clock())


def _stored(rows: Sequence[Sequence[Any]]) -> Sequence[StoredExchange]:
    return tuple(stored_exchange(ExchangeRow(*row)) for row in rows)


def _checkpoint(row: Sequence[Any]) -> Checkpoint:
    try:
        return from_line(row[0])
    except ValueError as error:
        raise JournalTampered("a stored checkpoint cannot be read") from error
