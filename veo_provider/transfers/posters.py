# SPDX-License-Identifier: Apache-2.0
"""The first picture of a stored video, in a JPEG beside it."""

from __future__ import annotations

from veo_provider.transfers.stored import Destination, Marks

SUFFIX = ".poster.jpg"
_START = b"\xff\xd8"
_COMMENT = b"\xff\xfe"
_OURS = b"airflow-provider-veo"


def write_poster(destination: Destination, name: str, marks: Marks, jpeg: bytes, *, overwrites: bool) -> str:
    """
    Write a poster beside a video, and return its URI; one that is there already isn't written again.

    :param destination: the store.
    :param name: the video's name.
    :param marks: the video's marks.
    :param jpeg: the picture.
    :param overwrites: whether something else of that name may be replaced.
    :raises FileExistsError: something else has that name.
    """
    beside = name + SUFFIX
    comment = b"%s %s %d" % (_OURS, marks.generation_id.encode()[:4096], marks.index)
    # The mark is in the file itself: not every store has metadata.
    data = _START + _COMMENT + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg.removeprefix(_START)
    # What may be replaced isn't read: with replace=True the right to list a bucket isn't needed for the video, either.
    there = None if overwrites else destination.read_small(beside)
    if there != data:
        if there is not None and not _is_ours(there):
            raise FileExistsError(f"{destination.uri(beside)} holds something that isn't a poster of this provider")
        destination.write_small(beside, data, "image/jpeg")
    return destination.uri(beside)


def _is_ours(data: bytes) -> bool:
    return data.startswith(_START + _COMMENT) and data[6:].startswith(_OURS)
