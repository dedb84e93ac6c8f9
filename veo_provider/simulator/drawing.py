# SPDX-License-Identifier: Apache-2.0
"""Draws a clip: a moving picture and a tone, encoded as a browser plays them."""

from __future__ import annotations

import array
import dataclasses
import importlib.util
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

FRAMES_PER_SECOND = 24  # What Veo delivers.
SAMPLE_RATE = 48000
_AUDIO_BLOCK = 1000
_COLOURS = ((90, 160), (160, 90), (200, 110), (110, 200), (128, 60), (60, 128), (175, 175), (90, 90))
PALETTES = len(_COLOURS)


class MissingDependency(RuntimeError):
    """The library that draws the videos is not installed."""


def require_library() -> None:
    """Say in one sentence how to get the drawing library, if it is missing."""
    if importlib.util.find_spec("av") is None:
        raise MissingDependency(
            "The simulator draws its videos with PyAV, which is not installed: "
            "pip install 'airflow-provider-veo[simulator]'"
        )


@dataclasses.dataclass(frozen=True)
class Picture:
    """
    What a clip looks like. Equal pictures are one file in the cache.

    :param seconds: length.
    :param width: width in pixels.
    :param height: height in pixels.
    :param audio: with a sound track.
    :param palette: which of the ``PALETTES`` colours.
    """

    seconds: int
    width: int
    height: int
    audio: bool
    palette: int

    @property
    def file_name(self) -> str:
        """Name in the cache. Its version changes when the drawing does."""
        sound = "sound" if self.audio else "mute"
        return f"v1-{self.width}x{self.height}-{self.seconds}s-{sound}-{self.palette}.mp4"


def draw(picture: Picture, path: Path, keep_going: Callable[[], bool] = lambda: True) -> None:
    """
    Write the clip as H.264 (and AAC) in an MP4 with its index in front.

    :param picture: what to draw.
    :param path: the file to write.
    :param keep_going: asked before every frame; False ends the work with an ``InterruptedError``.
    """
    require_library()
    import av  # An extra: the rest of the simulator must import without it.

    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        video: Any = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        video.width, video.height, video.pix_fmt = picture.width, picture.height, "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "28"}
        sound: Any = None
        if picture.audio:
            sound = container.add_stream("aac", rate=SAMPLE_RATE)
            sound.layout, sound.bit_rate = "mono", 48000
        luma = bytes(int(128 + 80 * math.sin(x * math.tau / picture.width)) for x in range(picture.width)) * 3
        for second in range(picture.seconds):
            for number in range(second * FRAMES_PER_SECOND, (second + 1) * FRAMES_PER_SECOND):
                if not keep_going():
                    raise InterruptedError("the simulator is stopping")
                frame = av.VideoFrame(picture.width, picture.height, "yuv420p")
                _paint(frame, picture, luma, number)
                frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_SECOND)
                container.mux(video.encode(frame))
            if sound is not None:
                _hum(av, container, sound, second)
        container.mux(video.encode())
        if sound is not None:
            container.mux(sound.encode())


def _paint(frame: Any, picture: Picture, luma: bytes, number: int) -> None:
    width, height = picture.width, picture.height
    progress = number / (picture.seconds * FRAMES_PER_SECOND)
    shift = int(progress * 2 * width)
    side = height // 4
    left, top = int(progress * (width - side)), int((height - side) * abs(math.sin(progress * math.tau)))
    box = b"\xeb" * side
    plane = frame.planes[0]
    rows = []
    for y in range(height):
        start = (shift + y) % width
        row = luma[start : start + width]
        if top <= y < top + side:
            row = row[:left] + box + row[left + side :]
        rows.append(row.ljust(plane.line_size, b"\0"))
    plane.update(b"".join(rows))
    for plane, colour in zip(frame.planes[1:], _COLOURS[picture.palette % PALETTES], strict=True):
        plane.update(bytes([colour]) * plane.buffer_size)


def _hum(av: Any, container: Any, sound: Any, second: int) -> None:
    tone = array.array("f", (0.1 * math.sin(math.tau * 440 * i / SAMPLE_RATE) for i in range(SAMPLE_RATE)))
    for offset in range(0, SAMPLE_RATE, _AUDIO_BLOCK):
        frame = av.AudioFrame(format="fltp", layout="mono", samples=_AUDIO_BLOCK)
        samples = tone[offset : offset + _AUDIO_BLOCK].tobytes()
        frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
        frame.pts = second * SAMPLE_RATE + offset
        container.mux(sound.encode(frame))
