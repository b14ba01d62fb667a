"""Writes that leave no record: inbox hand-outs, checkpoints, housekeeping. They share commits as well.

Same shape and rules as `operations`; apart from them because no exchange changes here.
"""

from __future__ import annotations

import msgspec

from esb.journal.draft import Draft, Needs
from esb.journal.operations import Known
from esb.journal.rows import (
    SIGNATURE_HEADER,
    ClaimRow,
    InboxRow,
    Key,
    WaitingMessage,
    inbox_reply,
    outgoing_of,
)
from esb.ports import InboxReply
from security.hashchain import Checkpoint


class TakeInbox(msgspec.Struct, frozen=True, kw_only=True):
    """Hand out waiting replies; they wait again from `until_us` on."""

    caller: str
    limit: int
    until_us: int
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:  # noqa: ARG002 - the protocol's signature
        """The caller's oldest replies that are due."""
        needs.inbox[self.caller] = needs.inbox.get(self.caller, 0) + self.limit

    def decide(self, draft: Draft) -> tuple[InboxReply, ...]:
        """What was handed out."""
        waiting = [reply for reply in draft.snapshot.inbox if reply.caller == self.caller]
        taken = [reply for reply in waiting if reply.inbox_id not in draft.inbox_due][: self.limit]
        draft.inbox_due.update((reply.inbox_id, self.until_us) for reply in taken)
        return tuple(inbox_reply(reply) for reply in taken)


class Acknowledge(msgspec.Struct, frozen=True, kw_only=True):
    """Take a reply out of the inbox. True when it was there."""

    key: Key
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:  # noqa: ARG002 - the protocol's signature
        """Whether it is there."""
        needs.inbox_keys.add(self.key)

    def decide(self, draft: Draft) -> bool:
        """True when it was there."""
        inbox_id = draft.snapshot.inbox_ids.get(self.key)
        if inbox_id is None or inbox_id in draft.inbox_removed:
            return False
        draft.inbox_removed.append(inbox_id)
        return True


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """The broker has them: the rows go."""

    outbox_ids: tuple[int, ...]
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Nothing."""

    def decide(self, draft: Draft) -> None:
        """Never raises."""
        draft.outbox_removed.extend(self.outbox_ids)


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """The broker has no queue for it: into the inbox of the caller it names, or marked for the operator."""

    outbox_id: int
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:  # noqa: ARG002 - the protocol's signature
        """The row."""
        needs.outbox_ids.add(self.outbox_id)

    def decide(self, draft: Draft) -> None:
        """Never raises; repeating changes nothing."""
        waiting = draft.snapshot.outbox_messages.get(self.outbox_id)
        if waiting is None or self.outbox_id in draft.outbox_removed:
            return
        reply = _reply_of(waiting, due_us=draft.now_us)
        if reply is None:
            draft.outbox_returned.append(self.outbox_id)
            return
        draft.lay_into_inbox(reply)
        draft.outbox_removed.append(self.outbox_id)


class SaveCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Store a signed checkpoint; False when another process stored one with this number first."""

    checkpoint: Checkpoint
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:  # noqa: ARG002 - the protocol's signature
        """The number of the last one."""
        needs.last_checkpoint = True

    def decide(self, draft: Draft) -> bool:
        """True: stored."""
        if draft.snapshot.last_checkpoint + 1 != self.checkpoint.seq or draft.checkpoints:
            return False
        draft.checkpoints.append(self.checkpoint)
        return True


class UseClaims(msgspec.Struct, frozen=True, kw_only=True):
    """Use up claims for what is no exchange."""

    claims: tuple[ClaimRow, ...]
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:  # noqa: ARG002 - the protocol's signature
        """Assumed to be unused."""
        if sure:
            needs.claims.update(claim.key for claim in self.claims)

    def decide(self, draft: Draft) -> None:
        """Raises MessageReplayed."""
        draft.refuse_used(self.claims)
        draft.use(self.claims)


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """Write something, to learn whether a write succeeds."""

    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Nothing."""

    def decide(self, draft: Draft) -> None:
        """Never raises."""
        draft.pulse = True


class PurgeClaims(msgspec.Struct, frozen=True, kw_only=True):
    """Forget some claims that have expired."""

    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Nothing."""

    def decide(self, draft: Draft) -> None:
        """Never raises."""
        draft.purge = True


def _reply_of(waiting: WaitingMessage, *, due_us: int) -> InboxRow | None:
    message = outgoing_of(waiting)
    if message.inbox_of is None:
        return None
    signature = message.headers.get(SIGNATURE_HEADER, "")
    return InboxRow(message.inbox_of, message.message_id, message.body, signature, due_us)
