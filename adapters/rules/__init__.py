"""What a good adapter keeps to, beyond what the loader demands: the rules by which agencies are admitted.

Called by `esb adapters lint`, and by the register before a version is taken. Pure: no network, nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from adapters.agency_keys import AgencyKeys
from adapters.manifest import Manifest
from adapters.rules import contract_rules, manifest_rules
from esb.model import Finding, Severity

__all__ = ["findings", "refusals"]


def findings(
    manifest: Manifest, files: Mapping[str, bytes], contract: Mapping[str, bytes], *, keys: AgencyKeys, now: datetime
) -> Iterator[Finding]:
    """Everything that a person should mend or know. `files`: the adapter's by name; `contract`: its contract's.

    Places are named as in a bundle: `adapter.yaml`, `routes.yaml`, `contract/Register.xsd`. The contract compiles.

    Raises:
        ContractUnsupported: it does not.
    """
    yield from manifest_rules.findings(manifest, files, keys=keys, now=now)
    yield from contract_rules.findings(manifest, contract)
    yield from contract_rules.opinions(manifest, contract)


def refusals(
    manifest: Manifest, files: Mapping[str, bytes], contract: Mapping[str, bytes], *, keys: AgencyKeys, now: datetime
) -> Iterator[Finding]:
    """Those of the findings for which a version is not taken into the register."""
    found = (
        *manifest_rules.findings(manifest, files, keys=keys, now=now),
        *contract_rules.findings(manifest, contract),
    )
    return (finding for finding in found if finding.severity is Severity.ERROR)
