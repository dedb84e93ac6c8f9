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
    :param watch: called with each piece of it.
    """

    def __init__(
        self,
        stream: VideoStream,
        at_end: Callable[[], object] = lambda: None,
        watch: Callable[[bytes], object] = lambda _: None,
    ) -> None:
        self.content_type = stream.content_type
        self._stream = stream
        self._at_end = at_end
        self._watch = watch
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
        try:
            self._thread.start()
        except BaseException:
            # Airflow's execution_timeout may strike here, too, whether or not the thread runs by then.
            self._leave()
            if self._thread.ident is None:
                self._stream.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
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
        if self._failure is not None:
            raise self._failure
        try:
            return self._read(sys.maxsize if size is None or size < 0 else size)
        except BaseException as error:
            # What was interrupted may have lost bytes: nothing comes after it.
            self._failure = error
            raise

    def _read(self, wanted: int) -> bytes:
        parts: list[memoryview] = []
        while wanted and self._fill():
            part, self._ready = self._ready[:wanted], self._ready[wanted:]
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _fill(self) -> bool:
        """Make sure that there are bytes to hand out; tell whether there are any."""
        if self._ready or self._ended:
            return bool(self._ready)
        if self._left:
            raise ValueError("The video's stream is closed")
        came = self._came.get()
        self._ended = not came or isinstance(came, BaseException)
        if isinstance(came, BaseException):
            raise came
        if came:
            self._watch(came)
        else:
            self._at_end()
        self._room.put(True)
        self._ready = memoryview(came)
        return bool(came)

    def _leave(self) -> None:
        self._left = True
        self._room.put(False)

    def _read_on(self) -> None:
        try:
            with self._stream:
                while self._room.get() and not self._left:
                    block = self._stream.read(CHUNK)
                    self._came.put(block)
                    if not block:
                        return
        except BaseException as error:  # noqa: BLE001 - it is raised where the video is stored
            self._came.put(error)
