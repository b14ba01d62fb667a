"""Whether zeep, the client library that most Python teams would take, can read a WSDL.

Called by `esb adapters lint` for a hint, and by tests as an oracle; nothing at run time needs it. zeep is given the
files of the bundle and no network.
"""

from __future__ import annotations

import posixpath
import warnings
from collections.abc import Mapping
from typing import Any

import zeep
import zeep.exceptions
import zeep.wsdl
from lxml import etree

# zeep joins relative addresses only under a scheme that it knows; nothing ever opens a file of this name.
_ROOT = "file:///contract/"
_BROKEN = (
    zeep.exceptions.Error,
    etree.LxmlError,
    UserWarning,
    LookupError,
    AttributeError,
    TypeError,
    ValueError,
    AssertionError,
    RecursionError,
)
"""What zeep lets through for a WSDL that it cannot read; it has an error of its own for few of the ways."""


def zeep_opinion(bundle: Mapping[str, bytes], entry: str) -> str | None:
    """None when zeep reads the WSDL with all its operations, else what it says."""
    try:
        zeep_document(bundle, entry)
    except _BROKEN as error:
        return f"{type(error).__name__}: {error}"
    return None


def zeep_document(bundle: Mapping[str, bytes], entry: str) -> Any:
    """The reading of zeep itself. Raises whatever zeep raises."""
    settings = zeep.Settings(strict=True, forbid_dtd=True, forbid_entities=True, forbid_external=False)
    with warnings.catch_warnings():
        # zeep drops an operation that it cannot resolve and only warns.
        warnings.simplefilter("error", UserWarning)
        transport: Any = _BundleTransport(bundle)
        return zeep.wsdl.Document(_ROOT + entry, transport, settings=settings)


class _BundleTransport:
    """What zeep asks for files; it has nothing else to offer."""

    def __init__(self, bundle: Mapping[str, bytes]) -> None:
        self._bundle = bundle

    def load(self, url: str) -> bytes:
        """The file at a bundle address, or one of that name."""
        name = posixpath.normpath(url.removeprefix(_ROOT))
        if name not in self._bundle:
            raise LookupError(f"{url} is not among the contract's files")
        return self._bundle[name]
