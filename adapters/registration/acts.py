"""Every act on the register as a pure step: a record and what was asked make the next record, or a refusal.

Called by `desk`, which has looked at permissions and at what a stage demands of the world outside. What is here holds
whoever asks: no stage is skipped, nothing comes back from retirement, and what is in use is never replaced unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from adapters.manifest import Lifecycle
from adapters.registration.overlay import Value
from adapters.registration.record import LADDER, Pilot, Record, RolloutTerms, Set, Version, order_of
from adapters.registration.signing import Proof
from esb.errors import RegistrationRefused

REPLACEABLE = frozenset({Lifecycle.REGISTERED, Lifecycle.CHECKED})
"""Nothing has called such a version yet."""


def submit(
    record: Record, version: str, *, bundle_sha256: str, proof: Proof, operator: str, at: datetime
) -> tuple[Record, str]:
    """The version is registered, or the same bundle of it signed anew; and that in words.

    Raises:
        RegistrationRefused: the version is in use with another content, or retired.
    """
    known = record.versions.get(version)
    if known is not None and known.lifecycle is Lifecycle.RETIRED:
        raise RegistrationRefused(f"{record.agency} {version} is retired, which is for good; submit a new version")
    if known is not None and known.bundle_sha256 == bundle_sha256:
        again = msgspec.structs.replace(known, proof=proof, submitted_by=operator, submitted_at=at)
        return _with(record, version, again), "signed again"
    if known is not None and known.lifecycle not in REPLACEABLE:
        raise RegistrationRefused(
            f"{record.agency} {version} is {record.stage(version)} with another content; submit that as a new version"
        )
    new = Version(
        bundle_sha256=bundle_sha256,
        proof=proof,
        submitted_by=operator,
        submitted_at=at,
        lifecycle=Lifecycle.REGISTERED,
        since=at,
    )
    what = "registered" if known is None else "registered again with another content"
    return _with(_without_suspension(record, version), version, new), what


def target_of(record: Record, version: str, to: Lifecycle | None) -> Lifecycle:
    """Where a promotion leads: one step up, any step back.

    Raises:
        RegistrationRefused: the version is not registered, suspended, retired or live already, or a step is skipped.
    """
    known = _known(record, version)
    name = f"{record.agency} {version}"
    if version in record.suspended:
        raise RegistrationRefused(f"{name} is suspended; first: esb adapters resume {name}")
    if known.lifecycle is Lifecycle.RETIRED:
        raise RegistrationRefused(f"{name} is retired, which is for good; submit a new version")
    place = LADDER.index(known.lifecycle)
    above = LADDER[place + 1] if place + 1 < len(LADDER) else None
    wanted = to or above
    if wanted is None:
        raise RegistrationRefused(f"{name} is live already")
    if wanted not in LADDER:
        raise RegistrationRefused(f"{wanted} is not a stage of promotion; those are {', '.join(LADDER)}")
    if wanted is known.lifecycle and wanted is not Lifecycle.PILOT:
        raise RegistrationRefused(f"{name} is {wanted} already")
    if LADDER.index(wanted) > place + 1:
        raise RegistrationRefused(f"{name} is {known.lifecycle}: the next stage is {above}, none is skipped")
    return wanted


def promote(record: Record, version: str, to: Lifecycle, *, pilot: Pilot | None, at: datetime) -> tuple[Record, str]:
    """The version at its new stage. Raises RegistrationRefused, as `target_of` does or for a pilot with nobody."""
    to = target_of(record, version, to)
    known = record.versions[version]
    if pilot is not None and to is not Lifecycle.PILOT:
        raise RegistrationRefused(f"callers and rayons are chosen for a pilot, not for {to}")
    if to is Lifecycle.PILOT and pilot is None:
        raise RegistrationRefused("a pilot needs to know with whom: give --callers or --rayons")
    moved = msgspec.structs.replace(known, lifecycle=to, since=at, pilot=pilot or known.pilot)
    return _with(record, version, moved), f"{known.lifecycle} → {to}{_with_whom(pilot)}"


def suspend(record: Record, version: str) -> tuple[Record, str]:
    """The version is not called until it is resumed. Raises RegistrationRefused."""
    if version in record.suspended:
        raise RegistrationRefused(f"{record.agency} {version} is suspended already")
    if version in record.versions and record.versions[version].lifecycle is Lifecycle.RETIRED:
        raise RegistrationRefused(f"{record.agency} {version} is retired")
    return msgspec.structs.replace(record, suspended=tuple(sorted({*record.suspended, version}))), "suspended"


def resume(record: Record, version: str) -> tuple[Record, str]:
    """The version is where it was before it was suspended. Raises RegistrationRefused."""
    if version not in record.suspended:
        raise RegistrationRefused(f"{record.agency} {version} is not suspended")
    return _without_suspension(record, version), "resumed"


def retire(record: Record, version: str, *, at: datetime) -> tuple[Record, str]:
    """The version is never called again. Raises RegistrationRefused."""
    known = _known(record, version)
    if known.lifecycle is Lifecycle.RETIRED:
        raise RegistrationRefused(f"{record.agency} {version} is retired already")
    retired = msgspec.structs.replace(known, lifecycle=Lifecycle.RETIRED, since=at)
    without = _without_share(_without_suspension(record, version), version)
    return _with(without, version, retired), f"{record.stage(version)} → retired"


def set_values(
    record: Record, values: Iterable[Value], *, operator: str, reason: str, at: datetime
) -> tuple[Record, str]:
    """The values stand over what the agency's manifests say, of this version and of each that follows."""
    wanted = {value.name: Set(value=value.value, operator=operator, at=at, reason=reason) for value in values}
    what = ", ".join(f"{name}={msgspec.json.encode(one.value).decode()}" for name, one in wanted.items())
    return msgspec.structs.replace(record, overlay={**record.overlay, **wanted}), what


