# SPDX-License-Identifier: Apache-2.0
"""
A gateway with finished videos of any size, or an S3 server that throws away what it is given: as little as will do.

``python -m tests.benchmarks.store_server RATE`` prints its port and ends with its stdin. It is started once as
either, so that sending and receiving don't share a process. RATE is what a connection carries, in MB/s; "inf" is as
much as it can.
"""

from __future__ import annotations

import base64
import json
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.boxes import FTYP, box

CHUNK = 64 * 1024
# Base64 of a multiple of three has no padding, so pieces can be put together.
BLOCK = random.Random(1).randbytes(3 * 16 * 1024)
ENCODED = base64.b64encode(BLOCK)
HEADER = FTYP + box(b"moov")
TASK = re.compile(r"(link|inline)_(\d+)")
Parts = list[int]


def pieces(megabytes: int) -> Iterator[bytes]:
    """Yield a whole MP4 of about so many million bytes."""
    count = megabytes * 1_000_000 // len(BLOCK)
    mdat = box(b"mdat", size=8 + count * len(BLOCK))
    room = -(len(HEADER) + 8 + len(mdat)) % 3
    yield HEADER + box(b"free", b"\0" * room) + mdat
    for _ in range(count):
        yield BLOCK


class Handler(BaseHTTPRequestHandler):
    """Answers for both."""

    protocol_version = "HTTP/1.1"
    # Or an answer's body waits for the acknowledgement of its head, which takes its time.
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        found = TASK.search(self.path)
        assert found is not None, self.path
        way, megabytes = found[1], int(found[2])
        if self.path.startswith("/files/"):
            self._stream("video/mp4", list(map(len, pieces(megabytes))), pieces(megabytes))
            return
        task = f"task_{way}_{megabytes}"
        if way == "link":
            url = f"http://{self.headers['Host']}/files/link_{megabytes}.mp4"
            self._send(200, json.dumps({"task_id": task, "status": "succeeded", "url": url}).encode())
            return
        head = b'{"task_id":"%b","metadata":{"url":"data:video/mp4;base64,' % task.encode()
        tail = b'"},"status":"succeeded","progress":100}'
        # The same object over and over: it takes no memory.
        parts = [head, *(ENCODED if one is BLOCK else base64.b64encode(one) for one in pieces(megabytes)), tail]
        self._stream("application/json", list(map(len, parts)), iter(parts))

    def do_HEAD(self) -> None:
        there = self.server.objects.get(urlsplit(self.path).path)
        if there is None:
            self._send(404)
            return
        size, metadata = there
        self.send_response(200)
        for name, value in {"Content-Length": str(size), "Content-Type": "video/mp4", **metadata}.items():
            self.send_header(name, value)
        self.end_headers()

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        self._swallow()
        if "uploads" in parse_qs(parts.query, keep_blank_values=True):
            self.server.uploads[parts.path] = (self._metadata(), [])
            self._send(200, b"<R><UploadId>u</UploadId></R>")
            return
        metadata, sizes = self.server.uploads.pop(parts.path)
        self.server.objects[parts.path] = (sum(sizes), metadata)
        self._send(200, b"<R><ETag>e</ETag></R>")

    def do_PUT(self) -> None:
        path = urlsplit(self.path).path
        size = self._swallow()
        if path in self.server.uploads:
            self.server.uploads[path][1].append(size)
        else:
            self.server.objects[path] = (size, self._metadata())
        self._send(200, headers={"ETag": '"e"'})

    def do_DELETE(self) -> None:
        self._send(204)

    def log_message(self, *args: Any) -> None:
        pass

    def _metadata(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name.lower().startswith("x-amz-meta-")}

    def _swallow(self) -> int:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            size = 0
            while length := int(self.rfile.readline().split(b";")[0], 16):
                size += self._skip(length)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            size = self._skip(int(self.headers.get("Content-Length", 0)))
        return int(self.headers.get("X-Amz-Decoded-Content-Length", size))

    def _skip(self, length: int) -> int:
        left, pace = length, self.server.pace()
        while left:
            came = len(self.rfile.read(min(left, CHUNK)))
            left -= came
            pace(came)
        return length

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, kind: str, lengths: list[int], chunks: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(sum(lengths)))
        self.end_headers()
        try:
            pace = self.server.pace()
            for chunk in chunks:
                self.wfile.write(chunk)
                pace(len(chunk))
        except OSError:
            # The status is enough for whoever only polls.
            self.close_connection = True


class Server(ThreadingHTTPServer):
    """What is known of the objects: their sizes and metadata."""

    daemon_threads = True

    def __init__(self, rate: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self._rate = rate
        self.objects: dict[str, tuple[int, dict[str, str]]] = {}
        self.uploads: dict[str, tuple[dict[str, str], Parts]] = {}

    def pace(self) -> Callable[[int], None]:
        """Make what is called with the bytes that have passed, and takes the time that they should have taken."""
        began, passed = time.monotonic(), 0

        def wait(count: int) -> None:
            nonlocal passed
            passed += count
            time.sleep(max(0.0, began + passed / self._rate - time.monotonic()))

        return wait


if __name__ == "__main__":
    with Server(float(sys.argv[1]) * 1e6) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.shutdown()
