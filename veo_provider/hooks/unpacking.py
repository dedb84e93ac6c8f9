# SPDX-License-Identifier: Apache-2.0
"""Unpacks an answer that was compressed though it was asked not to be, a small piece at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

PIECE = 64 * 1024
ACCEPTED = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""The headers that say what an answer may be."""

_ZLIB = 15
_WBITS = {"gzip": 16 + _ZLIB, "x-gzip": 16 + _ZLIB, "deflate": _ZLIB}


class UnpackingError(OSError):
    """What came isn't compressed in the way that it says."""


class Unpacker:
    """
    Unpacks what is compressed with gzip or deflate; anything else passes through as it is.

    The HTTP libraries would do it, but by version some of them unpack all that came at once: a thousand times as much.
    An answer that was paid for is rather read than refused for it.

    :param headers: the answer's, whose names may be asked for in any case.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._wbits = _WBITS.get(headers.get("Content-Encoding", "").strip().lower(), 0)
        self._stream = zlib.decompressobj(self._wbits) if self._wbits else None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """
        Take the next chunk, and yield what is in it in pieces of at most 64 KB.

        :param chunk: as it came; nothing at the end of all.
        :raises UnpackingError: it isn't compressed as it says, goes on behind its end, or broke off.
        """
        if self._stream is None:
            yield chunk
            return
        if self._wbits == _ZLIB and chunk and chunk[0] & 0x0F != zlib.DEFLATED:
            # Some servers leave out the head.
            self._stream = zlib.decompressobj(-_ZLIB)
        self._wbits = 0
        ended, full = not chunk, True
        while chunk or full:
            try:
                piece = self._stream.decompress(chunk, PIECE)
            except zlib.error as error:
                raise UnpackingError(f"The answer isn't compressed as it says: {error}") from None
            chunk, full = self._stream.unconsumed_tail, len(piece) == PIECE
            if piece:
                yield piece
        if self._stream.unused_data:
            raise UnpackingError("There is more behind the end of the compressed answer")
        if ended and not self._stream.eof:
            raise UnpackingError("The compressed answer broke off")
