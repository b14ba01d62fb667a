"""Values that operators set over what an agency's manifest says; a new version of the manifest keeps them.

Declared by the fields of `adapter.yaml` themselves: the same forms, limits and messages. Applied when the registry
loads, to checked-in and registered adapters alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from adapters import manifest as manifests
from adapters.manifest import Manifest
from adapters.manifest_fields import FIELDS
from esb.errors import RegistrationRefused
from esb.routes import document, fields
from esb.routes.fields import Field, Fields, nearest

SECTIONS: Final = ("endpoint", "limits", "breaker")
"""Records of the manifest whose fields may be set one by one."""

WHOLE: Final = ("maintenance",)
"""Fields that are set as a whole."""


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """One setting, checked. `value` is plain JSON."""

    name: str
    value: Any


def names() -> Sequence[str]:
    """Everything that may be set."""
    return tuple(_settable())


def read(words: Sequence[str]) -> tuple[Value, ...]:
    """`limits.rate_per_s=50`, each value written as in `adapter.yaml`.

    Raises:
        RegistrationRefused: an unknown name (with the likely one) or a value that the manifest would not take either.
    """
    return tuple(_read(*word.partition("=")) for word in words)


def _read(name: str, separator: str, text: str) -> Value:
    field = _settable().get(name)
    if field is None:
        near = nearest(name, names())
        hint = f" (did you mean {near!r}?)" if near else f"; there are: {', '.join(names())}"
        raise RegistrationRefused(f"{name!r} is not a value that operators set{hint}")
    if not separator or not text:
        raise RegistrationRefused(f"{name}: write NAME=VALUE")
    written = document.parse(f"value: {text}\n", file=name)
    findings = written.findings
    value: Any = None
    if written.root is not None:
        own = msgspec.structs.replace(field, name="value", required=True)
        values, found = fields.read(written.root, (own,), name)
        findings, value = (*findings, *found), values["value"]
    if findings:
        told = findings[0].message.replace("value", name, 1)
        raise RegistrationRefused(told if name in told else f"{name}: {told}")
    if name == "maintenance" and any(window["from"] >= window["to"] for window in value):
        raise RegistrationRefused("maintenance: a window ends before it begins; write one that passes midnight as two")
    plain = msgspec.to_builtins(value)
    return Value(name=name, value=list(plain) if isinstance(plain, tuple) else plain)


def applied(manifest: Manifest, overlay: Mapping[str, Any]) -> Manifest:
    """The manifest with these plain values in it, by name."""
    changes: dict[str, Any] = {}
    for section in SECTIONS:
        own = {name.partition(".")[2]: value for name, value in overlay.items() if name.startswith(f"{section}.")}
        if own:
            changes[section] = _merged(getattr(manifest, section), own)
    if "maintenance" in overlay:
        changes["maintenance"] = manifests.windows(overlay["maintenance"])
    return msgspec.structs.replace(manifest, **changes)


def _merged(section: Any, own: Mapping[str, Any]) -> Any:
    return {**section, **own} if isinstance(section, Mapping) else msgspec.structs.replace(section, **own)


def _settable() -> dict[str, Field]:
    by_name = {field.name: field for field in FIELDS}
    parts = {f"{section}.{field.name}": field for section in SECTIONS for field in _fields_of(by_name[section])}
    return {**parts, **{name: by_name[name] for name in WHOLE}}


def _fields_of(section: Field) -> Fields:
    return section.fields
