"""`esb adapters pack|submit|promote|suspend|resume|retire|set|unset|rollout`: acts on the register of adapters."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.commands.noun import app
from adapters.manifest_fields import LIFECYCLES
from esb.commands.reasons import Reason
from esb.commands.shell import PROBLEMS, JsonFlag, counted, err, fail, out, print_json, run, shell_of
from esb.errors import RegistrationRefused
from esb.settings import Settings
from security.errors import CertificateRejected

if TYPE_CHECKING:
    from adapters.registration.bundle import Bundle
    from adapters.registration.desk import Desk, Done
    from security.keys import SigningKey

Agency = Annotated[str, typer.Argument(help="Code of the agency, as din-reg.")]
Version = Annotated[str, typer.Argument(help="Contract version, as v2.")]
AnyVersion = Annotated[str | None, typer.Argument(help="Contract version; not needed where there is one.")]
Key = Annotated[Path | None, typer.Option(help="The agency's private key, with its .crt.pem beside it.")]
Contract = Annotated[Path | None, typer.Option(help="Folder of the contract's files; without it `contract/` inside.")]
Stage = Annotated[str | None, typer.Option("--to", help="The stage; the next one without it. Back is allowed.")]
Listed = Annotated[str, typer.Option(help="Separated by commas; for a pilot.")]


@app.command()
def pack(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder with adapter.yaml, cases.yaml and contract/.")],
    *,
    key: Key,
    out_file: Annotated[Path, typer.Option("--out", help="The signed bundle to write.")],
    contract: Contract = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign an adapter's folder where the agency's key lies, to be submitted elsewhere.

    Example: esb adapters pack my-adapter --key agency.key.pem --out my-adapter.bundle
    """
    bundle, content = _packed(shell_of(context).settings, folder, key, contract)
    out_file.write_bytes(content)
    if as_json:
        print_json({"file": str(out_file), "sha256": bundle.sha256, "files": list(bundle.files)})
        return
    out.print(f"{out_file}: {counted(len(bundle.files), 'file')}, SHA-256 {bundle.sha256}", markup=False)


@app.command()
def submit(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="An adapter's folder, or what `pack` wrote.")],
    *,
    reason: Reason,
    key: Key = None,
    contract: Contract = None,
    as_json: JsonFlag = False,
) -> None:
    """Register a version of an adapter, signed by its agency.

    Example: esb adapters submit my-adapter --key agency.key.pem --reason "letter 14/2"
    """
    settings = shell_of(context).settings
    if source.is_dir():
        content = _packed(settings, source, key, contract)[1]
    elif source.is_file():
        content = source.read_bytes()
    else:
        fail(f"there is no {source}", code=2)
    _act(context, lambda desk: desk.submit(content, reason=reason), as_json=as_json)


@app.command()
def promote(
    context: typer.Context,
    agency: Agency,
    version: Version,
    *,
    reason: Reason,
    to: Stage = None,
    callers: Listed = "",
    rayons: Listed = "",
    as_json: JsonFlag = False,
) -> None:
    """Lead a version one stage on, registered → checked → test → pilot → live, or back.

    Example: esb adapters promote din-reg v2 --to pilot --callers portal --reason "opinion 12/3"
    """
    from adapters.manifest import Lifecycle  # noqa: PLC0415 - other verbs need not wait for it
    from adapters.registration.record import Pilot  # noqa: PLC0415

    if to is not None and to not in LIFECYCLES:
        fail(f"{to!r} is not a stage; there are: {', '.join(LIFECYCLES)}", code=2)
    stage = None if to is None else Lifecycle(to)
    pilot = Pilot(callers=_names(callers), rayons=_names(rayons)) if callers or rayons else None
    _act(context, lambda desk: desk.promote(agency, version, to=stage, pilot=pilot, reason=reason), as_json=as_json)


@app.command()
def suspend(
    context: typer.Context, agency: Agency, version: AnyVersion = None, *, reason: Reason, as_json: JsonFlag = False
) -> None:
    """Call a version no more until it is resumed; its callers are told that the agency is paused.

    Example: esb adapters suspend din-reg --reason "their database is being repaired"
    """
    _act(context, lambda desk: desk.suspend(agency, version, reason=reason), as_json=as_json)


@app.command()
def resume(
    context: typer.Context, agency: Agency, version: AnyVersion = None, *, reason: Reason, as_json: JsonFlag = False
) -> None:
    """Call a suspended version again, at the stage where it was.

    Example: esb adapters resume din-reg --reason "repaired"
    """
    _act(context, lambda desk: desk.resume(agency, version, reason=reason), as_json=as_json)


