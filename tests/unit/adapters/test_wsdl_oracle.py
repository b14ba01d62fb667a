"""What zeep reads in a WSDL, we read in it."""

from __future__ import annotations

from typing import Any

import pytest

from adapters import wsdl
from adapters.wsdl.zeep_opinion import zeep_document, zeep_opinion
from tests.support import wsdls
from tests.support.contracts import bundle_of
from tests.support.wsdls import bound, bundle, messages

RPC = bound(
    request='<soap:body use="literal" namespace="urn:rpc"/>', reply='<soap:body use="literal" namespace="urn:rpc"/>'
)
HABITS = {
    "document": bundle(),
    "soap12": bundle(soap="soap12"),
    "rpc": bundle(
        style="rpc",
        bound=RPC,
        messages=messages(request='<wsdl:part name="pin" type="xs:string"/><wsdl:part name="x" type="t:Pair"/>'),
    ),
    "header": bundle(
        messages=messages(
            request='<wsdl:part name="x" element="t:Ask"/><wsdl:part name="h" element="t:Ticket"/>',
        ),
        bound=bound(request='<soap:body use="literal"/><soap:header message="t:In" part="h" use="literal"/>'),
    ),
    "several-ports": bundle(
        service=wsdls.SERVICE.replace(
            "</wsdl:service>",
            '<wsdl:port name="P2" binding="t:B"><soap:address location="https://b.example/"/></wsdl:port></wsdl:service>',
        )
    ),
    "one-way": bundle(
        operations='<wsdl:operation name="Op"><wsdl:input message="t:In"/></wsdl:operation>',
        bound='<wsdl:operation name="Op"><soap:operation soapAction="urn:go"/><wsdl:input><soap:body use="literal"/>'
        "</wsdl:input></wsdl:operation>",
    ),
}


@pytest.mark.parametrize(
    ("files", "entry"),
    [
        *((files, "s.wsdl") for files in HABITS.values()),
        (bundle_of("din-reg"), "PopulationRegister.wsdl"),
        (bundle_of("mkr"), "CreditRegistry.wsdl"),
    ],
    ids=[*HABITS, "din-reg", "mkr"],
)
def test_operations_elements_actions_and_addresses_agree_with_zeep(files: dict[str, bytes], entry: str) -> None:
    services: Any = zeep_document(files, entry).services
    compared = 0
    for service in services.values():
        for port in service.ports.values():
            ours = wsdl.compile(files, entry, service=service.name, port=port.name)
            theirs = port.binding.all()
            assert sorted(ours.operations) == sorted(theirs)
            for name, operation in ours.operations.items():
                compared += 1
                assert operation.style == theirs[name].style
                assert operation.soap_action == theirs[name].soapaction
                assert operation.input == theirs[name].input.body.qname.text
                assert operation.address == port.binding_options["address"]
                assert operation.one_way == (theirs[name].output is None)
                if operation.style == "document" and not operation.one_way:
                    assert operation.output == theirs[name].output.body.qname.text
    assert compared


def test_the_opinion_of_zeep_is_a_sentence() -> None:
    assert zeep_opinion(bundle(), "s.wsdl") is None
    broken = bundle(
        types='<xs:schema><xs:import namespace="urn:t" schemaLocation="http://a.example/t.xsd"/></xs:schema>'
    )
    opinion = zeep_opinion(broken, "s.wsdl")
    assert opinion is not None
    assert "http://a.example/t.xsd is not among the contract's files" in opinion
