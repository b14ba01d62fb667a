"""Whether a document keeps to OpenAPI itself: the published meta-schemas, and a second opinion of the library.

Called at load and by lint. `openapi-spec-validator` carries the meta-schemas; they are read off its files, because to
import it costs every worker 18 MB and brings an HTTP client along.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from esb.contracts.json_schema import violation_of
from esb.contracts.openapi_files import OpenApiFiles, Place
from esb.errors import ConfigurationError, ContractUnsupported

_LIBRARY: Final = "openapi_spec_validator"
_PROTOCOL: Final = "bundle"
_MAX_SENTENCE: Final = 300


def version_of(root: Place, files: OpenApiFiles) -> str:
    """`3.0` or `3.1`. Raises ContractUnsupported, with advice, for any other document."""
    value = root.value
    if not isinstance(value, dict):
        raise ContractUnsupported(f"{root.file} is not an OpenAPI document: its root is not an object")
    if "swagger" in value:
        advice = "convert it to OpenAPI 3.0 (swagger2openapi, or the editor's Convert to OpenAPI 3)"
        raise files.refusal(root.child("swagger"), f"Swagger {value['swagger']} is not read; {advice}")
    said = str(value.get("openapi", ""))
    for version in ("3.0", "3.1"):
        if said == version or said.startswith(f"{version}."):
            return version
    if not said:
        raise ContractUnsupported(f"{root.file} is not an OpenAPI document: it has no field `openapi`")
    raise files.refusal(root.child("openapi"), f"OpenAPI {said} is not read; write it as 3.0 or 3.1")


def require_valid(root: Place, version: str, files: OpenApiFiles) -> None:
    """Return when the document keeps to the meta-schema of its version. Raises ContractUnsupported."""
    validator = _meta_validator(version)
    if validator.is_valid(root.value):
        return
    for error in validator.iter_errors(root.value):
        violation = violation_of(error)
        steps = [step.replace("~1", "/").replace("~0", "~") for step in (violation.path or "").split("/")[1:]]
        raise files.refusal(root.child(*steps), f"not OpenAPI {version}: {violation.reason}")


def library_opinion(bundle: Mapping[str, bytes], entry: str) -> str | None:
    """What the library has against the document, None when nothing. For lint; slow, and nothing is fetched.

    Raises:
        ContractUnsupported: the document cannot be read.
    """
    # Only lint and tests pay for it.
    from jsonschema_path import SchemaPath  # noqa: PLC0415
    from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    files = OpenApiFiles(bundle)
    root = files.root(entry)
    kind = {"3.0": OpenAPIV30SpecValidator, "3.1": OpenAPIV31SpecValidator}[version_of(root, files)]

    path = SchemaPath.from_dict(root.value, base_uri=f"{_PROTOCOL}:///{entry}", handlers=_BundleAlone(files))
    try:
        for error in kind(path).iter_errors():
            return str(getattr(error, "message", error)).partition("\n")[0][:_MAX_SENTENCE]
    except (ConfigurationError, LookupError, TypeError, Unresolvable, ValueError, RecursionError) as error:
        return str(error).partition("\n")[0][:_MAX_SENTENCE] or type(error).__name__
    return None


class _BundleAlone(dict[str, Callable[[str], Any]]):
    """Answers for every protocol there is: one that is not among its handlers the library opens by itself."""

    def __init__(self, files: OpenApiFiles) -> None:
        super().__init__()
        self._files = files

    def __contains__(self, scheme: object) -> bool:
        return True

    def __getitem__(self, scheme: str) -> Callable[[str], Any]:
        return self._served if scheme == _PROTOCOL else _refuse

    def _served(self, address: str) -> Any:
        return self._files.root(address.removeprefix(f"{_PROTOCOL}:///")).value


@functools.cache
def _meta_validator(version: str) -> Any:
    found = importlib.util.find_spec(_LIBRARY)
    if found is None or found.origin is None:
        raise ConfigurationError(f"{_LIBRARY} is not installed")
    file = Path(found.origin).parent / "resources" / "schemas" / f"v{version}" / "schema.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    kind = {"3.0": jsonschema_rs.Draft4Validator, "3.1": jsonschema_rs.Draft202012Validator}[version]
    return kind(schema, retriever=_refuse)


def _refuse(address: str) -> Any:
    message = f"{address} is outside of the contract's files"
    raise ValueError(message)
