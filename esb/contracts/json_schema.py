"""JSON Schema (2020-12) compiled, with violations told as a pointer and a reason that quote no value.

Called for routes' requests and for contracts in JSON. The validator's own sentences are not passed on: they quote the
instance, and what is in it may be personal.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from esb.errors import ContractUnsupported, ContractViolation, Rule

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

_RULES = {
    "required": Rule.REQUIRED,
    "additionalProperties": Rule.UNKNOWN,
    "unevaluatedProperties": Rule.UNKNOWN,
    "falseSchema": Rule.UNKNOWN,
    "propertyNames": Rule.UNKNOWN,
    "type": Rule.TYPE,
    "enum": Rule.CHOICE,
    "const": Rule.CHOICE,
    "pattern": Rule.FORM,
    "format": Rule.FORM,
    "minLength": Rule.TOO_SHORT,
    "maxLength": Rule.TOO_LONG,
    "minimum": Rule.TOO_SMALL,
    "exclusiveMinimum": Rule.TOO_SMALL,
    "maximum": Rule.TOO_LARGE,
    "exclusiveMaximum": Rule.TOO_LARGE,
    "multipleOf": Rule.DIGITS,
    "minItems": Rule.TOO_FEW,
    "minProperties": Rule.TOO_FEW,
    "maxItems": Rule.TOO_MANY,
    "maxProperties": Rule.TOO_MANY,
    "uniqueItems": Rule.TWICE,
}
_COMPARISONS = {"minimum": "≥ ", "exclusiveMinimum": "> ", "maximum": "≤ ", "exclusiveMaximum": "< "}


class JsonValidator:
    """One schema, compiled. Safe for concurrent use."""

    def __init__(self, schema: Mapping[str, Any], *, formats: bool = False) -> None:
        """`schema`: draft 2020-12, with local references only. `formats`: a wrong `date` is a violation too.

        Raises:
            ContractUnsupported: it is not a schema, or refers to something outside.
        """
        try:
            self._compiled = jsonschema_rs.Draft202012Validator(
                dict(schema), retriever=_refuse, validate_formats=formats, formats=_FORMATS if formats else None
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            raise ContractUnsupported(f"a schema cannot be compiled: {_said(error)}") from error

    def validate(self, instance: Any) -> None:
        """Return when the instance fits.

        Raises:
            ContractViolation: the first thing that does not fit; `path` is a JSON pointer to it.
        """
        if self._compiled.is_valid(instance):
            return
        for error in self._compiled.iter_errors(instance):
            raise violation_of(error)

    def findings(self, instance: Any) -> tuple[str, ...]:
        """What a lax reader forgives, each as `pointer: reason`: unknown fields and values, missing ones, bounds.

        Raises:
            ContractViolation: something cannot be forgiven: a value of another type, or no alternative that fits.
        """
        if self._compiled.is_valid(instance):
            return ()
        violations = []
        for error in self._compiled.iter_errors(instance):
            if not _forgivable(error):
                raise violation_of(error)
            violations += _each(error)
        return tuple(f"{violation.path or '/'}: {violation.reason}" for violation in violations[:_MAX_FINDINGS])


_MAX_FINDINGS = 20
_UNKNOWN = frozenset({"additionalProperties", "unevaluatedProperties"})
_FORGIVEN = frozenset(
    {"additionalProperties", "const", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "maxItems", "maxLength"}
    | {"maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern"}
    | {"propertyNames", "required", "unevaluatedItems", "unevaluatedProperties", "uniqueItems"}
)


def _forgivable(error: jsonschema_rs.ValidationError) -> bool:
    """Alternatives are forgiven when one of them is, or when several fit."""
    if error.kind.name in {"anyOf", "oneOf"}:
        branches = error.kind.as_dict().get("context") or []
        return any(all(_forgivable(inner) for inner in branch) for branch in branches)
    return error.kind.name in _FORGIVEN


def _each(error: jsonschema_rs.ValidationError) -> list[ContractViolation]:
    """One violation for each unknown field, since each is data that nobody described."""
    names = error.kind.as_dict().get("unexpected", ()) if error.kind.name in _UNKNOWN else ()
    if not names:
        return [violation_of(error)]
    place = [*error.instance_path]
    return [ContractViolation("is not a known field", path=_pointer([*place, name])) for name in names]


def _said(error: Exception) -> str:
    """The library's sentence; a schema holds nothing personal."""
    return str(getattr(error, "message", "") or error).partition("\n")[0][:200]


def _is_decimal(text: str) -> bool:
    return _DECIMAL.fullmatch(text) is not None


def _is_base64(text: str) -> bool:
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        return not text
    return True


_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", re.ASCII)
_FORMATS = {"decimal": _is_decimal, "byte": _is_base64}
"""Formats of OpenAPI's registry that the library does not know."""


def _refuse(uri: str) -> Any:
    message = f"{uri} is outside the schema"
    raise ValueError(message)


def violation_of(error: jsonschema_rs.ValidationError) -> ContractViolation:
    """One of the library's errors as a pointer and a reason."""
    error = _innermost(error)
    steps = [*error.instance_path, *_named_field(error)]
    rule = _RULES.get(error.kind.name)
    return ContractViolation(_reason(error), path=_pointer(steps) or None, rule=rule, limit=_limit(error))


def _pointer(steps: list[Any]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


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
    return details["unexpected"][:1] if error.kind.name in _UNKNOWN else []


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


def _limit(error: jsonschema_rs.ValidationError) -> str | None:
    """What the schema allows, for the sentence that the caller reads."""
    keyword, details = error.kind.name, error.kind.as_dict()
    if keyword == "type":
        return " | ".join(details["types"])
    if keyword == "enum":
        return ", ".join("null" if option is None else str(option) for option in details["options"])
    told = next(
        (details[name] for name in ("limit", "pattern", "format", "multiple_of", "expected_value") if name in details),
        None,
    )
    return None if told is None else _COMPARISONS.get(keyword, "") + str(told)
