"""The operations of a REST or XML agency, from its manifest and the files of its contract.

Called by the registry, by lint and by simulated agencies, so that all of them read a contract in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.manifest import ContractFile, Kind, Manifest
from esb.contracts.contract import Contract
from esb.contracts.json_contract import JsonContract, XmlElements
from esb.contracts.json_operation import JsonOperation
from esb.contracts.xml_contract import XmlCall, operations


def compile_operations(manifest: Manifest, bundle: Mapping[str, bytes]) -> Mapping[str, JsonOperation]:
    """Every operation by its name. Raises ContractUnsupported."""
    where = manifest.contract
    if manifest.kind is Kind.XML:
        return operations(Contract.from_xsd(bundle, [where.file]), _calls(where))
    return JsonContract(bundle, where.file, xml=_elements(where, bundle)).operations


def _calls(where: ContractFile) -> dict[str, XmlCall]:
    return {
        name: XmlCall(
            path=terms.path or "/",
            method=terms.method,
            query=terms.query,
            request=terms.request,
            reply=terms.reply,
            fault=terms.fault,
        )
        for name, terms in where.operations.items()
    }


def _elements(where: ContractFile, bundle: Mapping[str, bytes]) -> XmlElements | None:
    if where.xsd is None:
        return None
    elements = {name: (terms.request, terms.reply) for name, terms in where.operations.items()}
    return XmlElements(contract=Contract.from_xsd(bundle, [where.xsd]), elements=elements)
