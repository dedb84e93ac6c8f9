# SPDX-License-Identifier: Apache-2.0
"""A server that answers with exactly the bytes that a test gives, or with none, over a real socket."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reply:
    """
    One answer.

    :param status: HTTP status.
    :param body: bytes, or an object to encode as JSON.
    :param headers: further headers.
    :param cut: send only so many bytes of the body, then close.
    :param length: say how long the body is; without, its end is the connection's.
    :param reset: reset the connection instead of answering.
    :param stall: seconds to say nothing before closing.
    :param drip: seconds between two bytes, the head's included; the last one never comes.
    :param raw: makes the whole answer, head included, piece by piece; the connection ends behind it.
    """

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    length: bool = True
    reset: bool = False
    stall: float = 0.0
    drip: float = 0.0
    raw: Callable[[], Iterable[bytes]] | None = None

    @property
    def payload(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class RawServer:
    """Answers each request with the next reply; the last one is repeated."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.replies: list[Reply] = []
        self.requests: list[Request] = []
        self.connections = 0
        self.dripped = 0
        self.sent = 0
        self._stopped = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def answer(self, *replies: Reply) -> None:
        """Set the replies of the next requests and forget the old ones."""
        self.replies = list(replies)
        self.requests.clear()

    def close(self) -> None:
        self._stopped.set()
        # An accept() under way isn't ended by a close(): one last connection wakes it.
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        self._thread.join(5)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self._stopped.is_set():
                connection.close()
                return
            self.connections += 1
            if self._tls is not None:
                try:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                except OSError:
                    continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as incoming:
            connection.settimeout(20)
            while (request := _read_request(incoming)) is not None:
                self.requests.append(request)
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if reply.stall:
                    self._stopped.wait(reply.stall)
                    return
                if reply.reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if reply.drip:
                    self._drip(connection, reply)
                    return
                if reply.raw is not None:
                    self._stream(connection, reply.raw())
                    return
                connection.sendall(_encode(reply))
                if reply.cut is not None:
                    return

    def _stream(self, connection: socket.socket, pieces: Iterable[bytes]) -> None:
        with suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
                self.sent += len(piece)
                if self._stopped.is_set():
                    return

    def _drip(self, connection: socket.socket, reply: Reply) -> None:
        with suppress(OSError):  # the client may have had enough
            for byte in _encode(reply)[:-1]:
                connection.sendall(bytes([byte]))
                self.dripped += 1
                if self._stopped.wait(reply.drip):
                    return
            self._stopped.wait(20)


def _read_request(incoming: Any) -> Request | None:
    try:
        first = incoming.readline().decode().split()
        if len(first) != 3:
            return None
        headers = {}
        while line := incoming.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = incoming.read(int(headers.get("content-length", 0)))
    except (OSError, UnicodeDecodeError):
        return None
    return Request(first[0], first[1], headers, body)


def _encode(reply: Reply) -> bytes:
    body = reply.payload
    length = {"Content-Length": str(len(body))} if reply.length else {}
    headers = {"Content-Type": "application/json", **length, **reply.headers}
    head = f"HTTP/1.1 {reply.status} X\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items()) + "\r\n"
    return head.encode() + (body if reply.cut is None else body[: reply.cut])


@contextmanager
def raw_server(tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Start a server for the time of a ``with``."""
    server = RawServer(tls)
    try:
        yield server
    finally:
        server.close()
