"""The table of what a WSDL may say."""

from __future__ import annotations

import pytest

from adapters.wsdl.features import FEATURES, WsdlFeature

REFUSED = {
    "rpc/encoded, arrays of several dimensions": "arrays of several dimensions",
    "overloaded operations": "stands twice in PT",
    "HTTP GET/POST binding": "only SOAP is read",
    "SOAP over another transport": "is not HTTP",
    "import that is not in the bundle, used": "add x.wsdl",
    "type that nobody declares": "did you mean Kinds?",
    "name declared twice, differently": "declared twice and differently",
}
TOLD = {
    "operation without input": "has no input",
    "WS-SecurityPolicy": "UsernameToken",
}


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_the_table_says_what_is_read_and_what_is_refused(feature: WsdlFeature) -> None:
    read, words = feature.outcome()
    assert read == (feature.name not in REFUSED)
    assert REFUSED.get(feature.name, TOLD.get(feature.name, "")) in words
    assert bool(words) == (feature.name in {**REFUSED, **TOLD})


def test_every_name_is_there_once() -> None:
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names)
    assert {*REFUSED, *TOLD} <= set(names)
