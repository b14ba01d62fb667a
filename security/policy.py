"""Who may ask what: grants of caller × route × purpose. What no grant names is denied.

Made by the route compiler from `routes.yaml`, asked once per request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

ANY_BELOW = ".*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """`route` is a route id, or `prefix.*` for every route whose id begins with `prefix.`; no purposes means any."""

    caller: str
    route: str
    purposes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for a `*` anywhere but in a last place of its own."""
        stem = self.route.removesuffix(ANY_BELOW)
        if not stem or "*" in stem:
            raise ValueError(f"route pattern {self.route!r} must be a route id or end in `.*`")


@dataclass(frozen=True, slots=True)
class GrantTable:
    """All grants, compiled to look-ups by caller and pattern. Immutable."""

    grants: tuple[Grant, ...] = ()
    # caller → pattern → purposes; None stands for any purpose.
    _purposes: dict[str, dict[str, frozenset[str] | None]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the look-ups."""
        object.__setattr__(self, "_purposes", _compile(self.grants))

    def permits(self, caller: str, route: str, purpose: str | None) -> bool:
        """Whether some grant of `caller` names this route for this purpose."""
        patterns = self._purposes.get(caller)
        if patterns is None:
            return False
        for pattern in _patterns_for(route):
            if pattern in patterns:
                purposes = patterns[pattern]
                if purposes is None or purpose in purposes:
                    return True
        return False

    def permits_any(self, caller: str, route: str) -> bool:
        """Whether some grant of `caller` names this route, whatever its purposes."""
        patterns = self._purposes.get(caller)
        return patterns is not None and any(pattern in patterns for pattern in _patterns_for(route))

    def routes_of(self, caller: str, routes: Iterable[str]) -> Sequence[str]:
        """Those of `routes` that `caller` may ask for at least one purpose, in the order given."""
        return [route for route in routes if self.permits_any(caller, route)]


def _compile(grants: Iterable[Grant]) -> dict[str, dict[str, frozenset[str] | None]]:
    table: dict[str, dict[str, frozenset[str] | None]] = {}
    for grant in grants:
        patterns = table.setdefault(grant.caller, {})
        earlier = patterns.get(grant.route, frozenset())
        # Two grants of one pattern add up; one without purposes is the wider.
        widest = earlier is None or not grant.purposes
        patterns[grant.route] = None if widest else (earlier or frozenset()) | frozenset(grant.purposes)
    return table


def _patterns_for(route: str) -> Iterable[str]:
    yield route
    end = route.rfind(".")
    while end > 0:
        yield route[:end] + ANY_BELOW
        end = route.rfind(".", 0, end)