@app.command()
def retire(
    context: typer.Context, agency: Agency, version: Version, *, reason: Reason, as_json: JsonFlag = False
) -> None:
    """Take a registered version out of use for good.

    Example: esb adapters retire din-reg v1 --reason "everybody uses v2"
    """
    _act(context, lambda desk: desk.retire(agency, version, reason=reason), as_json=as_json)


@app.command("set")
def set_values(
    context: typer.Context,
    agency: Agency,
    values: Annotated[list[str], typer.Argument(help="NAME=VALUE, as in adapter.yaml: limits.rate_per_s=50.")],
    *,
    reason: Reason,
    as_json: JsonFlag = False,
) -> None:
    """Set values over the agency's manifest; a new version keeps them.

    Example: esb adapters set din-reg limits.rate_per_s=50 --reason "asked by their desk"
    """
    _act(context, lambda desk: desk.set_values(agency, values, reason=reason), as_json=as_json)


@app.command()
def unset(
    context: typer.Context,
    agency: Agency,
    names: Annotated[list[str], typer.Argument(help="What was set, as limits.rate_per_s.")],
    *,
    reason: Reason,
    as_json: JsonFlag = False,
) -> None:
    """Let the manifest's own values hold again.

    Example: esb adapters unset din-reg limits.rate_per_s --reason "no longer needed"
    """
    _act(context, lambda desk: desk.unset_values(agency, names, reason=reason), as_json=as_json)


@app.command()
def rollout(
    context: typer.Context,
    agency: Agency,
    shares: Annotated[
        list[str] | None, typer.Argument(help="v1=90 v2=10, v2=callers:portal; none: no rollout.")
    ] = None,
    *,
    reason: Reason,
    as_json: JsonFlag = False,
) -> None:
    """Share an agency's questions among its versions, by weight or by caller.

    Example: esb adapters rollout din-reg v1=90 v2=10 --reason "first days of v2"
    """
    from adapters.registration import acts  # noqa: PLC0415 - other verbs need not wait for it

    terms = acts.read_rollout(shares) if shares else None
    _act(context, lambda desk: desk.roll_out(agency, terms, reason=reason), as_json=as_json)


def _packed(settings: Settings, folder: Path, key: Path | None, contract: Path | None) -> tuple[Bundle, bytes]:
    from adapters.registration import bundle, signing  # noqa: PLC0415 - other verbs need not wait for it
    from security import keys  # noqa: PLC0415

    if key is None:
        fail("a folder is signed when it is submitted: give --key with the agency's private key", code=2)
    signer = keys.load_signing(key, passphrase=settings.key_passphrase)
    _refuse_unfit(key, signer)
    made = bundle.from_folder(folder, contract=contract)
    return made, signing.pack(made, signing.sign(made, signer))


def _refuse_unfit(file: Path, signer: SigningKey) -> None:
    """Said where the key lies, not weeks later where the bundle arrives. Raises RegistrationRefused."""
    from security import certificates  # noqa: PLC0415 - other verbs need not wait for it

    if signer.certificate is None:
        return
    try:
        certificates.check_fit(signer.certificate)
    except CertificateRejected as error:
        raise RegistrationRefused(
            f"{error.reason}, so that the bundle would be refused (certificate beside {file}); make one for signing: "
            'openssl req -x509 -addext "basicConstraints=critical,CA:FALSE" -addext "keyUsage=digitalSignature" ...'
        ) from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _act(context: typer.Context, act: Callable[[Desk], Coroutine[Any, Any, Done]], *, as_json: bool) -> None:
    from adapters.registration import permissions  # noqa: PLC0415 - other verbs need not wait for it
    from adapters.registration.desk import Desk  # noqa: PLC0415

    done = run(act(Desk(shell_of(context).settings, operator=permissions.login())))
    if as_json:
        print_json(done)
    else:
        _tell(done)
    if done.problems:
        raise typer.Exit(PROBLEMS)


def _tell(done: Done) -> None:
    for finding in done.findings:
        err.print(str(finding), markup=False)
    subject = f"{done.agency} {done.version}" if done.version else done.agency
    where = f"in use by {counted(done.workers, 'worker')}" if done.workers else "recorded; no bus is running here"
    if not done.problems:
        out.print(f"{subject}: {done.what}; {where}", markup=False)
        return
    err.print(f"{subject}: {done.what}; recorded, and not in use by the bus that runs here:", markup=False)
    for problem in done.problems:
        err.print(f"  {problem}", markup=False)
