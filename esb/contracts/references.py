"""References inside of one OpenAPI document, written out where they are used.

Called at load by `json_contract`, so that a path through a schema can be followed without references. A schema that
contains itself cannot be written out and is refused; a reference to another file or address likewise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from esb.errors import ContractUnsupported

_NOTES = frozenset({"title", "description", "summary", "example", "examples", "default", "deprecated"})
_DATA = frozenset({"enum", "const", "default", "example", "examples"})


class References:
    """The reference targets of one document."""

    def __init__(self, document: Mapping[str, Any], file: str) -> None:
        self._document = document
        self._file = file

    def resolved(self, node: Any) -> Mapping[str, Any]:
        """The object itself, or the one that it refers to. Raises ContractUnsupported."""
        seen: set[str] = set()
        while isinstance(node, Mapping) and "$ref" in node:
            address = str(node["$ref"])
            if address in seen:
                raise ContractUnsupported(f"{self._file}: {address} refers to itself")
            seen.add(address)
            node = self._target(address)
        if not isinstance(node, Mapping):
            raise ContractUnsupported(f"{self._file}: an object is expected where {type(node).__name__} stands")
        return node

    def inlined(self, schema: Any, above: tuple[str, ...] = ()) -> Any:
        """A schema with every reference replaced by what it refers to. Raises ContractUnsupported."""
        if isinstance(schema, list):
            return [self.inlined(part, above) for part in schema]
        if not isinstance(schema, Mapping):
            return schema
        own = {
            str(key): value if key in _DATA and not isinstance(value, Mapping) else self.inlined(value, above)
            for key, value in schema.items()
            if key != "$ref"
        }
        if "$ref" not in schema:
            return own
        address = str(schema["$ref"])
        if address in above:
            raise ContractUnsupported(f"{self._file}: {address} contains itself, which has no finite form")
        target = self.inlined(self._target(address), (*above, address))
        # Beside a reference, notes replace those of the target; rules apply in addition (JSON Schema core, 8.2.3.1).
        return {**target, **own} if own.keys() <= _NOTES else {"allOf": [target], **own}

    def _target(self, address: str) -> Any:
        if not address.startswith("#/"):
            raise ContractUnsupported(f"{self._file} refers to {address}, which is outside of the document")
        node: Any = self._document
        for step in address[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, Mapping) or name not in node:
                raise ContractUnsupported(f"{self._file} refers to {address}, which does not exist")
            node = node[name]
        return node
