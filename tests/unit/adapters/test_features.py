"""The table of what contracts and manifests may say: what it promises is done, what it refuses is explained."""

from __future__ import annotations

import pytest

from adapters.features import tables, xsd
from adapters.features.xsd import XsdFeature
from esb.contracts.feature import Feature

FEATURES = [(heading, feature) for heading, features in tables().items() for feature in features]


@pytest.mark.parametrize(("heading", "feature"), FEATURES, ids=lambda value: getattr(value, "name", None))
def test_what_is_refused_is_told_why(heading: str, feature: Feature) -> None:
    is_read, words = feature.outcome()
    assert is_read or len(words.split()) > 3, heading


def test_every_name_is_there_once_under_its_heading() -> None:
    named = [(heading, feature.name) for heading, feature in FEATURES]
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("feature", [feature for feature in xsd.FEATURES if feature.outcome()[0]], ids=lambda f: f.name)
def test_document_of_each_supported_schema_survives_writing_and_reading(feature: XsdFeature) -> None:
    contract = feature.contract()
    sample = contract.sample(xsd.ELEMENT)
    written = contract.encoder(xsd.ELEMENT).encode(sample)
    contract.validate(written)
    read = contract.decoder(xsd.ELEMENT).decode(written)
    assert contract.encoder(xsd.ELEMENT).encode(read) == written


@pytest.mark.parametrize(
    "heading_and_name",
    [
        ("XML Schema 1.0", "mixed content"),
        ("XML Schema 1.0", "include that is not there"),
        ("Encodings of XML: contract files and replies", "Content-Type and XML declaration that contradict"),
        ("OpenAPI", "Swagger 2.0"),
        ("OpenAPI", "$ref to an address"),
        ("Dialects, in adapter.yaml", "encrypted Body, AES-CBC"),
        ("Dialects, in adapter.yaml", "encrypted Body, RSA 1.5"),
        ("Dialects, in adapter.yaml", "signature with SHA-1"),
    ],
)
def test_what_would_be_unsafe_or_would_lose_data_is_refused(heading_and_name: tuple[str, str]) -> None:
    heading, name = heading_and_name
    (feature,) = [feature for feature in tables()[heading] if feature.name == name]
    assert not feature.outcome()[0]
