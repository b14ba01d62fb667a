"""The portal's question becomes the agency's document, valid under the agency's contract, or nothing does."""

from __future__ import annotations

import msgspec

from esb.errors import RequestInvalid, RequestUnencodable
from esb.routes.table import CallRoute
from esb.stages.validate import Valid


class Translated(msgspec.Struct, frozen=True, kw_only=True):
    """A document that the agency's contract accepts."""

    valid: Valid
    route: CallRoute
    document: bytes


def translate(valid: Valid, route: CallRoute) -> Translated:
    """`route` is the asked route itself, or a member of the gather that was asked.

    Raises:
        RequestInvalid: the contract refuses a value that the caller gave; `path` points into the request.
        RequestUnencodable: the contract refuses a value that the route's mapping made up.
    """
    try:
        document = route.operation.encode(route.build_request(valid.document))
    except RequestUnencodable as error:
        pointer = route.pointer_of(error.path or "")
        if pointer is None:
            raise
        raise RequestInvalid(error.reason, path=pointer) from error
    return Translated(valid=valid, route=route, document=document)
