# SPDX-License-Identifier: Apache-2.0
"""Hands a stored video to a browser: a link to where it is, or its bytes by range."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response, StreamingResponse

from veo_provider.ui.lanes import Busy, Lanes, Silent, aside
from veo_provider.ui.stores import Bytes, Link, NotThere, Unreachable, open_video

if TYPE_CHECKING:
    from veo_provider.ui.facts import Video

CHUNK = 1024 * 1024
DOWN_SECONDS = 60.0
"""How long a store that didn't answer isn't asked again."""

TO_OPEN, TO_READ_ON = 5.0, 30.0
"""Seconds that a video waits for its turn to be opened, and to be read on while it is being sent."""

log = logging.getLogger(__name__)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Server:
    """
    Serves videos. A store that doesn't answer is left alone for a while; as long as it hangs it keeps its threads.

    :param width: how many threads may read from stores at a time.
    :param share: how many of them from one store.
    :param seconds: how long a store may take to answer.
    """

    def __init__(self, width: int = 8, share: int = 2, seconds: float = 15.0) -> None:
        self._lanes = Lanes(width, share, seconds)
        self._down: dict[str, float] = {}

    async def serve(self, video: Video, wanted: str | None, *, poster: bool = False) -> Response:
        """
        Return the response with a video.

        :param video: what a task instance recorded of it.
        :param wanted: the request's ``Range`` header.
        :param poster: its first picture instead.
        """
        # With its connection: a record with a wrong one must not shut out those with the right one.
        store = f"{'/'.join(video.uri.split('/')[:3])} {video.conn_id}"
        if self._down.get(store, 0.0) > time.monotonic():
            return _failed(503, "Its store did not answer a moment ago")
        try:
            opened = await self._lanes.run(_behind(video), partial(open_video, poster=poster), video, patience=TO_OPEN)
        except NotThere as error:
            # The same answer for all of it; an administrator finds the reason here.
            log.info("A video of %s isn't shown: %s", video.owner, error)
            return not_found()
        except Busy:
            return _failed(503, "Too many videos are being opened")
        except (Silent, Unreachable, OSError) as error:
            self._down = {**self._still_down(), store: time.monotonic() + DOWN_SECONDS}
            return _failed(502, f"Its store failed: {type(error).__name__}")
        except Exception as error:  # noqa: BLE001 - each store's client raises classes of its own
            # It may be the record that is wrong: that is no reason to refuse the others.
            return _failed(502, f"Its store failed: {type(error).__name__}")
        if isinstance(opened, Link):
            return RedirectResponse(opened.url, 302)
        return self._stream(opened, wanted, _behind(video))

    def _still_down(self) -> dict[str, float]:
        return {store: until for store, until in self._down.items() if until > time.monotonic()}

    def _stream(self, opened: Bytes, wanted: str | None, store: str) -> Response:
        span = _span(wanted, opened.size)
        start, end = span or (0, opened.size)
        if span and start >= end:
            opened.close()
            return Response(status_code=416, headers={"Content-Range": f"bytes */{opened.size}"})
        headers = {"Accept-Ranges": "bytes", "Content-Length": str(end - start)}
        if span:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{opened.size}"
        body = self._read(opened, start, end, store)
        return StreamingResponse(body, 206 if span else 200, headers, media_type=opened.kind)

    async def _read(self, opened: Bytes, start: int, end: int, store: str) -> AsyncIterator[bytes]:
        try:
            while start < end:
                # The headers have been sent: too late to say that too many are being read.
                size = min(CHUNK, end - start)
                data = await self._lanes.run(store, opened.read, start, size, patience=TO_READ_ON)
                if not data:
                    raise ConnectionError("the video is shorter than it was")
                start += len(data)
                yield data
        finally:
            # It waits for a read that hangs.
            aside(opened.close)


def _behind(video: Video) -> str:
    """Return what hangs if one video does: all buckets of a connection, all folders."""
    return f"{video.uri.partition(':')[0]} {video.conn_id}"


def not_found() -> Response:
    """Return the one answer for all that isn't there, or isn't for this user."""
    return _failed(404, "There is no such video")


def _failed(status: int, words: str) -> Response:
    return Response(words, status, media_type="text/plain")


def _span(wanted: str | None, size: int) -> tuple[int, int] | None:
    """
    Return from where to where to send.

    ``None`` is all: what is no range (RFC 9110, 14.2) and several ranges are ignored, and nothing has no parts.
    """
    match = _RANGE.fullmatch(wanted.strip()) if wanted and size else None
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return max(size - int(last), 0), size
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size
