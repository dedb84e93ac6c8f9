# SPDX-License-Identifier: Apache-2.0
"""Where an MP4's boxes end: so a video that was cut short is seen, though nobody announced its length."""

from __future__ import annotations

import re

_HEADER, _LARGE_HEADER = 8, 16
_LARGE, _TO_THE_END = 1, 0
_KIND = re.compile(rb"[ -~]{4}")
# More than a file can hold.
_NEVER = 2**80
# What holds pictures, or begins the next fragment of them.
_PICTURES = {"moov", "moof", "mdat", "styp", "sidx"}
MAX_BOXES = 100_000
"""A fragment for each picture makes 72,000 boxes of ten minutes; without a limit, 2 GiB of headers take minutes."""


class BoxWalk:
    """
    Goes from one outermost box to the next while the bytes pass by, and keeps no more than a header.

    A video is whole if its last box ends where it does, and it has an index (``moov``) and pictures (``mdat``, one
    behind each ``moof``). Behind that, what can't be a box is let pass: it is no part of the video. Two cuts can't
    be seen: one in a last box without a size, which the standard allows, and one between boxes where a whole video
    could end too (the fragments of a fragmented one; else only what isn't needed to play it is missing).
    """

    def __init__(self) -> None:
        self._size = 0
        self._header = b""
        self._kind = ""
        self._next = 0
        self._boxes = 0
        self._needed = {"moov", "mdat"}

    def feed(self, chunk: bytes) -> str:
        """
        Take the next bytes; return what is wrong with the video, if anything is.

        :param chunk: the bytes, cut anywhere.
        """
        begin = self._size
        self._size += len(chunk)
        while (at := self._next + len(self._header)) < self._size:
            length = _HEADER if len(self._header) < _HEADER else _LARGE_HEADER
            self._header += chunk[at - begin : self._next + length - begin]
            if len(self._header) == length and (wrong := self._enter_box()):
                return wrong
        return ""

    def missing(self, *, all_came: bool) -> str:
        """
        Say at the end of the bytes what the video lacks, if anything.

        :param all_came: whether it is known otherwise that these are all the bytes there are. Then half a box behind
            a whole video is part of the file, and no cut that another try could mend. Half a box of pictures is one
            even so: the gateway may have stored a download that broke off.
        """
        kind = cut = ""
        if self._header:
            kind, cut = self._header[4:].decode("latin-1")[:4], "in the middle of a box's header"
        elif self._size < self._next < _NEVER:
            kind, cut = self._kind, f"but its {self._kind} box goes on to byte {self._next}"
        if all_came and not self._needed and kind not in _PICTURES:
            return ""
        if not cut and self._needed:
            cut = f"without a box of type {min(self._needed)}"
        return cut and f"The video ends after {self._size} bytes, {cut}"

    def _enter_box(self) -> str:
        header = self._header
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if size == _LARGE:
            if len(header) < _LARGE_HEADER:
                return ""
            size = int.from_bytes(header[_HEADER:], "big")
        self._header = b""
        self._boxes += 1
        if self._boxes > MAX_BOXES:
            return f"The result is no MP4 video: it has more than {MAX_BOXES} boxes, a real one at most some thousands"
        if not _KIND.fullmatch(kind) or (size < len(header) and header[:4] != bytes(4)):
            wrong = f"The result is a damaged MP4 video: at byte {self._next} there should be a box, but isn't"
            self._next = _NEVER
            return wrong if self._needed else ""
        self._next = self._next + size if size else _NEVER
        self._kind = kind.decode()
        self._needed.discard(self._kind)
        if self._kind == "moof":
            self._needed.add("mdat")
        return ""
