# SPDX-License-Identifier: Apache-2.0
"""What PyAV sees in the ends of a video; the clips are real ones."""

from __future__ import annotations

import io
import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.support.boxes import mp4
from veo_provider.simulator.drawing import Picture, draw
from veo_provider.transfers import media
from veo_provider.transfers.media import Ends, Look, MediaFacts

UPRIGHT = Picture(seconds=2, width=180, height=320, audio=True, palette=0)
FACTS = MediaFacts(2.0, 180, 320, 24.0, audio=True, video_codec="h264", audio_codec="aac")


def clip(folder: Path, picture: Picture = UPRIGHT) -> bytes:
    draw(picture, folder / "clip.mp4")
    return (folder / "clip.mp4").read_bytes()


def look(data: bytes, *, piece: int = 1024 * 1024, poster: bool = False) -> Look:
    ends = Ends(poster=poster)
    for start in range(0, len(data), piece):
        ends.feed(data[start : start + piece])
    return ends.look


def muxed_again(data: bytes, folder: Path, *, kind: str | None = None, **options: str) -> bytes:
    """The same pictures and sound, or only one kind of them, in another order of boxes."""
    path = folder / "again.mp4"
    with av.open(io.BytesIO(data), "r") as source, av.open(str(path), "w", format="mp4", options=options) as target:
        chosen = [stream for stream in source.streams if kind in (None, stream.type)]
        streams = {stream.index: target.add_stream_from_template(stream) for stream in chosen}
        for packet in source.demux(chosen):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return path.read_bytes()


@pytest.mark.parametrize("piece", [1000, 65536, 1024 * 1024])
def test_what_a_clip_is(tmp_path: Path, piece: int) -> None:
    assert look(clip(tmp_path), piece=piece).facts == FACTS


def test_a_clip_without_sound(tmp_path: Path) -> None:
    facts = look(clip(tmp_path, Picture(1, 64, 48, audio=False, palette=0))).facts
    assert facts == MediaFacts(1.0, 64, 48, 24.0, audio=False, video_codec="h264", audio_codec=None)


def test_an_index_behind_the_pictures(tmp_path: Path) -> None:
    data = muxed_again(clip(tmp_path), tmp_path)
    assert data.index(b"moov") > data.index(b"mdat")
    assert look(data).facts == FACTS


def test_fragments(tmp_path: Path) -> None:
    data = muxed_again(clip(tmp_path), tmp_path, movflags="frag_keyframe+empty_moov+default_base_moof")
    assert b"moof" in data
    facts = look(data).facts
    assert facts is not None
    assert (facts.width, facts.height, facts.audio) == (180, 320, True)


@pytest.mark.parametrize("behind", [False, True])
def test_only_the_ends_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind: bool) -> None:
    data = clip(tmp_path)
    data = muxed_again(data, tmp_path) if behind else data
    monkeypatch.setattr(media, "HEAD", data.index(b"mdat") + 12_000)
    monkeypatch.setattr(media, "TAIL", 6_000)
    at = len(data) // 2
    # What lies in between isn't there at all any more: other bytes in its place change nothing.
    damaged = data[: at + 4000] + bytes(4000) + data[at + 8000 :]
    assert len(data) > media.HEAD + 12_000
    assert look(damaged, piece=1000, poster=True) == look(data, piece=1000, poster=True)
    assert look(damaged, piece=1000).facts == FACTS


def test_memory_stays_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "HEAD", 1000)
    monkeypatch.setattr(media, "TAIL", 500)
    ends = Ends(poster=False)
    kept: list[int] = []
    for _ in range(1000):
        ends.feed(bytes(100))
        kept.append(len(ends._head) + sum(map(len, ends._tail)))
    assert max(kept) <= 1000 + 500 + 100


