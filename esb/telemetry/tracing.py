"""W3C Trace Context without an SDK: read what a caller sent, name the bus's own span, pass it on.

Called by the doors and by whoever calls an agency. A header that is not well-formed is as if it were absent, as the
recommendation demands: tracing never refuses a request.
"""

from __future__ import annotations

import os
import re

import msgspec

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
_SAMPLED = 0x01


class TraceContext(msgspec.Struct, frozen=True, kw_only=True):
    """One span's place in a trace (W3C Trace Context §3.2). Ids are lower-case hexadecimal and never all zero."""

    trace_id: str
    span_id: str
    sampled: bool = True

    @property
    def header(self) -> str:
        """The value of `traceparent` that makes the receiver's span a child of this one."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self) -> TraceContext:
        """A new span below this one."""
        return TraceContext(trace_id=self.trace_id, span_id=_new_id(8), sampled=self.sampled)


def parse(header: str | None) -> TraceContext | None:
    """The sender's span, or None when the header is absent or not well-formed."""
    match = _TRACEPARENT.fullmatch(header) if header else None
    if match is None:
        return None
    version, trace_id, span_id, flags = match.groups()
    if version == "ff" or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    # Version 00 has exactly four parts; a later version may append some, which are skipped (§4.3).
    if version == "00" and match.end(4) != match.end():
        return None
    return TraceContext(trace_id=trace_id, span_id=span_id, sampled=bool(int(flags, 16) & _SAMPLED))


def start() -> TraceContext:
    """The first span of a new trace."""
    return TraceContext(trace_id=_new_id(16), span_id=_new_id(8))


def enter(header: str | None) -> TraceContext:
    """The bus's own span: a child of the sender's when that is known, else the first of a new trace."""
    sender = parse(header)
    return sender.child() if sender else start()


def _new_id(size: int) -> str:
    return os.urandom(size).hex()
