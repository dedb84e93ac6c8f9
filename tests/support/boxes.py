# SPDX-License-Identifier: Apache-2.0
"""MP4 files as small as they can be: the boxes are real, what is in them isn't."""

from __future__ import annotations

HEADERS = 32
"""What the smallest video has: ``ftyp`` of 16 bytes, and two headers."""


def box(kind: bytes, content: bytes = b"", *, large: bool = False, size: int | None = None) -> bytes:
    """
    Make a box.

    :param large: with its size in 64 bits.
    :param size: another than the true one.
    """
    size = (16 if large else 8) + len(content) if size is None else size
    head = (1).to_bytes(4, "big") if large else size.to_bytes(4, "big")
    return head + kind + (size.to_bytes(8, "big") if large else b"") + content


FTYP = box(b"ftyp", b"mp42\0\0\0\0")


def mp4(content: bytes) -> bytes:
    """Make a whole video around some bytes."""
    return FTYP + box(b"moov") + box(b"mdat", content)
