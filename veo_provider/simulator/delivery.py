# SPDX-License-Identifier: Apache-2.0
"""Sends an answer: whole, drop by drop, or broken off in one of the ways a network has."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web

from veo_provider.simulator.dialects import json_bytes

_DRIPS = 20


@dataclasses.dataclass(frozen=True)
class Answer:
    """
    An answer that is yet to be sent.

    :param status: HTTP status.
    :param headers: its headers, ``Content-Type`` among them.
    :param body: all of it, or a function that yields it.
    :param length: size of a yielded body.
    """

    status: int
    headers: dict[str, str]
    body: bytes | Callable[[], Iterator[bytes]] = b""
    length: int = 0

    @property
    def size(self) -> int:
        """Size of the body in bytes."""
        return len(self.body) if isinstance(self.body, bytes) else self.length

    def chunks(self) -> Iterator[bytes]:
        """Yield the body."""
        if isinstance(self.body, bytes):
            yield self.body
        else:
            yield from self.body()


JSON_TYPE = {"Content-Type": "application/json; charset=utf-8"}


def json_answer(body: Any, status: int = 200) -> Answer:
    """
    Return a JSON value as an answer.

    :param body: the value.
    :param status: HTTP status.
    """
    return Answer(status, JSON_TYPE, json_bytes(body))


@dataclasses.dataclass(frozen=True)
class Break:
    """
    How an answer breaks off.

    :param after: bytes of the body that still arrive; None means half of them.
    :param seconds: how long the connection is silent then.
    :param reset: end it with a reset instead of an orderly close.
    """

    after: int | None = None
    seconds: float = 0.0
    reset: bool = False


Sent = Callable[[int], None]


async def deliver(
    request: web.Request,
    answer: Answer,
    *,
    end: Break | None = None,
    drip_seconds: float = 0.0,
    sent: Sent = lambda count: None,
) -> web.StreamResponse:
    """
    Send an answer.

    :param request: what it answers.
    :param answer: what to send.
    :param end: how it breaks off, if it does.
    :param drip_seconds: spread it over this time.
    :param sent: told about every part of the body that was sent.
    """
    if isinstance(answer.body, bytes) and end is None and not drip_seconds:
        sent(len(answer.body))
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = answer.size
    left = answer.size
    if end is not None:
        left = min(answer.size, answer.size // 2 if end.after is None else end.after)
    piece = max(1, answer.size // _DRIPS) if drip_seconds else 0
    try:
        await response.prepare(request)
        for chunk in answer.chunks():
            for part in _pieces(chunk[:left], piece):
                if drip_seconds:
                    await asyncio.sleep(drip_seconds / _DRIPS)
                await response.write(part)
                sent(len(part))
                left -= len(part)
            if left <= 0:
                break
    except ConnectionError:
        return response  # The client has hung up, which is its good right.
    if end is not None:
        await asyncio.sleep(end.seconds)
        await hang_up(request, reset=end.reset)
    return response


def _pieces(chunk: bytes, size: int) -> Iterator[bytes]:
    if not size:
        yield chunk
        return
    for start in range(0, len(chunk), size):
        yield chunk[start : start + size]


async def hang_up(request: web.Request, *, reset: bool) -> web.StreamResponse:
    """
    End the connection without a (further) byte.

    :param request: whose connection.
    :param reset: with a reset instead of an orderly close.
    """
    transport = request.transport
    if transport is not None and reset:
        for _ in range(100):  # A reset would drop what still waits here to be sent.
            if not getattr(transport, "get_write_buffer_size", lambda: 0)():
                break
            await asyncio.sleep(0.01)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    elif transport is not None:
        transport.close()
    return web.Response()
