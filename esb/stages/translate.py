"""The portal's question becomes the agency's document, valid under the agency's contract, or nothing does."""

from __future__ import annotations

import msgspec

from esb.errors import RequestInvalid, RequestUnencodable
from esb.ports import AgencyOperation
from esb.routes.table import CallRoute
from esb.stages.validate import Valid


class Translated(msgspec.Struct, frozen=True, kw_only=True):
    """A document that the agency's contract accepts, and the operation it is for."""

    valid: Valid
    route: CallRoute
    operation: AgencyOperation
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
    return Translated(valid=valid, route=route, operation=route.operation, document=document)


def ask_for_answer(valid: Valid, route: CallRoute, look: AgencyOperation, *, key: str) -> Translated:
    """The document that asks for the answer to a question that the agency accepted earlier, as `key`.

    Raises:
        RequestUnencodable: the agency's own key does not fit its contract.
    """
    return Translated(valid=valid, route=route, operation=look, document=look.encode({"key": key}))
