"""References of an OpenAPI contract, followed inside of its bundle and nowhere else.

Called at load by the OpenAPI modules. A reference names a place in the same file or in another file of the bundle;
an address of any other kind is refused, whatever lies there.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from esb.contracts.openapi_files import OpenApiFiles, Place, beside
from esb.errors import ContractUnsupported

REFERENCE = "$ref"


class References:
    """Follows references from one entry file."""

    def __init__(self, files: OpenApiFiles) -> None:
        """`files`: the bundle."""
        self._files = files

    def resolved(self, place: Place) -> Place:
        """The object itself, or the one that it refers to in the end.

        Raises:
            ContractUnsupported: it leads out of the bundle, to nothing, in a circle, or not to an object.
        """
        seen = {place.address}
        while isinstance(place.value, dict) and REFERENCE in place.value:
            target = self.target(place)
            if target.address in seen:
                raise self.refusal(place, "the reference leads back to itself")
            seen.add(target.address)
            place = target
        if not isinstance(place.value, dict):
            raise self.refusal(place, f"an object is expected, not {_kind(place.value)}")
        return place

    def target(self, place: Place) -> Place:
        """What the `$ref` of an object names. Raises ContractUnsupported."""
        written = place.value[REFERENCE]
        if not isinstance(written, str):
            raise self.refusal(place, "$ref is not text")
        return self.named(place, written)

    def named(self, place: Place, written: str) -> Place:
        """What a reference means that stands at `place`. Raises ContractUnsupported."""
        location, _, fragment = written.partition("#")
        file = self._file(place, unquote(location)) if location else place.file
        if fragment and not fragment.startswith("/"):
            raise self.refusal(place, f"{written}: only references by pointer (#/…) are followed")
        steps = tuple(unquote(step).replace("~1", "/").replace("~0", "~") for step in fragment.split("/")[1:])
        target = self._files.root(file).child(*steps)
        if target.value is None:
            raise self.refusal(place, f"it refers to {written}, which does not exist")
        return target

    def refusal(self, place: Place, reason: str) -> ContractUnsupported:
        """The error that names file, line and pointer."""
        return self._files.refusal(place, reason)

    def _file(self, place: Place, location: str) -> str:
        if ":" in location or location.startswith(("/", "\\")):
            reason = f"it refers to {location}, which is outside of the contract's files; put a copy beside them"
            raise self.refusal(place, reason)
        file = beside(place.file, location)
        if file not in self._files:
            raise self.refusal(place, f"it refers to {location}: add the file {file} to the contract")
        return file


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
