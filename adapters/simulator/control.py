"""The control endpoint of a simulated agency: switch behaviours, read counts. JSON over loopback HTTP.

Asked by tests, the demo and agency teams with curl. Only listens when the simulator was started with control, on a
port of its own, so that it answers while the agency refuses connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from adapters.simulator.behaviours import parse
from esb.errors import SettingInvalid

if TYPE_CHECKING:
    from adapters.simulator.server import Simulator


class _Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /_control/behaviours`: behaviours as on the command line."""

    behaviours: tuple[str, ...]


def application(simulator: Simulator) -> web.Application:
    """The endpoint for one simulated agency.

    `GET /_control` tells behaviours and counts; `POST /_control/behaviours` adds; `DELETE /_control/behaviours`
    switches all off; `DELETE /_control/calls` counts from nought again; `DELETE /_control/tokens` revokes what the
    token endpoint granted. Every answer is the state after it.
    """

    async def show(_: web.Request) -> web.Response:
        return _state(simulator)

    async def add(request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read(), type=_Wanted)
            await simulator.behave([parse(text) for text in wanted.behaviours])
        except (msgspec.MsgspecError, SettingInvalid) as error:
            return _json({"error": str(error)}, status=400)
        return _state(simulator)

    async def clear(_: web.Request) -> web.Response:
        await simulator.behave_well()
        return _state(simulator)

    async def forget(_: web.Request) -> web.Response:
        simulator.forget_calls()
        return _state(simulator)

    async def revoke(_: web.Request) -> web.Response:
        if simulator.entrance is None:
            return _json({"error": f"{simulator.agency} asks for no credentials"}, status=404)
        simulator.entrance.revoke_tokens()
        return _state(simulator)

    endpoint = web.Application(client_max_size=64 * 1024)
    endpoint.router.add_get("/_control", show)
    endpoint.router.add_post("/_control/behaviours", add)
    endpoint.router.add_delete("/_control/behaviours", clear)
    endpoint.router.add_delete("/_control/calls", forget)
    endpoint.router.add_delete("/_control/tokens", revoke)
    return endpoint


def _state(simulator: Simulator) -> web.Response:
    calls: dict[str, dict[str, int]] = {}
    for (operation, key), count in simulator.calls.items():
        calls.setdefault(operation, {})[key] = count
    state: dict[str, object] = {
        "agency": simulator.agency,
        "behaviours": simulator.behaviours,
        "calls": calls,
        "refusals": dict(simulator.refusals),
    }
    if simulator.entrance is not None:
        state["entrance"] = {"granted": simulator.entrance.granted, "refused": simulator.entrance.refused}
    return _json(state)


def _json(content: object, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(content), content_type="application/json")
