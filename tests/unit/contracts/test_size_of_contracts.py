"""How much a contract may declare: said before anything is compiled, with the count and what to do."""

from __future__ import annotations

import pytest

from esb.contracts import gathering
from esb.contracts.bundle import join
from esb.errors import ContractUnsupported

SCHEMA = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:{name}">{content}</xs:schema>'


def schema(name: str, *, types: int, first: str = "") -> bytes:
    content = "".join(f'<xs:complexType name="T{number}"/>' for number in range(types))
    return SCHEMA.format(name=name, content=first + content).encode()


def test_a_contract_that_declares_too_much_is_refused_with_the_count_and_the_file_that_has_most() -> None:
    bundle = {
        "service.xsd": schema("a", types=9, first='<xs:import namespace="urn:b" schemaLocation="model.xsd"/>'),
        "model.xsd": schema("b", types=60_000),
    }
    with pytest.raises(ContractUnsupported) as refused:
        join(bundle, ["service.xsd"])
    assert refused.value.reason.startswith("model.xsd: the contract declares at least 60009 elements, types, groups")
    assert "60000 of them in this file; at most 20000 are read. Ask the agency" in refused.value.reason


def test_a_file_that_is_included_into_many_namespaces_counts_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_MAX_COMPONENTS", 50)
    content = "".join(f'<xs:complexType name="T{number}"/>' for number in range(20))
    shared = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{content}</xs:schema>'.encode()
    first = '<xs:include schemaLocation="shared.xsd"/>'
    bundle = {"shared.xsd": shared, **{f"{name}.xsd": schema(name, types=0, first=first) for name in "abc"}}
    assert join(bundle, ["a.xsd", "b.xsd"]).namespaces == {"urn:a", "urn:b"}
    with pytest.raises(ContractUnsupported, match="at least 60 elements"):
        join(bundle, ["a.xsd", "b.xsd", "c.xsd"])


def test_what_is_just_allowed_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_MAX_COMPONENTS", 50)
    assert len(join({"a.xsd": schema("a", types=50)}, ["a.xsd"]).components().maps.types) >= 50
