"""Where an act on the register is done: permitted, checked against everything it touches, recorded, put into force.

Called by `esb adapters`; the console will call it too. An act is recorded whole or not at all, and only when the
deployment compiles with it; then every worker of this machine takes it over in two phases, others within seconds.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters import agency_keys, registry
from adapters import manifest as manifests
from adapters.agency_keys import AgencyKeys
from adapters.manifest import Lifecycle, Manifest
from adapters.manifest_fields import FIELDS
from adapters.registration import acts, coverage, examination, inventory, overlay, permissions, signing
from adapters.registration import bundle as bundles
from adapters.registration import record as records
from adapters.registration.bundle import Bundle
from adapters.registration.record import Pilot, Record, RolloutTerms
from adapters.transport import Transport
from esb import control, operations
from esb.errors import RegistrationRefused, RoutesInvalid
from esb.journal import GroupCommitJournal, registrations
from esb.journal.registrations import Change, Registered
from esb.journal.rows import RegistrationRow
from esb.model import AgencyCode, Finding
from esb.ports import Clock, utc_now
from esb.routes import compiler, document
from esb.routes.table import RouteTable
from esb.settings import Settings
from security import certificates
from security.errors import CertificateRejected

RELOAD_ATTEMPTS: Final = 3

Step = Callable[[Record], tuple[Record, str]]
"""One act of `acts`, with what was asked of it."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """An act that is recorded. `workers`: those of this machine that use it; `problems`: why others do not.

    `findings`: what is to be said about the adapter or the routes, none of it an error.
    """

    agency: str
    version: str | None
    act: str
    what: str
    workers: int = 0
    problems: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


class _Act(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    agency: str
    step: Step
    reason: str
    version: str | None = None
    bundle: Bundle | None = None
    must_compile: bool = True


class Desk:
    """Acts on the register for one operator."""

    def __init__(self, settings: Settings, *, operator: str, clock: Clock = utc_now) -> None:
        """`operator`: a login name; see `permissions.login`."""
        self._settings = settings
        self._operator = operator
        self._clock = clock

    # --- acts --------------------------------------------------------------------------------------------

    async def submit(self, content: bytes, *, reason: str) -> Done:
        """Register what `signing.pack` packed.

        Raises:
            RegistrationRefused: not permitted, not signed by the agency, or the version is in use.
            RoutesInvalid: the adapter holds errors; all of them are in `findings`.
        """
        self._require("submit")
        now, keys = self._clock(), agency_keys.load(self._settings)
        bundle, proof = signing.unpack(content)
        agency = _agency_of(bundle)
        signing.prove(bundle.content, proof, agency, keys, at=now)
        manifest, found = inventory.manifest_of(bundle, agency, "submitted")
        if manifest is None:
            raise RoutesInvalid(tuple(msgspec.structs.replace(one, file=bundles.MANIFEST) for one in found))
        version = manifest.contract.version
        self._refuse_checked_in(agency, version)
        findings = examination.lint(bundle, agency, version, settings=self._settings, keys=keys)
        if examination.errors_of(findings):
            raise RoutesInvalid(findings)

        def step(record: Record) -> tuple[Record, str]:
            return acts.submit(
                record, version, bundle_sha256=bundle.sha256, proof=proof, operator=self._operator, at=now
            )

        act = _Act(name="submit", agency=agency, version=version, step=step, reason=reason, bundle=bundle)
        done = await self._do(act)
        return msgspec.structs.replace(done, findings=(*findings, *done.findings))

    async def promote(
        self, agency: str, version: str, *, to: Lifecycle | None, pilot: Pilot | None, reason: str
    ) -> Done:
        """One stage up, or back to an earlier one.

        Raises:
            RegistrationRefused: not permitted, or the stage demands what is not there.
        """
        record, bundle = await self._known(agency, version)
        stage = acts.target_of(record, version, to)
        self._require("check" if stage is Lifecycle.CHECKED else "promote")
        if records.LADDER.index(stage) > records.LADDER.index(record.versions[version].lifecycle):
            await asyncio.to_thread(self._require_fitness, record, version, bundle, stage)
        if pilot is not None:
            self._require_callers(pilot.callers)

        def step(record: Record) -> tuple[Record, str]:
            return acts.promote(record, version, stage, pilot=pilot, at=self._clock())

        done = await self._do(_Act(name="promote", agency=agency, version=version, step=step, reason=reason))
        untested = (
            await asyncio.to_thread(self._untested, agency, version, bundle) if stage is Lifecycle.CHECKED else ()
        )
        return msgspec.structs.replace(done, findings=(*untested, *done.findings))

    async def suspend(self, agency: str, version: str | None, *, reason: str) -> Done:
        """Call the version no more, for now; None: the only one there is. Raises RegistrationRefused."""
        return await self._take_out("suspend", agency, version, acts.suspend, reason)

    async def resume(self, agency: str, version: str | None, *, reason: str) -> Done:
        """Call it again, as before it was suspended. Raises RegistrationRefused."""
        return await self._take_out("resume", agency, version, acts.resume, reason)

    async def retire(self, agency: str, version: str, *, reason: str) -> Done:
        """Call it never again. Raises RegistrationRefused."""
        self._require("retire")

        def step(record: Record) -> tuple[Record, str]:
            return acts.retire(record, version, at=self._clock())

        act = _Act(name="retire", agency=agency, version=version, step=step, reason=reason, must_compile=False)
        return await self._do(act)

    async def set_values(self, agency: str, words: Sequence[str], *, reason: str) -> Done:
        """Set values over the agency's manifests; see `overlay`. Raises RegistrationRefused."""
        values = overlay.read(words)
        self._require_known(agency, await self._registered())

        def step(record: Record) -> tuple[Record, str]:
            return acts.set_values(record, values, operator=self._operator, reason=reason, at=self._clock())

        return await self._set("set", agency, step, reason)

    async def unset_values(self, agency: str, names: Sequence[str], *, reason: str) -> Done:
        """Let the manifests' own values hold. Raises RegistrationRefused."""
        return await self._set("unset", agency, lambda record: acts.unset_values(record, names), reason)

    async def roll_out(self, agency: str, terms: RolloutTerms | None, *, reason: str) -> Done:
        """Share the questions among versions. Raises RegistrationRefused."""
        registered = await self._registered()
        self._require_known(agency, registered)
        if terms is not None:
            self._require_callers([name for names in terms.callers.values() for name in names])
        known = self._stages(agency, registered)
        return await self._set("rollout", agency, lambda record: acts.roll_out(record, terms, known=known), reason)

    async def _take_out(
        self, act: str, agency: str, version: str | None, step: Callable[[Record, str], tuple[Record, str]], reason: str
    ) -> Done:
        self._require("suspend")
        chosen = _chosen(agency, version, self._stages(agency, await self._registered()))
        return await self._do(
            _Act(
                name=act,
                agency=agency,
                version=chosen,
                step=lambda record: step(record, chosen),
                reason=reason,
                must_compile=False,
            )
        )

    async def _set(self, act: str, agency: str, step: Step, reason: str) -> Done:
        self._require("set")
        return await self._do(_Act(name=act, agency=agency, step=step, reason=reason))

    # --- what an act demands -----------------------------------------------------------------------------

    def _require(self, act: str) -> None:
        permissions.require(self._settings, self._operator, act)

    def _require_callers(self, names: Sequence[str]) -> None:
        unknown = sorted(set(names) - set(_callers_in(Path(self._settings.routes))))
        if unknown:
            raise RegistrationRefused(f"no caller {', '.join(unknown)} in {self._settings.routes}")

    def _require_known(self, agency: str, registered: Registered) -> None:
        if not self._stages(agency, registered):
            raise RegistrationRefused(f"there is no adapter {agency!r}; see: esb adapters list")

    def _refuse_checked_in(self, agency: str, version: str) -> None:
        manifest = self._checked_in(agency)
        if manifest is not None and manifest.contract.version == version:
            raise RegistrationRefused(
                f"{agency} {version} is checked in at {manifest.file}: submit another version, or take that folder away"
            )

    def _require_fitness(self, record: Record, version: str, bundle: Bundle, stage: Lifecycle) -> None:
        """Blocks. Raises RegistrationRefused, RoutesInvalid."""
        keys = agency_keys.load(self._settings)
        if stage is Lifecycle.CHECKED:
            self._require_passing(record, version, bundle, keys)
        if stage is Lifecycle.TEST:
            self._require_endpoint(record, version, bundle)
        if stage is Lifecycle.LIVE:
            self._require_certificate(record.agency, keys)

    def _require_passing(self, record: Record, version: str, bundle: Bundle, keys: AgencyKeys) -> None:
        agency = record.agency
        findings = examination.lint(bundle, agency, version, settings=self._settings, keys=keys)
        if examination.errors_of(findings):
            raise RoutesInvalid(findings)
        installed = registry.load(self._settings, keys, Transport())
        results = examination.run_cases(
            bundle, agency, version, settings=self._settings, keys=keys, installed=installed
        )
        broken = [result for result in results if result.problems]
        if broken:
            told = "; ".join(f"{result.case.name}: {result.problems[0]}" for result in broken[:3])
            raise RegistrationRefused(f"{len(broken)} of {len(results)} golden cases fail: {told}")

    def _untested(self, agency: str, version: str, bundle: Bundle) -> tuple[Finding, ...]:
        """Blocks."""
        manifest, _ = inventory.manifest_of(bundle, agency, version)
        return () if manifest is None else tuple(coverage.uncovered(manifest, bundle, Path(self._settings.routes)))

    def _require_endpoint(self, record: Record, version: str, bundle: Bundle) -> None:
        manifest, _ = inventory.manifest_of(bundle, record.agency, version)
        set_here = {name.partition(".")[2] for name in record.overlay if name.startswith("endpoint.")}
        known = {*set_here, *(manifest.endpoint if manifest else ())}
        # A bus that is itself simulated tests against simulated agencies, and has no other test environment.
        wanted = {"test", self._settings.environment} - {"live"}
        overridden = record.agency in self._settings.endpoints
        if not known & wanted and not overridden:
            raise RegistrationRefused(
                f"{record.agency} {version} has no endpoint for the environment test:"
                f" esb adapters set {record.agency} endpoint.test=URL --reason TEXT"
            )

    def _require_certificate(self, agency: str, keys: AgencyKeys) -> None:
        held = [key.certificate for key in keys.registered_keys_of(agency) if key.certificate is not None]
        for certificate in held:
            try:
                certificates.check_dates(certificate, self._clock())
            except CertificateRejected:
                continue
            return
        what = "no certificate of it that is in date" if held else "no certificate of it"
        raise RegistrationRefused(f"{agency} cannot go live: there is {what} in keys/agencies/{agency}/ below the home")

    # --- what there is -----------------------------------------------------------------------------------

    async def _registered(self) -> Registered:
        async with operations.open_journal(self._settings) as journal:
            return await registrations.registered(journal, lambda _: ())

    async def _known(self, agency: str, version: str) -> tuple[Record, Bundle]:
        async with operations.open_journal(self._settings) as journal:
            seen = await registrations.registered(journal, lambda _: ())
            record = _record_of(seen, agency)
            if version not in record.versions:
                there = ", ".join(record.versions) or "none"
                raise RegistrationRefused(f"there is no registered {agency} {version}; registered of it: {there}")
            sha256 = record.versions[version].bundle_sha256
            with_bundle = await registrations.registered(journal, lambda _: [sha256])
        return record, bundles.read(with_bundle.bundles[sha256])

    def _checked_in(self, agency: str) -> Manifest | None:
        path = Path(self._settings.adapters) / agency / manifests.FILE_NAME
        return manifests.read(path)[0] if path.is_file() else None

    def _stages(self, agency: str, registered: Registered) -> dict[str, Lifecycle]:
        record = _record_of(registered, agency)
        stages = {name: record.stage(name) for name in record.versions}
        manifest = self._checked_in(agency)
        return stages if manifest is None else {manifest.contract.version: manifest.lifecycle, **stages}

    # --- doing it ----------------------------------------------------------------------------------------

    async def _do(self, act: _Act) -> Done:
        async with operations.open_journal(self._settings) as journal:
            seen = await registrations.registered(journal, lambda _: ())
            was = seen.documents.get(act.agency)
            record, what = act.step(_record_of(seen, act.agency))
            document = records.encode(record)
            row = RegistrationRow(act.agency, (was.revision if was else 0) + 1, document)
            table, findings = await self._compiled(await _with(journal, row, act.bundle))
            if table is None and act.must_compile:
                raise RoutesInvalid(findings)
            await journal.register(
                Change(
                    agency=act.agency,
                    was_revision=row.revision - 1,
                    document=document,
                    act=act.name,
                    operator=self._operator,
                    what=what,
                    reason=act.reason,
                    version=act.version,
                    bundle=None if act.bundle is None else act.bundle.content,
                )
            )
        done = Done(agency=act.agency, version=act.version, act=act.name, what=what)
        if table is None:
            told = tuple(str(finding) for finding in examination.errors_of(findings))
            return msgspec.structs.replace(done, problems=("it is not in force: the routes do not compile", *told))
        return await self._put_into_force(done, table)

    async def _put_into_force(self, done: Done, table: RouteTable) -> Done:
        sockets = control.sockets(Path(self._settings.home))
        verdicts: dict[str, Any] = {"used": True, "using": 0, "problems": []}
        for attempt in range(RELOAD_ATTEMPTS):
            if not sockets:
                break
            if attempt:
                # Somebody acted at the same time: what is in force is what stands now, his act and this one.
                fresh, findings = await self._compiled(None)
                if fresh is None:
                    told = tuple(str(finding) for finding in findings)
                    return msgspec.structs.replace(done, problems=told)
                table = fresh
            verdicts = await control.reload(sockets, table.digest)
            if verdicts["used"]:
                break
        problems = [text for one in verdicts["problems"] for text in one.get("findings") or [one["error"]]]
        return msgspec.structs.replace(done, workers=verdicts["using"], problems=tuple(problems))

    async def _compiled(self, registered: Registered | None) -> tuple[RouteTable | None, tuple[Finding, ...]]:
        return await asyncio.to_thread(self._compile, registered)

    def _compile(self, registered: Registered | None) -> tuple[RouteTable | None, tuple[Finding, ...]]:
        keys = agency_keys.load(self._settings)
        try:
            catalogue = registry.load(self._settings, keys, Transport(), registered=registered)
        except RoutesInvalid as error:
            return None, tuple(one for one in error.findings if isinstance(one, Finding))
        return compiler.compiled(Path(self._settings.routes), catalogue)


