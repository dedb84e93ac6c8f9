# SPDX-License-Identifier: Apache-2.0
"""What a video really is, and its first picture: seen by PyAV in what is kept of the bytes while they pass by."""

from __future__ import annotations

import io
from collections import deque
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import cache, cached_property
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from veo_provider.api.text import printable

if TYPE_CHECKING:
    import av

HEAD = 4 * 1024 * 1024
TAIL = 1024 * 1024
"""An MP4's index lies at its start or at its end; of a clip of seconds it has some tens of KB. The first picture lies
behind it, or at the start."""

MAX_PIXELS = 8192 * 4352
"""Of one picture: 8K. A few bytes can claim any size, and decoding takes memory for it."""

MAX_ZEROS = 8 * 1024 * 1024
"""Of what isn't kept: a few bytes can claim a picture of any size, which FFmpeg reads into memory."""

LOOK_SECONDS = 60
"""A look takes parts of a second; but an edit list of 20,000 entries keeps FFmpeg busy for more than a minute."""

POSTER_WIDTH = 640
_READ = 64 * 1024


@dataclass(frozen=True)
class MediaFacts:
    """
    What a stored file really is.

    :param seconds: length; ``None`` if the file doesn't tell.
    :param width: pixels, as it is shown.
    :param height: likewise.
    :param frame_rate: pictures a second, on average; ``None`` if the file doesn't tell.
    :param audio: whether it has a sound track.
    :param video_codec: such as ``h264``.
    :param audio_codec: such as ``aac``; ``None`` without a sound track.
    """

    seconds: float | None
    width: int
    height: int
    frame_rate: float | None
    audio: bool
    video_codec: str
    audio_codec: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Look:
    """
    What was seen of a video.

    :param facts: ``None`` if it can't be read.
    :param problem: why it can't be read; or else why there is no poster, though one was wanted.
    :param poster: its first picture as a JPEG, if one was wanted and could be made.
    """

    facts: MediaFacts | None
    problem: str = ""
    poster: bytes | None = None


@cache
def is_installed() -> bool:
    """Whether the extra ``media`` is there, and works: a library that it needs may be missing."""
    try:
        import av  # noqa: F401
    except Exception:  # noqa: BLE001 - a library of another version than it was made for fails in many ways
        return False
    return True


class Ends:
    """
    Keeps the first and the last bytes of a video that passes by, all that PyAV needs: at most 6 MiB of any video.

    Without a disk to write it to, and without reading it a second time.

    :param poster: whether the first picture is wanted, too.
    """

    def __init__(self, *, poster: bool) -> None:
        self._poster = poster
        self._size = 0
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0

    def feed(self, chunk: bytes) -> None:
        """
        Take the next bytes.

        :param chunk: the bytes, cut anywhere.
        """
        self._size += len(chunk)
        if room := HEAD - len(self._head):
            self._head += chunk[:room]
            chunk = chunk[room:]
        self._tail.append(chunk)
        self._tail_size += len(chunk)
        while self._tail_size - len(self._tail[0]) >= TAIL:
            self._tail_size -= len(self._tail.popleft())

    @cached_property
    def look(self) -> Look:
        """What the video is, once it has passed by; whatever it holds, this doesn't raise."""
        seen: SimpleQueue[Look] = SimpleQueue()
        # Not in the task's own thread: PyAV drops what a signal's handler raises while it reads, so Airflow's
        # execution_timeout would be lost, and a good video be taken for none.
        Thread(target=self._look_into, args=(seen,), name="veo-look", daemon=True).start()
        try:
            return seen.get(timeout=LOOK_SECONDS)
        except Empty:
            return Look(None, f"PyAV hasn't come to an end in {LOOK_SECONDS} s")

    def _look_into(self, queue: SimpleQueue[Look]) -> None:
        look = Look(None, "PyAV gave up")
        try:
            look = self._seen()
        except Exception as error:  # noqa: BLE001 - the bytes come from elsewhere, and FFmpeg has errors of many kinds
            look = Look(None, _text(error))
        finally:
            queue.put(look)

    def _seen(self) -> Look:
        import av

        kept = _Kept(self._size, bytes(self._head), b"".join(self._tail))
        # To the decoder that opening it uses, too: what was learnt of a picture there has taken its memory.
        limit = {"max_pixels": str(MAX_PIXELS)}
        with av.open(kept, "r", format="mp4", options=limit) as container:
            cover = av.stream.Disposition.attached_pic
            stream = next((one for one in container.streams.video if not one.disposition & cover), None)
            if stream is None:
                return Look(None, "no picture is in it")
            decoder: Any = stream.codec_context
            if decoder is None:
                return Look(None, "FFmpeg knows no decoder for its pictures")
            decoder.options = limit
            try:
                first = next(container.decode(stream), None)
            except av.FFmpegError:
                # Where a second has megabytes, the next pictures lie in the gap; the first may wait for them.
                first = next(iter(decoder.decode(None)), None)
                if first is None:
                    raise
            if first is None:
                return Look(None, "no picture is in it")
            # In fragments, each with an index of its own.
            fragmented = b"mvex" in self._head.partition(b"mdat")[0]
            facts = _facts(container, stream, first, fragmented=fragmented)
            if fragmented and self._size > len(self._head) + self._tail_size:
                # Of which FFmpeg knows the first ones only.
                facts = replace(facts, seconds=None, frame_rate=None)
            return self._with_poster(facts, first)

    def _with_poster(self, facts: MediaFacts, first: av.VideoFrame) -> Look:
        if not self._poster:
            return Look(facts)
        if first.rotation:
            # It would show another video than the page does.
            return Look(facts, "its first picture lies on its side")
        try:
            return Look(facts, poster=_jpeg(first, facts.width))
        except Exception as error:  # noqa: BLE001 - as above; and the facts are true without a poster
            return Look(facts, _text(error))


