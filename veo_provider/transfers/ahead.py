# SPDX-License-Identifier: Apache-2.0
"""Reads a video on while what has come of it is being stored."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Self

from veo_provider.transfers.stored import CHUNK

if TYPE_CHECKING:
    from veo_provider.api.result import VideoStream

BLOCKS = 4
"""So many chunks may have come and wait for the store."""


class ReadAhead:
    """
    A video whose source is read in a thread of its own: source and store don't wait for each other.

    What the stream raises is raised by :meth:`read`. Airflow's ``execution_timeout`` strikes the thread that
    stores, which leaves at once; the other one ends with the read that it is in. Use it with ``with``.

    :param stream: the video; from now on it belongs to the thread, which closes it.
    :param at_end: called when the whole video has come, before the store learns it; may raise instead.
    """

    def __init__(self, stream: VideoStream, at_end: Callable[[], object] = lambda: None) -> None:
        self.content_type = stream.content_type
        self._stream = stream
        self._at_end = at_end
        # Of all queues only these have no lock that a signal could leave locked.
        self._room: SimpleQueue[bool] = SimpleQueue()
        self._came: SimpleQueue[bytes | BaseException] = SimpleQueue()
        self._ready = memoryview(b"")
        self._failure: BaseException | None = None
        self._ended = False
        self._left = False
        for _ in range(BLOCKS):
            self._room.put(True)

    def __enter__(self) -> Self:
        # A daemon: a source that hangs mustn't keep the task's process from ending.
        self._thread = Thread(target=copy_context().run, args=(self._read_on,), name="veo-read-ahead", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left = True
        self._room.put(False)
        if self._ended:
            self._thread.join()

    @property
    def size(self) -> int:
        """Bytes of the video, once it has been read to the end."""
        return self._stream.size

    @property
    def sha256(self) -> str:
        """Hex digest of the video, once it has been read to the end."""
        return self._stream.sha256

    def read(self, size: int | None = -1, /) -> bytes:
        """
        Read bytes; fewer than asked for only at the video's end.

        :param size: how many; all that are left if it is negative or ``None``.
        """
        wanted = sys.maxsize if size is None or size < 0 else size
        parts: list[memoryview] = []
        while wanted and self._fill():
            part, self._ready = self._ready[:wanted], self._ready[wanted:]
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _fill(self) -> bool:
        """Make sure that there are bytes to hand out; tell whether there are any."""
        if self._failure is not None:
            raise self._failure
        if self._ready or self._ended:
            return bool(self._ready)
        came = self._came.get()
        try:
            if isinstance(came, BaseException):
                raise came
            if not came:
                self._at_end()
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._ended = not came or isinstance(came, BaseException)
        self._room.put(True)
        self._ready = memoryview(came)
        return bool(came)

    def _read_on(self) -> None:
        with self._stream:
            try:
                while self._room.get() and not self._left:
                    block = self._stream.read(CHUNK)
                    self._came.put(block)
                    if not block:
                        return
            except BaseException as error:  # noqa: BLE001 - it is raised where the video is stored
                self._came.put(error)
