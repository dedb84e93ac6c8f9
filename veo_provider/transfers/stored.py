# SPDX-License-Identifier: Apache-2.0
"""What is known of a video in the user's own storage: its name, its facts, and the marks kept beside it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from veo_provider.transfers.media import MediaFacts

INDEX = "{index}"
CHUNK = 1024 * 1024
PART = 8 * CHUNK
"""What a store gets at once: above the 5 MiB that S3 asks of a part, and all that is held in memory."""


@dataclass(frozen=True)
class StoredVideo:
    """
    One stored video, as in the XCom ``veo_videos`` and in asset events.

    :param uri: where it is, without a connection id.
    :param index: which of the generation's videos, from 0.
    :param size: bytes.
    :param sha256: of its bytes, in hex.
    :param content_type: media type.
    :param generation_id: the generation it belongs to.
    :param media: what the file really is, by the extra ``media``: ``seconds``, ``width``, ``height``, ``frame_rate``,
        ``audio``, ``video_codec``, ``audio_codec``; ``None`` where nobody has looked.
    :param poster: where its first picture is, if that was stored.
    """

    uri: str
    index: int
    size: int
    sha256: str
    content_type: str
    generation_id: str
    media: MediaFacts | None = None
    poster: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Marks:
    """
    What is kept beside a stored video, for a later try to know it again.

    :param generation_id: the generation it belongs to.
    :param index: which of the generation's videos, from 0.
    :param count: how many videos the generation has.
    :param dag_id: the task that stored it, with the three that follow.
    :param map_index: -1 for a task that isn't mapped.
    """

    generation_id: str
    index: int
    count: int
    dag_id: str
    task_id: str
    run_id: str
    map_index: int

    def same_video(self, other: Marks | None) -> bool:
        """Whether both mark the same video, whoever stored it."""
        return other is not None and (self.generation_id, self.index) == (other.generation_id, other.index)

    def same_task(self, other: Marks | None) -> bool:
        """Whether the same task of the same run stored both: after a clear it may have another generation."""
        return other is not None and self.task == other.task

    @property
    def task(self) -> tuple[str, str, str, int]:
        """Which task of which run stored it."""
        return self.dag_id, self.task_id, self.run_id, self.map_index

    def as_dict(self) -> dict[str, Any]:
        """Return the marks as JSON values."""
        return asdict(self)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self | None:
        """Return the marks found among ``values``; ``None`` if they aren't all there."""
        try:
            return cls(
                generation_id=str(values["generation_id"]),
                index=int(values["index"]),
                count=int(values["count"]),
                dag_id=str(values["dag_id"]),
                task_id=str(values["task_id"]),
                run_id=str(values["run_id"]),
                map_index=int(values["map_index"]),
            )
        except (KeyError, OverflowError, TypeError, ValueError):
            return None


@dataclass(frozen=True)
class Found:
    """
    What is already there under a name.

    :param size: bytes.
    :param marks: ``None`` for anything that this provider didn't store.
    :param content_type: media type.
    :param sha256: hex; ``None`` where the store doesn't know it.
    :param uri: where it is, if that isn't the name itself but one that is written together with it.
    """

    size: int
    marks: Marks | None
    content_type: str
    sha256: str | None = None
    uri: str | None = None


class Source(Protocol):
    """A video to store; its facts are true once it has been read to the end."""

    content_type: str

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def sha256(self) -> str:
        """Of the bytes, in hex."""

    def read(self, size: int, /) -> bytes:
        """Read so many bytes; fewer only at the end, which raises unless the video is whole."""


class Destination(Protocol):
    """One kind of store. Names are whole: an S3 key, a URI."""

    def uri(self, name: str) -> str:
        """Return the name as a URI without a connection id."""

    def find(self, name: str) -> Found | None:
        """Look what is there."""

    def read(self, name: str) -> Iterator[bytes]:
        """Read what is there, piece by piece."""

    def write(self, name: str, source: Source, marks: Marks, before: Found | None) -> None:
        """
        Store all of a source, or nothing; what was there before survives a failure.

        :param name: where to.
        :param source: the video.
        :param marks: what a later try is to know it by.
        :param before: what was found there, and may be replaced.
        """

    def read_small(self, name: str) -> bytes | None:
        """Return the beginning of what is there; ``None`` if there is nothing."""

    def write_small(self, name: str, data: bytes, content_type: str) -> None:
        """Store something small, in the place of whatever is there."""


def name_for(pattern: str, index: int, count: int) -> str:
    """
    Name one of a generation's videos.

    :param pattern: ``{index}`` in it is replaced; without, several videos get ``-0``, ``-1``, ... before the suffix.
    :param index: which video, from 0.
    :param count: how many there are.
    """
    if INDEX in pattern or count == 1:
        return pattern.replace(INDEX, str(index))
    stem, suffix = posixpath.splitext(pattern)
    return f"{stem}-{index}{suffix}"


def folder_of(uri: str) -> str:
    """Return the URI of the folder that an object is in."""
    folder = uri.rpartition("/")[0]
    return f"{folder}/" if folder.endswith("/") else folder


def media_type(source: Source) -> str:
    """Return a video's media type; many stores call everything a stream of octets."""
    told = (source.content_type or "").partition(";")[0].strip().lower()
    return told if told.startswith("video/") else "video/mp4"
