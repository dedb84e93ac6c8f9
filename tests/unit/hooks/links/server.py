# SPDX-License-Identifier: Apache-2.0
"""A store, or a gateway, whose answers are scripted, and someone who opens links."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.support.boxes import mp4
from veo_provider.exceptions import VeoError
from veo_provider.hooks.links import LinkRules, open_link

VIDEO = mp4(bytes(range(251)) * 2000)
HALF = len(VIDEO) // 2
KEY = "sk-secret"
ETAG = {"ETag": '"v1"'}
Script = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        scripts = self.server.scripts
        (scripts.pop(0) if len(scripts) > 1 else scripts[0])(self)

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"", *, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body) if length is None else length)} | headers).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def await_hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(ConnectionResetError):
            self.connection.recv(1)

    def hang_up(self, *, reset: bool = False) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scripts: list[Script] = [whole()]
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.trickled = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def url(self, path: str = "/v.mp4?X-Sig=secret") -> str:
        return f"http://{self.place}{path}"

    def headers(self, name: str) -> list[str | None]:
        return [headers.get(name) for _, headers in self.seen]


def whole(status: int = 200, headers: dict[str, str] | None = None, body: bytes = VIDEO) -> Script:
    return lambda handler: handler.answer(status, {"Content-Type": "video/mp4"} | (headers or {}), body)


def cut(at: int, headers: dict[str, str] | None = None, *, reset: bool = False) -> Script:
    """The whole video is announced, and the connection ends after so many bytes."""

    def script(handler: Handler) -> None:
        handler.answer(200, ETAG if headers is None else headers, VIDEO[:at], length=len(VIDEO))
        handler.hang_up(reset=reset)

    return script


def rest(handler: Handler, *, end: int | None = None, **changed: str) -> None:
    """What a store answers to ``Range``, changed where it is to be wrong; the connection may end early."""
    start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    facts = {"Content-Range": f"bytes {start}-{len(VIDEO) - 1}/{len(VIDEO)}"} | ETAG
    facts |= {name.replace("_", "-"): value for name, value in changed.items()}
    handler.answer(206, facts, VIDEO[start:end], length=len(VIDEO) - start)
    if end is not None:
        handler.hang_up()


def trickle(already: int, headers: dict[str, str], status: int = 200) -> Script:
    """Send a part at once, and then for ever a byte now and then."""

    def script(handler: Handler) -> None:
        handler.answer(status, headers, VIDEO[:already], length=len(VIDEO))
        with contextlib.suppress(OSError):
            for byte in VIDEO[already:]:
                time.sleep(0.02)
                handler.wfile.write(bytes([byte]))
                handler.server.trickled += 1

    return script


def redirect(target: str, status: int = 302) -> Script:
    return whole(status, {"Location": target}, b"")


@dataclass
class Caller:
    """Opens links for a connection whose gateway is somewhere; changes to its rules come by name."""

    base_url: str = "https://gateway.example"
    changes: dict[str, Any] = field(default_factory=dict)

    def open(self, url: str, max_bytes: int = 10**7, **changes: Any) -> Any:
        rules: dict[str, Any] = {
            "base_url": self.base_url,
            "api_key": KEY,
            "allowed_hosts": frozenset(),
            "connect_timeout": 5.0,
            "read_timeout": 5.0,
            "verify": True,
            "proxy_for": lambda url: None,
        }
        return open_link(url, LinkRules(**rules | self.changes | changes), max_bytes=max_bytes)

    def read(self, url: str, **changes: Any) -> bytes:
        with self.open(url, **changes) as video:
            data: bytes = video.read()
            return data

    def error(self, url: str, **changes: Any) -> VeoError:
        with pytest.raises(VeoError) as caught:
            self.read(url, **changes)
        assert "secret" not in str(caught.value)
        return caught.value
