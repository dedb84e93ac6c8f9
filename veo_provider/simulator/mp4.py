# SPDX-License-Identifier: Apache-2.0
"""One result video as a readable range of bytes: a drawn clip and a ``free`` box behind it, never all in memory."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import random
import struct
from collections.abc import Iterator
from pathlib import Path

CHUNK = 192 * 1024  # A multiple of 3, so that base64 of the chunks is base64 of the whole.
_BOX_HEADER = 8
_LARGEST_BOX = 2**32 - 1


@functools.cache
def _filler() -> bytes:
    # A prime length and no pattern inside, so that a stream resumed at a wrong place is seen in its digest.
    return random.Random(0).randbytes(65521)


@dataclasses.dataclass(frozen=True)
class VideoFile:
    """
    The bytes of one result.

    :param clip: the drawn MP4.
    :param clip_size: its size in bytes.
    :param mark: text kept in the ``free`` box, which makes two samples of one clip differ.
    :param at_least: the size to pad the video to.
    """

    clip: Path
    clip_size: int
    mark: str
    at_least: int = 0

    @property
    def _box(self) -> bytes:
        mark = self.mark.encode()
        size = max(_BOX_HEADER + len(mark), self.at_least - self.clip_size)
        return struct.pack(">I4s", min(size, _LARGEST_BOX), b"free") + mark

    @property
    def size(self) -> int:
        """Size of the whole video in bytes."""
        return self.clip_size + int.from_bytes(self._box[:4], "big")

    @property
    def etag(self) -> str:
        """A strong validator."""
        facts = f"{self.clip.name} {self.clip_size} {self.mark} {self.at_least}"
        return f'"{hashlib.sha256(facts.encode()).hexdigest()[:32]}"'

    def read(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """
        Yield the bytes from ``start`` to before ``end``, in chunks.

        :param start: offset of the first byte.
        :param end: offset after the last one; None means all.
        """
        end = self.size if end is None else min(end, self.size)
        with self.clip.open("rb") as file:
            file.seek(min(start, self.clip_size))
            while start < end:
                wanted = min(CHUNK, end - start)
                chunk = file.read(min(wanted, max(0, self.clip_size - start)))
                chunk += self._tail(start + len(chunk), start + wanted)
                yield chunk
                start += wanted

    def _tail(self, start: int, end: int) -> bytes:
        box = self._box
        start, end = start - self.clip_size, end - self.clip_size
        if start >= end:
            return b""
        head = box[start:end]
        filler = _filler()
        at = (start + len(head)) % len(filler)
        missing = end - start - len(head)
        return head + (filler[at:] + filler * (missing // len(filler) + 1))[:missing]
