# SPDX-License-Identifier: Apache-2.0
"""The calls no gateway has: read the ledger, inject faults, start over."""

from __future__ import annotations

import dataclasses
from typing import Any

from aiohttp import web

from veo_provider.simulator.faults import FaultError, read_faults
from veo_provider.simulator.gateway import Gateway


def add_routes(router: web.UrlDispatcher, gateway: Gateway) -> None:
    """
    Add the control calls to the API origin.

    :param router: of the API's application.
    :param gateway: what they look at and change.
    """

    def remaining() -> list[dict[str, Any]]:
        return [dataclasses.asdict(fault) for fault in gateway.faults.faults]

    async def ledger(request: web.Request) -> web.Response:
        return web.json_response(gateway.ledger.report())

    async def list_faults(request: web.Request) -> web.Response:
        return web.json_response(remaining())

    async def add_faults(request: web.Request) -> web.Response:
        try:
            faults = read_faults(await request.json())
        except ValueError as error:
            kind = "fault" if isinstance(error, FaultError) else "JSON"
            return web.json_response({"error": f"bad {kind}: {error}"}, status=400)
        gateway.faults.faults.extend(faults)
        return web.json_response(remaining())

    async def clear_faults(request: web.Request) -> web.Response:
        gateway.faults.faults.clear()
        return web.json_response([])

    async def reset(request: web.Request) -> web.Response:
        gateway.reset()
        return web.json_response({})

    router.add_get("/__ledger", ledger, allow_head=False)
    router.add_get("/__faults", list_faults, allow_head=False)
    router.add_post("/__faults", add_faults)
    router.add_delete("/__faults", clear_faults)
    router.add_post("/__reset", reset)
