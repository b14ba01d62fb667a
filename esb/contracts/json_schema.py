"""JSON Schema (2020-12) compiled, with violations told as a pointer and a reason that quote no value.

Called for routes' requests and for contracts in JSON. The validator's own sentences are not passed on: they quote the
instance, and what is in it may be personal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from esb.errors import ContractViolation

_REASONS = {
    "minLength": "is too short",
    "maxLength": "is too long",
    "pattern": "does not have the required form",
    "format": "does not have the required form",
    "minimum": "is too small",
    "exclusiveMinimum": "is too small",
    "maximum": "is too large",
    "exclusiveMaximum": "is too large",
    "multipleOf": "has too many digits",
    "minItems": "has too few items",
    "maxItems": "has too many items",
    "uniqueItems": "holds the same item twice",
    "minProperties": "has too few fields",
    "maxProperties": "has too many fields",
    "propertyNames": "has a field whose name is not allowed",
    "const": "is not the one allowed value",
}


class JsonValidator:
    """One schema, compiled. Safe for concurrent use."""

    def __init__(self, schema: Mapping[str, Any], *, formats: bool = False) -> None:
        """`schema`: draft 2020-12, with local references only. `formats`: a wrong `date` is a violation too."""
        self._compiled = jsonschema_rs.Draft202012Validator(dict(schema), retriever=_refuse, validate_formats=formats)

    def validate(self, instance: Any) -> None:
        """Return when the instance fits.

        Raises:
            ContractViolation: the first thing that does not fit; `path` is a JSON pointer to it.
        """
        if self._compiled.is_valid(instance):
            return
        for error in self._compiled.iter_errors(instance):
            raise _violation(error)


def _refuse(uri: str) -> Any:
    message = f"{uri} is outside the schema"
    raise ValueError(message)


def _violation(error: jsonschema_rs.ValidationError) -> ContractViolation:
    error = _innermost(error)
    steps = [*error.instance_path, *_named_field(error)]
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return ContractViolation(_reason(error), path=pointer or None)


def _innermost(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """Of alternatives that all failed, the error of the one that came furthest: that is the one that was meant."""
    context = error.kind.as_dict().get("context")
    if not context:
        return error
    failures = [inner for branch in context for inner in branch]
    deepest = max(failures, key=lambda inner: len(inner.instance_path), default=error)
    return _innermost(deepest) if len(deepest.instance_path) > len(error.instance_path) else error


def _named_field(error: jsonschema_rs.ValidationError) -> list[str]:
    details = error.kind.as_dict()
    if error.kind.name == "required":
        return [details["property"]]
    return details["unexpected"][:1] if error.kind.name == "additionalProperties" else []


def _reason(error: jsonschema_rs.ValidationError) -> str:
    keyword, details = error.kind.name, error.kind.as_dict()
    if keyword == "required":
        return "is required"
    if keyword in {"additionalProperties", "unevaluatedProperties", "falseSchema"}:
        return "is not a known field"
    if keyword == "type":
        return f"must be of type {' or '.join(details['types'])}"
    if keyword == "enum":
        return f"is not one of {', '.join(str(option) for option in details['options'])}"
    return _REASONS.get(keyword, "does not fit the schema")