def test_a_picture_that_is_shown_turned(tmp_path: Path) -> None:
    data = bytearray(clip(tmp_path))
    matrix = data.index(b"tkhd") + 4 + 40
    turned = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 320 * 65536, 0, 0x40000000)
    data[matrix : matrix + len(turned)] = turned
    seen = look(bytes(data), poster=True)
    assert seen.facts is not None
    assert (seen.facts.width, seen.facts.height) == (320, 180)
    # A picture that lies on its side is worse than none.
    assert seen.poster is None


def encoded(
    codec: str, aspect: Fraction | None = None, *, size: tuple[int, int] = (320, 180), count: int = 24
) -> bytes:
    """A grey video of some pictures."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream: Any = container.add_stream(codec, rate=24)
        stream.width, stream.height = size
        stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for number in range(count):
            picture = av.VideoFrame(*size, stream.pix_fmt)
            picture.pts, picture.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return file.getvalue()


def test_pixels_that_are_no_squares() -> None:
    facts = look(encoded("libx264", Fraction(81, 64))).facts
    assert facts is not None
    assert (facts.width, facts.height) == (405, 180)


def test_a_codec_is_called_by_its_own_name() -> None:
    """And not by that of the library which decodes it here."""
    facts = look(encoded("libsvtav1")).facts
    assert facts is not None
    assert facts.video_codec == "av1"


def test_a_library_that_does_not_load_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    media.is_installed.cache_clear()
    monkeypatch.setitem(sys.modules, "av", None)
    try:
        assert not media.is_installed()
    finally:
        media.is_installed.cache_clear()
    monkeypatch.undo()
    assert media.is_installed()


def test_its_first_picture(tmp_path: Path) -> None:
    data = clip(tmp_path, Picture(1, 1280, 720, audio=False, palette=4))
    poster = look(data, poster=True).poster
    assert poster is not None
    with av.open(io.BytesIO(poster), "r") as container:
        shown = next(container.decode(video=0))
    assert (shown.width, shown.height) == (640, 360)
    with av.open(io.BytesIO(data), "r") as container:
        first = next(container.decode(video=0)).reformat(640, 360, "yuvj420p")
    # The bright square is where it is in the clip.
    assert _brightness(shown) == pytest.approx(_brightness(first), abs=6)
    assert look(data).poster is None


def _brightness(picture: Any) -> list[float]:
    plane = picture.planes[0]
    data, rows = bytes(plane), []
    for top in range(0, 360, 90):
        row = data[top * plane.line_size : top * plane.line_size + 640]
        rows += [sum(row[left : left + 160]) / 160 for left in range(0, 640, 160)]
    return rows


@pytest.mark.parametrize("data", [b"", b"no video", mp4(b"pictures?" * 100)])
def test_what_is_no_video(data: bytes) -> None:
    seen = look(data, poster=True)
    assert (seen.facts, seen.poster) == (None, None)
    assert seen.problem


def test_a_picture_of_any_size_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_PIXELS", 180 * 320 - 1)
    assert look(clip(tmp_path)).facts is None
    monkeypatch.setattr(media, "MAX_PIXELS", 192 * 320)
    assert look(clip(tmp_path)).facts == FACTS


def test_sound_alone(tmp_path: Path) -> None:
    assert look(muxed_again(clip(tmp_path), tmp_path, kind="audio")) == Look(None, "no picture is in it")


def test_a_file_that_names_other_files_opens_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.mp4").write_bytes(clip(tmp_path))
    # FFmpeg opens names without a folder more readily: where nothing says what the text is, it opens the first.
    monkeypatch.chdir(tmp_path)
    named = b"ffconcat version 1.0\nfile secret.mp4\n"
    with av.open(io.BytesIO(named), "r") as container:
        assert next(container.decode(video=0)).width == 180
    for text in (
        named,
        f"ffconcat version 1.0\nfile {tmp_path}/secret.mp4\n".encode(),
        f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.mp4\n".encode(),
    ):
        assert look(text).facts is None
