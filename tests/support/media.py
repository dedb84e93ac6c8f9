# SPDX-License-Identifier: Apache-2.0
"""What a stored video really is, by decoding it."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass

import av


@dataclass(frozen=True)
class Video:
    width: int
    height: int
    seconds: float
    has_audio: bool
    size: int


def probe(data: bytes) -> Video:
    """Decode every picture, so that a truncated file is an error; raises what PyAV raises."""
    with av.open(io.BytesIO(data), mode="r") as container:
        stream = container.streams.video[0]
        rate = stream.average_rate
        if rate is None:
            raise ValueError("the video stream has no frame rate")
        pictures = len([None for _ in container.decode(stream)])
        return Video(
            width=stream.width,
            height=stream.height,
            seconds=pictures / float(rate),
            has_audio=bool(container.streams.audio),
            size=len(data),
        )


def png(width: int, height: int, grey: int) -> bytes:
    """A small real PNG to send as a first or last frame."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + checksum

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    rows = (b"\x00" + bytes([grey]) * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
