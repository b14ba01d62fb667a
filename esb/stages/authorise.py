"""May this caller ask this route, for this purpose: the second step. Denies by default."""

from __future__ import annotations

import msgspec

from esb.errors import NotPermitted, RouteUnknown
from esb.model import JsonObject, RouteId
from esb.routes.table import CallRoute, Route, RouteTable
from esb.stages.authenticate import Identified


class Authorised(msgspec.Struct, frozen=True, kw_only=True):
    """A caller that holds a grant for this route; whether for this purpose is `require_purpose`'s to say."""

    identified: Identified
    route: Route
    table: RouteTable


def authorise(identified: Identified, *, table: RouteTable, route_id: str) -> Authorised:
    """The route, when the caller may ask it at all.

    Raises:
        RouteUnknown: there is no such route.
        NotPermitted: the caller holds no grant for it.
    """
    route = table.routes.get(RouteId(route_id))
    if route is None:
        raise RouteUnknown("no such route")
    if not table.grants.permits_any(identified.caller, route.id):
        raise NotPermitted("no grant for this route")
    return Authorised(identified=identified, route=route, table=table)


def for_version(authorised: Authorised, *, message_id: str, document: JsonObject) -> Authorised:
    """The same, for the contract version of the agency that this question goes to; a gather's parts choose later.

    Raises:
        PilotOnly: the agency's service is piloted with others.
    """
    route = authorised.route
    if not isinstance(route, CallRoute) or route.rollout is None:
        return authorised
    chosen = route.version_for(authorised.identified.caller, message_id, document)
    return msgspec.structs.replace(authorised, route=chosen)


def require_purpose(authorised: Authorised, purpose: str | None) -> None:
    """Return when a grant covers this purpose.

    Raises:
        NotPermitted: the caller's grants for this route name other purposes.
    """
    if not authorised.table.grants.permits(authorised.identified.caller, authorised.route.id, purpose):
        raise NotPermitted("no grant for this purpose", path="/purpose")
