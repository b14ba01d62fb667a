"""Exchanges whose agency answers later: that they wait, and the answers that are brought. As `operations` in shape.

An answer is known by its agency and key. Where the exchange is in hand when its answer comes, the answer waits: what
is being given up on must not be answered at the same moment.
"""

from __future__ import annotations

import msgspec

from esb.errors import ReplyInvalid
from esb.journal import content as contents
from esb.journal.content import Kind
from esb.journal.draft import AwaitedKey, Draft, Needs
from esb.journal.operations import Known, held
from esb.journal.rows import AwaitedRow, ClaimRow, ExchangeRow, Key
from esb.ports import ProvenAnswer, Reception, State


class Await(msgspec.Struct, frozen=True, kw_only=True):
    """Record AWAITING and release the lease; due at `look_us`."""

    key: Key
    awaited: AwaitedKey
    operation: str
    look_us: int
    content: bytes
    at_us: int
    claims: tuple[ClaimRow, ...]
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """The key always, for it must be nobody else's."""
        needs.awaited.add(self.awaited)
        if sure or self.key not in known.leased:
            needs.keys.add(self.key)
        if sure:
            needs.claims.update(claim.key for claim in self.claims)

    def decide(self, draft: Draft) -> None:
        """Raises LeaseLost, MessageReplayed, ReplyInvalid. Repeating changes nothing."""
        stored = draft.exchange(self.key)
        if stored is not None and stored.lease_owner is None and _awaits(stored, self.awaited):
            return
        row = held(draft, self.key)
        other = draft.awaited(self.awaited)
        if other is not None and other.key != self.key:
            agency, _ = self.awaited
            raise ReplyInvalid("the agency gave one ticket to two requests", agency=agency, operation=self.operation)
        draft.refuse_used(self.claims)
        draft.use(self.claims)
        draft.put(_waiting(row, state=State.AWAITING, outcome=self.content, due_us=self.look_us))
        draft.record(Kind.AWAITING, self.key, self.content, self.at_us)
        draft.put_awaited(AwaitedRow(*self.awaited, *self.key, None, None, None, 0))


class AwaitFurther(msgspec.Struct, frozen=True, kw_only=True):
    """Release the lease of what still waits; due at `look_us`."""

    key: Key
    look_us: int
    claims: tuple[ClaimRow, ...]
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Assumed to be leased when this process leased it, with claims that nobody used."""
        if sure or self.key not in known.leased:
            needs.keys.add(self.key)
        if sure:
            needs.claims.update(claim.key for claim in self.claims)

    def decide(self, draft: Draft) -> None:
        """Raises LeaseLost, MessageReplayed. Repeating changes nothing."""
        stored = draft.exchange(self.key)
        if stored is not None and stored.state == State.AWAITING and stored.lease_owner is None:
            return
        row = held(draft, self.key)
        draft.refuse_used(self.claims)
        draft.use(self.claims)
        draft.put(_waiting(row, state=State(row.state), outcome=row.outcome, due_us=self.look_us))


class Bring(msgspec.Struct, frozen=True, kw_only=True):
    """Record an answer that an agency brought."""

    key: Key
    awaited: AwaitedKey
    raw: bytes
    proven: ProvenAnswer
    content: bytes
    content_when_late: bytes
    at_us: int
    claims: tuple[ClaimRow, ...]

    @property
    def weight_bytes(self) -> int:
        """Payload bytes."""
        return 2 * len(self.raw)

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:  # noqa: ARG002 - the protocol's signature
        """Always read: somebody else leased it, if anybody."""
        needs.keys.add(self.key)
        needs.awaited.add(self.awaited)
        needs.claims.update(claim.key for claim in self.claims)

    def decide(self, draft: Draft) -> Reception:
        """Raises MessageReplayed."""
        row, awaited = draft.exchange(self.key), draft.awaited(self.awaited)
        if row is None or awaited is None or awaited.key != self.key:
            return Reception.OTHER
        if awaited.proven is not None:
            # The document and not the bytes: an agency that heard no acknowledgement signs it afresh.
            earlier = msgspec.msgpack.decode(awaited.proven, type=ProvenAnswer)
            return Reception.KNOWN if earlier.content == self.proven.content else Reception.OTHER
        is_waiting = _awaits(row, self.awaited)
        if is_waiting and row.lease_owner is not None and row.due_us > draft.now_us:
            return Reception.BUSY
        draft.refuse_used(self.claims)
        draft.use(self.claims)
        draft.put_awaited(
            awaited._replace(
                raw=self.raw,
                proven=msgspec.msgpack.encode(self.proven),
                answered_us=self.at_us,
                late=0 if is_waiting else 1,
            )
        )
        if not is_waiting:
            draft.record(Kind.ANSWERED_LATE, self.key, self.content_when_late, self.at_us)
            return Reception.LATE
        draft.put(row._replace(lease_owner=None, due_us=draft.now_us))
        draft.record(Kind.ANSWERED, self.key, self.content, self.at_us)
        return Reception.TAKEN


def _awaits(row: ExchangeRow, awaited: AwaitedKey) -> bool:
    if row.state != State.AWAITING or row.outcome is None:
        return False
    facts = contents.decode(row.outcome)
    return (facts.agency, facts.answer_key) == awaited


def _waiting(row: ExchangeRow, *, state: State, outcome: bytes | None, due_us: int) -> ExchangeRow:
    # Looking for an answer is no failure: only workers that never come back from it count.
    return row._replace(state=state.value, outcome=outcome, lease_owner=None, due_us=due_us, attempts=0)
