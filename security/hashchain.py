"""The hash chain that makes a journal tamper-evident, and the signed checkpoints that tie several chains together.

Written by `esb/journal`, checked by `esb journal verify`. Pure: it holds no key, opens no file and reads no clock.
A chain alone shows changed, removed, inserted and swapped records; a cut-off tail or a wholly rewritten chain shows
only against a checkpoint (or an anchor) that was taken before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from security.errors import ChainBroken

GENESIS = bytes(32)
"""What stands for the previous digest before the first record of a chain, and before the first checkpoint."""

CHECKPOINT_CHAIN = "checkpoints"
"""The name under which `ChainBroken` speaks of checkpoints; chains of records are named `node/slot`."""

Sign = Callable[[bytes], tuple[str, bytes]]
"""Signs bytes; answers the key's `kid` and the signature."""

Prove = Callable[[str, bytes, bytes], None]
"""Takes `kid`, signature and bytes; raises SecurityError unless that key made this signature."""

_RECORD_DOMAIN = b"esb-chain-v1\n"
_CHECKPOINT_DOMAIN = b"esb-checkpoint-v1\n"
_ENCODER = msgspec.json.Encoder(order="sorted")


class Head(msgspec.Struct, frozen=True):
    """The last record of a chain; `Head(0, GENESIS)` when it has none."""

    seq: int
    digest: bytes


def link(*, chain: str, seq: int, previous: bytes, content: bytes) -> bytes:
    """The digest of one record: SHA-256 over domain, chain, seq, previous digest and content, lengths framed."""
    name = chain.encode()
    return hashlib.sha256(
        b"".join(
            (
                _RECORD_DOMAIN,
                len(name).to_bytes(4, "big"),
                name,
                seq.to_bytes(8, "big"),
                previous,
                len(content).to_bytes(8, "big"),
                content,
            )
        )
    ).digest()


class ChainVerifier:
    """Walks one chain from its first record; one instance per chain, fed in stored order."""

    def __init__(self, chain: str) -> None:
        self._chain = chain
        self._head = Head(0, GENESIS)

    @property
    def head(self) -> Head:
        """The last record that was accepted or resumed from."""
        return self._head

    def accept(self, *, seq: int, previous: bytes, digest: bytes, content: bytes) -> None:
        """Take the next record. After it raises, `resume` decides where to go on.

        Raises:
            ChainBroken: the record is not the successor of the one before, or its digest is not that of its content.
        """
        expected = self._head.seq + 1
        if seq != expected:
            raise ChainBroken(f"record {expected} is missing, {seq} follows", chain=self._chain, seq=expected)
        if previous != self._head.digest:
            raise ChainBroken("does not continue the record before it", chain=self._chain, seq=seq)
        if digest != link(chain=self._chain, seq=seq, previous=previous, content=content):
            raise ChainBroken("content does not have the recorded digest", chain=self._chain, seq=seq)
        self._head = Head(seq, digest)

    def resume(self, *, seq: int, digest: bytes) -> None:
        """Go on behind a record that was refused, so that one break does not hide the next."""
        self._head = Head(seq, digest)


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The heads of all chains at one moment, signed; each names the digest of the checkpoint before it."""

    seq: int
    at: datetime
    previous: bytes
    heads: Mapping[str, Head]
    kid: str
    signature: bytes

    @property
    def content(self) -> bytes:
        """The exact bytes that are digested and, behind a domain prefix, signed."""
        return _content(self.seq, self.at, self.previous, self.heads)

    @property
    def digest(self) -> bytes:
        """What the next checkpoint names as `previous`. Without the signature: ECDSA signs differently each time."""
        return hashlib.sha256(_CHECKPOINT_DOMAIN + self.content).digest()


def next_checkpoint(heads: Mapping[str, Head], *, after: Checkpoint | None, at: datetime, sign: Sign) -> Checkpoint:
    """The checkpoint that follows `after` (None: the first one)."""
    seq = after.seq + 1 if after else 1
    previous = after.digest if after else GENESIS
    kid, signature = sign(_CHECKPOINT_DOMAIN + _content(seq, at, previous, heads))
    return Checkpoint(seq=seq, at=at, previous=previous, heads=dict(heads), kid=kid, signature=signature)


def check_signature(checkpoint: Checkpoint, prove: Prove) -> None:
    """Raises whatever `prove` raises when the checkpoint's signature does not hold."""
    prove(checkpoint.kid, checkpoint.signature, _CHECKPOINT_DOMAIN + checkpoint.content)


def check_succession(checkpoint: Checkpoint, *, after: Checkpoint | None) -> None:
    """Nothing stands between the two and no chain went backwards.

    Raises:
        ChainBroken: a checkpoint is missing, was changed, or names an older head than the one before.
    """
    seq = after.seq + 1 if after else 1
    if checkpoint.seq != seq:
        raise ChainBroken(f"checkpoint {seq} is missing", chain=CHECKPOINT_CHAIN, seq=seq)
    if checkpoint.previous != (after.digest if after else GENESIS):
        raise ChainBroken("does not continue the checkpoint before it", chain=CHECKPOINT_CHAIN, seq=seq)
    for chain, head in (after.heads if after else {}).items():
        later = checkpoint.heads.get(chain)
        if later is None or later.seq < head.seq:
            raise ChainBroken(f"chain {chain} is shorter than before", chain=CHECKPOINT_CHAIN, seq=seq)


def to_line(checkpoint: Checkpoint) -> bytes:
    """One line of JSON without the line feed; `from_line` gives the same checkpoint back."""
    return _ENCODER.encode(
        _Line(
            content=msgspec.Raw(checkpoint.content),
            kid=checkpoint.kid,
            signature=checkpoint.signature.hex(),
        )
    )


def from_line(line: bytes) -> Checkpoint:
    """The checkpoint of one line.

    Raises:
        ValueError: the line is not a checkpoint.
    """
    outer = msgspec.json.decode(line, type=_Line)
    inner = msgspec.json.decode(outer.content, type=_Content)
    return Checkpoint(
        seq=inner.seq,
        at=inner.at,
        previous=bytes.fromhex(inner.previous),
        heads={chain: Head(seq, bytes.fromhex(digest)) for chain, (seq, digest) in inner.heads.items()},
        kid=outer.kid,
        signature=bytes.fromhex(outer.signature),
    )


class _Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at: datetime
    heads: dict[str, tuple[int, str]]
    previous: str
    seq: int


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    content: msgspec.Raw
    kid: str
    signature: str


def _content(seq: int, at: datetime, previous: bytes, heads: Mapping[str, Head]) -> bytes:
    named = {chain: (head.seq, head.digest.hex()) for chain, head in heads.items()}
    return _ENCODER.encode(_Content(at=at, heads=named, previous=previous.hex(), seq=seq))
