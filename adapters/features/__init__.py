"""What a contract and a manifest may say: each thing as a few lines that are really compiled.

`esb documents` makes the table of docs/reference/contract-features.md of it, so that what the table promises is what
the code does, in the words in which an agency's team would be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.features import encodings, manifest, openapi, xsd
from adapters.wsdl import features as wsdl
from esb.contracts.feature import Feature

__all__ = ["tables"]


def tables() -> Mapping[str, Sequence[Feature]]:
    """The features by heading, in the order of the document."""
    return {
        "WSDL 1.1": wsdl.FEATURES,
        "XML Schema 1.0": xsd.FEATURES,
        "Encodings of XML: contract files and replies": encodings.FEATURES,
        "OpenAPI": openapi.FEATURES,
        "Dialects, in adapter.yaml": manifest.FEATURES,
    }
