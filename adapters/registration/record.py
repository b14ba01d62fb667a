"""What stands of one agency's adapters: its versions, how far each has come, what operators set over them.

Frozen values and their one canonical form, which the journal keeps; `acts` makes the next from the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from adapters.manifest import Lifecycle
from adapters.registration.signing import Proof
from esb.errors import JournalTampered
from esb.model import AgencyCode

LADDER = (Lifecycle.REGISTERED, Lifecycle.CHECKED, Lifecycle.TEST, Lifecycle.PILOT, Lifecycle.LIVE)
"""The stages of a version, each only from the one before."""


class Pilot(msgspec.Struct, frozen=True, kw_only=True):
    """With whom a version is piloted; either is enough."""

    callers: tuple[str, ...] = ()
    rayons: tuple[str, ...] = ()


class Version(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One submitted version. `pilot` stays when the version goes live: its callers may go on naming their rayon."""

    bundle_sha256: str
    proof: Proof
    submitted_by: str
    submitted_at: datetime
    lifecycle: Lifecycle
    since: datetime
    pilot: Pilot | None = None


class Set(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value that an operator set. `value` is plain JSON."""

    value: Any
    operator: str
    at: datetime
    reason: str


class RolloutTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How questions are shared among versions. `weights` and `callers` by version."""

    weights: Mapping[str, int] = {}
    callers: Mapping[str, tuple[str, ...]] = {}


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All of it. `suspended`: versions, registered or checked in, that an operator has taken out for a while."""

    agency: AgencyCode
    versions: Mapping[str, Version] = {}
    suspended: tuple[str, ...] = ()
    overlay: Mapping[str, Set] = {}
    rollout: RolloutTerms | None = None

    def stage(self, version: str) -> Lifecycle:
        """Where a registered version stands, suspension included. Raises KeyError."""
        return Lifecycle.SUSPENDED if version in self.suspended else self.versions[version].lifecycle


def encode(record: Record) -> bytes:
    """The canonical bytes."""
    return msgspec.json.encode(record, order="sorted")


def decode(document: bytes) -> Record:
    """The record in a stored document. Raises JournalTampered: the bus never wrote that."""
    try:
        return msgspec.json.decode(document, type=Record)
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
        raise JournalTampered("a document of the register cannot be read") from error


def order_of(version: str) -> int:
    """`v12` as 12, for sorting; the form is the manifest's to check."""
    digits = version.removeprefix("v")
    return int(digits) if digits.isdecimal() else 0
