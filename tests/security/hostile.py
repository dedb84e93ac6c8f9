# SPDX-License-Identifier: Apache-2.0
"""Answers that mean harm, as bytes on a socket."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

KEY = "sk-Hostile/0123+456=="
MANY = 200 * 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PIECE = 64 * 1024
GENERATION = {"task_id": "abc", "status": "queued"}


POLLS = frozenset({"sync poll", "async poll"})
API = POLLS | {"submit"}


@dataclass(frozen=True)
class Hostile:
    """
    A row of the table.

    :param name: what is wrong with the answer.
    :param pieces: makes its bytes.
    :param harmless: where it is nothing but an odd way to send a sound answer, and may be read.
    """

    name: str
    pieces: Callable[[], Iterable[bytes]]
    harmless: frozenset[str] = field(default=frozenset())


def repeated(piece: bytes, size: int = MANY) -> Iterator[bytes]:
    """Yield about so many bytes, from one piece of memory."""
    block = piece * max(1, PIECE // len(piece))
    return itertools.repeat(block, size // len(block))


def with_body(body: Iterable[bytes], *headers: bytes) -> Callable[[], Iterable[bytes]]:
    return lambda: itertools.chain([OK + b"".join(h + b"\r\n" for h in headers) + b"\r\n"], body)


def answer(body: bytes, *headers: bytes, status: int = 200) -> Callable[[], Iterable[bytes]]:
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n" % (status, len(body))
    return lambda: [head + b"".join(h + b"\r\n" for h in headers) + b"\r\n" + body]


def _fresh(make: Callable[[], Iterable[bytes]], *headers: bytes) -> Callable[[], Iterable[bytes]]:
    return lambda: with_body(make(), *headers)()


def _deflated(size: int = MANY, *, wbits: int = 31, begin: bytes = b"", piece: bytes = b" ") -> bytes:
    packer = zlib.compressobj(1, wbits=wbits)
    parts = [packer.compress(begin), *(packer.compress(block) for block in repeated(piece, size))]
    return b"".join([*parts, packer.flush()])


_SOUND = json.dumps(GENERATION).encode()
_CHUNKED = b"Transfer-Encoding: chunked"
_GZIP = b"Content-Encoding: gzip"
_BOMB = _deflated(begin=b'{"x":"', piece=b"A")
_BLANKS = _deflated()
_ESCAPED = "".join(f"\\u{ord(c):04x}" for c in KEY)
_LENGTH = b"Content-Length: %d"

SIZES = [
    Hostile("200 MB of numbers", _fresh(lambda: itertools.chain([b"["], repeated(b"1,"), [b"1]"]))),
    Hostile("200 MB of blanks", _fresh(lambda: repeated(b" "))),
    Hostile("200 MB in a string", _fresh(lambda: itertools.chain([b'{"x":"'], repeated(b"A"), [b'"}'])), POLLS),
    Hostile("200 MB of payloads", _fresh(lambda: itertools.chain([b"["], repeated(b'"data:,A",'), [b'""]']))),
    Hostile("200 MB of brackets", _fresh(lambda: repeated(b"["))),
    Hostile("200 MB of no JSON", _fresh(lambda: repeated(b"<b>"))),
    Hostile("100,000 levels", answer(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)),
    Hostile("900 objects left open", answer(b'{"error":"' * 900)),
    Hostile("a number of a million digits", answer(b'{"task_id":' + b"9" * 10**6 + b"}")),
    Hostile("a million backslashes", answer(b'{"message":"' + b"\\\\" * 500_000 + b'"}'), POLLS),
    Hostile("a megabyte of schemes", answer(b'{"message":"' + b"http://" * 150_000 + b'"}'), POLLS),
]
COMPRESSED = [
    Hostile("a gzip bomb", answer(_BOMB, _GZIP)),
    Hostile("a gzip bomb of blanks", answer(_BLANKS, _GZIP)),
    Hostile("a deflate bomb", answer(_deflated(wbits=15), b"Content-Encoding: deflate")),
    Hostile("a bare deflate bomb", answer(_deflated(wbits=-15), b"Content-Encoding: deflate")),
    Hostile("a bomb in a bomb", answer(gzip.compress(_BLANKS), b"Content-Encoding: gzip, gzip")),
    Hostile("ten codings", answer(_SOUND, b"Content-Encoding: " + b", ".join([b"gzip"] * 10)), API),
    Hostile("gzip that is none", answer(_SOUND, _GZIP)),
    Hostile("gzip that breaks off", answer(gzip.compress(_SOUND * 9)[:-12], _GZIP)),
    Hostile("gzip of no end", _fresh(lambda: repeated(gzip.compress(b"")), _GZIP)),
    Hostile("a coding of no name", answer(_SOUND, b"Content-Encoding: br, x-own"), API),
]
LENGTHS = [
    Hostile("longer than announced", with_body([_SOUND], _LENGTH % 20)),
    Hostile("shorter than announced", with_body([_SOUND[:20]], _LENGTH % 1000)),
    Hostile("a length of 20 digits", with_body([_SOUND[:20]], b"Content-Length: 99999999999999999999")),
    Hostile("a length below zero", with_body([_SOUND[:20]], b"Content-Length: -1")),
    Hostile("a length that is no number", with_body([_SOUND[:20]], b"Content-Length: many")),
    Hostile("two lengths", with_body([_SOUND[:20]], _LENGTH % 20, _LENGTH % 4000)),
    Hostile("a chunk of 2^64 bytes", with_body([b"ffffffffffffffff\r\n" + _SOUND], _CHUNKED)),
    Hostile("a chunk below zero", with_body([b"-5\r\n" + _SOUND], _CHUNKED)),
    Hostile("a chunk of -1 bytes", _fresh(lambda: itertools.chain([b"-1\r\n"], repeated(b"x")), _CHUNKED)),
    Hostile(
        "an error in a chunk of -1 bytes",
        lambda: itertools.chain([b"HTTP/1.1 502 X\r\n%s\r\n\r\n-1\r\n" % _CHUNKED], repeated(b"x")),
    ),
    Hostile("a chunk of no size", with_body([b"zz\r\n" + _SOUND], _CHUNKED)),
    Hostile("a chunk that breaks off", with_body([b"ff\r\n" + _SOUND[:20]], _CHUNKED)),
    Hostile("a size line without end", _fresh(lambda: itertools.chain([b"1;"], repeated(b"x")), _CHUNKED)),
    Hostile("trailers without end", _fresh(lambda: itertools.chain([b"1\r\n{\r\n0\r\n"], repeated(b"x")), _CHUNKED)),
    Hostile("chunks of a byte", _fresh(lambda: repeated(b"1\r\n[\r\n", 10**7), _CHUNKED)),
]
HEADS = [
    Hostile("a header without end", lambda: itertools.chain([OK + b"X: "], repeated(b"x"))),
    Hostile("headers without end", lambda: itertools.chain([OK], repeated(b"X: y\r\n"))),
    Hostile("no HTTP", lambda: repeated(b"\0\x1b[31m" + KEY.encode())),
    Hostile("a status with the key", lambda: [b"HTTP/1.1 %s\r\n\r\n" % KEY.encode()]),
    Hostile("a header with the key", lambda: [OK + b"X\x1b %s: \0%s\r\n\r\n" % (KEY.encode(), KEY.encode())]),
    Hostile("a header's name is the key", lambda: [OK + b"%s\r\n\r\n" % KEY.encode()]),
    Hostile("a cookie that is the key", answer(_SOUND, b"Set-Cookie: %s\1=x; %s" % (KEY.encode(), KEY.encode())), API),
    Hostile("a length that is the key", with_body([_SOUND[:20]], b"Content-Length: " + KEY.encode())),
    Hostile("a chunk's size is the key", with_body([KEY.encode() + b"\r\n"], _CHUNKED)),
    Hostile("a coding that is the key", answer(_SOUND, b"Content-Encoding: " + KEY.encode()), API),
    Hostile("a type that is the key", answer(KEY.encode(), b"Content-Type: \x1b[31m" + KEY.encode())),
]


def _said(words: str, *, escape: bool = True) -> bytes:
    return json.dumps({"error": {"message": words, "code": words}}, ensure_ascii=escape).encode()


_FORGED = "no\r\n[2026-01-01] INFO - all is well \x1b[2J\x1b]8;;http://evil\x07 \u202e\u2028\x85\x9b\0\ud800 end"
WORDS = [
    Hostile("control characters, escaped", answer(_said(_FORGED), status=502)),
    Hostile("control characters, plain", answer(_FORGED.encode("utf-8", "replace"), status=502)),
    Hostile("control characters in HTTP 200", answer(_said(_FORGED))),
    Hostile("control characters in a status", answer(json.dumps({**GENERATION, "status": _FORGED}).encode()),
            API),
    Hostile("no UTF-8", answer(b"\xff\xfe\x1b[31m\x80" * 100, status=502)),
    Hostile("a request id to forge with", answer(b"{}", b"X-Oneapi-Request-Id: a\x1b[31m" + KEY.encode(), status=502)),
    Hostile("the key, plain", answer(_said(f"Bearer {KEY}"), status=502)),
    Hostile("the key, its slash escaped", answer(_said(f"Bearer {KEY}").replace(b"/", rb"\/"), status=502)),
    Hostile("the key, all escaped", answer(b'{"error":{"message":"x %s"}}' % _ESCAPED.encode(), status=502)),
    Hostile("the key, escaped in capitals", answer(b'{"message":"x %s"}' % _ESCAPED.upper().replace("U", "u").encode(),
            status=502)),
    Hostile("the key, escaped as Go does", answer(_said(KEY).replace(b"=", rb"\u003d"), status=502)),
    Hostile("the key, in JSON in a string", answer(_said(f'{{"message":"{_ESCAPED}"}}'), status=502)),
    Hostile("the key, percent-encoded", answer(_said(KEY.replace("/", "%2F").replace("+", "%2b")), status=502)),
    Hostile("the key in HTTP 200", answer(_said(f"Bearer {KEY}"))),
    Hostile("the key as a page", answer(b"<title>%s</title>" % KEY.encode())),
]  # fmt: skip
# These have no end: what is passed over is read on until a time limit of ours. A string may be as long as a video.
_BEGUN = zlib.compressobj(1, wbits=31)
_GZIP_HEAD = _BEGUN.compress(b'{"x":"') + _BEGUN.flush(zlib.Z_FULL_FLUSH)
_GZIP_MORE = _BEGUN.compress(b"A" * 10**7) + _BEGUN.flush(zlib.Z_FULL_FLUSH)
ENDLESS = [
    Hostile("1xx for ever", lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)),
    Hostile("a string for ever", _fresh(lambda: itertools.chain([b'{"x":"'], itertools.repeat(b"A" * PIECE)))),
    Hostile("a payload for ever", _fresh(lambda: itertools.chain([b'["data:v,'], itertools.repeat(b"\\n" * PIECE)))),
    Hostile("bombs for ever", _fresh(lambda: itertools.chain([_GZIP_HEAD], itertools.repeat(_GZIP_MORE)), _GZIP)),
]
ROWS: list[Hostile] = [*SIZES, *COMPRESSED, *LENGTHS, *HEADS, *WORDS]


def video_answer(**fields: Any) -> bytes:
    return json.dumps({"task_id": "abc", "status": "succeeded", **fields}).encode()