async def _with(journal: GroupCommitJournal, row: RegistrationRow, bundle: Bundle | None) -> Registered:
    """The register as it will be with this document, and the bundles that a load of it needs."""
    stored = await registrations.registered(journal, lambda documents: inventory.wanted({**documents, row.agency: row}))
    own = {} if bundle is None else {bundle.sha256: bundle.content}
    return Registered(
        generation=stored.generation + 1,
        documents={**stored.documents, row.agency: row},
        bundles={**stored.bundles, **own},
    )


def _chosen(agency: str, version: str | None, stages: Mapping[str, Lifecycle]) -> str:
    """The version that is meant. Raises RegistrationRefused."""
    usable = [name for name, stage in stages.items() if stage is not Lifecycle.RETIRED]
    if version is None and len(usable) == 1:
        return usable[0]
    if version is None or version not in stages:
        told = f"there is no {agency} {version}" if version else f"say which version of {agency}"
        raise RegistrationRefused(f"{told}; there are: {', '.join(stages) or 'none'}")
    return version


def _record_of(registered: Registered, agency: str) -> Record:
    row = registered.documents.get(agency)
    return Record(agency=AgencyCode(agency)) if row is None else records.decode(row.document)


def _agency_of(bundle: Bundle) -> str:
    """Whose the bundle says it is: not believed before its signature was proven to be that agency's."""
    read = document.parse_bytes(bundle.files[bundles.MANIFEST], file=bundles.MANIFEST)
    if read.root is None:
        raise RoutesInvalid(read.findings)
    node = read.root.get("agency")
    form = next(field.pattern for field in FIELDS if field.name == "agency")
    if node is None or form is None or not _fits(form, node.text):
        raise RegistrationRefused(f"{bundles.MANIFEST} names no agency")
    return node.text


def _fits(form: str, text: str) -> bool:
    return re.fullmatch(form, text) is not None


def _callers_in(path: Path) -> Sequence[str]:
    read = document.load(path)
    node = None if read.root is None else read.root.get("callers")
    return () if node is None else tuple(node.entries)
