# SPDX-License-Identifier: Apache-2.0
"""Result videos as a signed-URL store hands them out: links that expire, ranges, and no bearer tolerated."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from urllib.parse import quote

from veo_provider.simulator.delivery import Answer
from veo_provider.simulator.mp4 import VideoFile

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class LinkSigner:
    """Makes links nobody else can make, and tells whether one is still good."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self.origin = ""

    def link(self, generation_id: str, index: int, seconds: float) -> str:
        """
        Make a link.

        :param generation_id: whose video.
        :param index: which of its videos.
        :param seconds: how long it is good for.
        """
        expires = f"{time.time() + seconds:.6f}"
        signature = self._sign(generation_id, index, expires)
        path = f"/results/{quote(generation_id, safe='')}/{index}.mp4"
        return f"{self.origin}{path}?X-Sig={signature}&Expires={expires}"

    def refusal(self, generation_id: str, index: int, query: Mapping[str, str]) -> str | None:
        """
        Return why a link is refused; None if it is good.

        :param generation_id: whose video.
        :param index: which of its videos.
        :param query: the link's query.
        """
        expires = query.get("Expires", "")
        signature = self._sign(generation_id, index, expires)
        if not hmac.compare_digest(signature.encode(), query.get("X-Sig", "").encode()):
            return "The request signature we calculated does not match"
        return "Request has expired" if time.time() >= float(expires) else None

    def _sign(self, generation_id: str, index: int, expires: str) -> str:
        text = f"{generation_id}\n{index}\n{expires}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def xml_error(status: int, code: str, message: str) -> Answer:
    """
    Return an error in the store's own form.

    :param status: HTTP status.
    :param code: its name.
    :param message: what went wrong.
    """
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, {"Content-Type": "application/xml"}, text.encode())


def whole(video: VideoFile) -> Answer:
    """
    Return a video from start to end.

    :param video: the video.
    """
    return Answer(200, {"Content-Type": "video/mp4"}, video.read, video.size)


def ranged(video: VideoFile, wanted: str | None, if_range: str | None) -> Answer:
    """
    Return a video or the part of it that is asked for.

    :param video: the video.
    :param wanted: the ``Range`` header.
    :param if_range: the ``If-Range`` header; another validator than the video's gets all of it.
    """
    headers = {"Content-Type": "video/mp4", "Accept-Ranges": "bytes", "ETag": video.etag}
    match = _RANGE.fullmatch(wanted or "")
    if match is None or match.group(0) == "bytes=-" or (if_range is not None and if_range != video.etag):
        return dataclasses.replace(whole(video), headers=headers)
    first, last = match.groups()
    if first:
        start, end = int(first), min(int(last) + 1 if last else video.size, video.size)
    else:
        start, end = max(0, video.size - int(last)), video.size
    if start >= end:
        refused = xml_error(416, "InvalidRange", "The requested range is not satisfiable")
        return dataclasses.replace(refused, headers=refused.headers | {"Content-Range": f"bytes */{video.size}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{video.size}"
    return Answer(206, headers, lambda: video.read(start, end), end - start)
