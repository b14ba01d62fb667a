"""Rules about what an agency's team writes: no placeholders, addresses by https, certificates in date, sane limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from adapters.agency_keys import AgencyKeys
from adapters.manifest import Authentication, Manifest
from adapters.placeholders import is_placeholder
from adapters.registration import bundle as bundles
from esb.model import Finding, Severity
from esb.routes import document
from esb.routes.document import Node, Shape

CERTIFICATE_SOON: Final = timedelta(days=30)

_GUESSED: Final = "# check:"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_CERTIFIED: Final = frozenset({Authentication.WSSE_X509, Authentication.HTTP_SIGNATURE, Authentication.XMLDSIG})

_MOST: Final[tuple[tuple[tuple[str, str], float, str], ...]] = (
    (("limits", "concurrency"), 200, "more calls at a time, per worker, than an agency's system usually bears"),
    (("limits", "rate_per_s"), 2000, "more calls per second, per worker, than an agency's system usually bears"),
    (("limits", "connect_timeout_s"), 10, "callers wait that long for a system that is off"),
    (("breaker", "failures"), 50, "so many callers wait for a system that is off"),
    (("breaker", "open_s"), 300, "a system that is back is not asked for that long"),
    (("signature", "max_age_s"), 900, "a copied reply stays good that long"),
    (("signature", "ttl_s"), 900, "a copied request stays good that long"),
)
"""Numbers that are allowed and seldom meant."""


def findings(manifest: Manifest, files: Mapping[str, bytes], *, keys: AgencyKeys, now: datetime) -> Iterator[Finding]:
    """See `adapters.rules.findings`."""
    root = document.parse_bytes(files[bundles.MANIFEST], file=bundles.MANIFEST).root
    if root is None:
        return
    for name in (bundles.MANIFEST, bundles.ROUTES):
        if name in files:
            yield from _unfinished(name, files[name])
    yield from _addresses(manifest, root)
    yield from _numbers(manifest, root)
    yield from _certificates(manifest, keys, now)
    if bundles.CASES not in files:
        yield _say(bundles.CASES, 0, "there are no golden cases; write some", Severity.WARNING)


def _unfinished(file: str, content: bytes) -> Iterator[Finding]:
    """Placeholders of a scaffold are errors; guesses that are still marked are told once."""
    read = document.parse_bytes(content, file=file)
    if read.root is not None:
        for where, node in _scalars(read.root, ""):
            if is_placeholder(node.text):
                yield _say(file, node.line, f"{where}: a placeholder; write what is true", Severity.ERROR)
    marked = [number for number, line in enumerate(content.decode().splitlines(), 1) if _GUESSED in line]
    if marked:
        text = f"{len(marked)} lines are still marked `check:`; check what was guessed and take the marks away"
        yield _say(file, marked[0], text, Severity.HINT)


def _scalars(node: Node, where: str) -> Iterator[tuple[str, Node]]:
    if node.shape is Shape.SCALAR and isinstance(node.value, str):
        yield where, node
    for name, child in node.entries.items():
        yield from _scalars(child, f"{where}.{name}" if where else name)
    for item in node.items:
        yield from _scalars(item, where)


def _addresses(manifest: Manifest, root: Node) -> Iterator[Finding]:
    for environment, url in manifest.endpoint.items():
        line, address = root.line_of("endpoint", environment), urlsplit(url)
        here = address.hostname in _LOOPBACK
        if environment == "live" and here:
            text = "endpoint.live is on this machine; real persons are asked about elsewhere"
            yield _say(bundles.MANIFEST, line, text, Severity.WARNING)
        elif address.scheme != "https" and not here:
            grave = Severity.ERROR if environment == "live" else Severity.WARNING
            text = f"endpoint.{environment} is not https: personal data would cross the network in clear"
            yield _say(bundles.MANIFEST, line, text, grave)


def _numbers(manifest: Manifest, root: Node) -> Iterator[Finding]:
    for (block, name), most, consequence in _MOST:
        value = getattr(getattr(manifest, block), name)
        if value > most:
            text = f"{block}.{name} is {value:g}: {consequence}"
            yield _say(bundles.MANIFEST, root.line_of(block, name), text, Severity.WARNING)
    if manifest.validation == "lax":
        text = "validation: lax lets replies stray from the contract; the findings of calls say how"
        yield _say(bundles.MANIFEST, root.line_of("validation"), text, Severity.HINT)


def _certificates(manifest: Manifest, keys: AgencyKeys, now: datetime) -> Iterator[Finding]:
    """One that is in date is enough. That there is none at all, the loader says."""
    held = [key.certificate for key in keys.verifying_of(manifest.agency) if key.certificate is not None]
    if manifest.authentication not in _CERTIFIED or not held:
        return
    until = max(certificate.not_valid_after_utc for certificate in held)
    if until <= now:
        text = f"the agency's newest certificate ran out on {until:%Y-%m-%d}; ask for its new one"
        yield _say(bundles.MANIFEST, 0, text, Severity.ERROR)
    elif until - now < CERTIFICATE_SOON:
        text = f"the agency's newest certificate runs out on {until:%Y-%m-%d}; ask for its next one"
        yield _say(bundles.MANIFEST, 0, text, Severity.WARNING)


def _say(file: str, line: int, message: str, severity: Severity) -> Finding:
    return Finding(file=file, line=line, message=message, severity=severity)