def unset_values(record: Record, names: Sequence[str]) -> tuple[Record, str]:
    """The manifests' own values hold again. Raises RegistrationRefused."""
    unknown = [name for name in names if name not in record.overlay]
    if unknown:
        there = ", ".join(record.overlay) or "none"
        raise RegistrationRefused(f"{', '.join(unknown)}: not set by an operator; set are: {there}")
    left = {name: value for name, value in record.overlay.items() if name not in names}
    return msgspec.structs.replace(record, overlay=left), f"unset {', '.join(names)}"


def roll_out(record: Record, terms: RolloutTerms | None, *, known: Mapping[str, Lifecycle]) -> tuple[Record, str]:
    """How questions are shared among versions from now on; None: as they stand. `known`: every version's stage.

    Raises:
        RegistrationRefused: a version is not there or retired, or nobody would be asked.
    """
    if terms is None:
        return msgspec.structs.replace(record, rollout=None), "no rollout"
    for version in sorted({*terms.weights, *terms.callers}):
        if version not in known or known[version] is Lifecycle.RETIRED:
            usable = ", ".join(name for name, stage in known.items() if stage is not Lifecycle.RETIRED)
            raise RegistrationRefused(f"{record.agency} has no version {version} to roll out; there are: {usable}")
    if terms.weights and not any(terms.weights.values()):
        raise RegistrationRefused("a rollout without any weight asks nobody")
    return msgspec.structs.replace(record, rollout=terms), words_of(terms)


def words_of(terms: RolloutTerms) -> str:
    """The rollout as it is written on the command line."""
    shares = [f"{version}={weight}" for version, weight in terms.weights.items()]
    return " ".join([*shares, *(f"{version}=callers:{','.join(names)}" for version, names in terms.callers.items())])


def read_rollout(words: Sequence[str]) -> RolloutTerms:
    """`v1=90`, `v2=10`, `v2=callers:portal-a,portal-b`. Raises RegistrationRefused."""
    weights: dict[str, int] = {}
    callers: dict[str, tuple[str, ...]] = {}
    for word in words:
        version, _, share = word.partition("=")
        names = share.removeprefix("callers:")
        if not order_of(version) or not share:
            raise RegistrationRefused(f"{word!r} is not VERSION=WEIGHT or VERSION=callers:NAME,NAME")
        if names != share:
            callers[version] = tuple(name for name in names.split(",") if name)
        elif share.isdecimal() and int(share) <= MAX_WEIGHT:
            weights[version] = int(share)
        else:
            raise RegistrationRefused(f"{word!r}: a weight is a whole number up to {MAX_WEIGHT}")
    return RolloutTerms(weights=dict(sorted(weights.items())), callers=dict(sorted(callers.items())))


MAX_WEIGHT = 1_000_000


def _known(record: Record, version: str) -> Version:
    if version not in record.versions:
        there = ", ".join(record.versions) or "none"
        raise RegistrationRefused(f"{record.agency} has no registered version {version}; there are: {there}")
    return record.versions[version]


def _with(record: Record, version: str, value: Version) -> Record:
    versions = {**record.versions, version: value}
    return msgspec.structs.replace(record, versions=dict(sorted(versions.items(), key=lambda item: order_of(item[0]))))


def _without_suspension(record: Record, version: str) -> Record:
    left = tuple(name for name in record.suspended if name != version)
    return msgspec.structs.replace(record, suspended=left)


def _without_share(record: Record, version: str) -> Record:
    if record.rollout is None:
        return record
    weights = {name: weight for name, weight in record.rollout.weights.items() if name != version}
    callers = {name: names for name, names in record.rollout.callers.items() if name != version}
    left = RolloutTerms(weights=weights, callers=callers) if any(weights.values()) or callers else None
    return msgspec.structs.replace(record, rollout=left)


def _with_whom(pilot: Pilot | None) -> str:
    if pilot is None:
        return ""
    parts = [*(f"callers {', '.join(pilot.callers)}" for _ in pilot.callers[:1])]
    parts += [*(f"rayons {', '.join(pilot.rayons)}" for _ in pilot.rayons[:1])]
    return f" with {' and '.join(parts)}"