class _Kept(io.RawIOBase):
    """A file of which only both ends are there; between them are zeros, of which FFmpeg may read some."""

    def __init__(self, size: int, head: bytes, tail: bytes) -> None:
        super().__init__()
        self._size = size
        self._head = head
        self._tail = tail
        self._at = 0
        self._zeros = MAX_ZEROS

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = _READ if size is None or size < 0 else size
        begin = self._size - len(self._tail)
        if self._at < len(self._head):
            data = self._head[self._at : self._at + wanted]
        elif self._at < begin:
            data = bytes(min(wanted, begin - self._at, self._zeros))
            self._zeros -= len(data)
        else:
            data = self._tail[self._at - begin :][:wanted]
        self._at += len(data)
        return data


def _facts(
    container: av.container.InputContainer, stream: av.VideoStream, first: av.VideoFrame, *, fragmented: bool
) -> MediaFacts:
    # Of the pictures and not of the file, which a longer sound would lengthen.
    length, base = stream.duration, stream.time_base
    seconds = round(float(length * base), 3) if length and base else None
    shown = max(round(first.width * (stream.sample_aspect_ratio or 1)), 1), first.height
    width, height = shown if first.rotation % 180 == 0 else shown[::-1]
    # A track may be announced and hold nothing. What fragments hold isn't known from the start.
    sound = next((one for one in container.streams.audio if one.frames or fragmented), None)
    return MediaFacts(
        seconds=seconds,
        width=width,
        height=height,
        frame_rate=round(float(stream.average_rate), 3) if stream.average_rate else None,
        audio=sound is not None,
        video_codec=stream.codec.canonical_name,
        audio_codec=_codec(sound) if sound else None,
    )


def _codec(sound: av.AudioStream) -> str:
    decoder: Any = sound.codec_context
    # FFmpeg knows more codecs than it can decode; nobody listens here, and it is a sound track all the same.
    return "unknown" if decoder is None else decoder.codec.canonical_name


def _text(error: Exception) -> str:
    return printable(f"{type(error).__name__}: {error}", 200)


def _jpeg(picture: av.VideoFrame, shown: int) -> bytes:
    """
    Return a picture as a small JPEG.

    :param picture: the picture.
    :param shown: how wide it is shown; its pixels may be no squares.
    """
    import av

    width = max(min(POSTER_WIDTH, shown) // 2 * 2, 2)
    height = max(picture.height * width // shown // 2 * 2, 2)
    small = picture.reformat(width, height, "yuvj420p")
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 24)
    small.pts, small.time_base = 0, encoder.time_base
    return b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])
