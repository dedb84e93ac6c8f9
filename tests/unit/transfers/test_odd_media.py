# SPDX-License-Identifier: Apache-2.0
"""Videos that are unusual, or made to hurt, and what may come in between while one is looked at."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import av
import pytest

from tests.support import memory
from tests.support.boxes import box
from tests.unit.transfers.fakes import Interrupted
from tests.unit.transfers.test_media import clip, encoded, look, muxed_again
from veo_provider.transfers import media
from veo_provider.transfers.asked import differences
from veo_provider.transfers.media import Ends, Look, MediaFacts

GREY = MediaFacts(1.0, 320, 180, 24.0, audio=False, video_codec="h264", audio_codec=None)


@pytest.fixture
def timeout() -> Iterator[None]:
    """As Airflow's execution_timeout (whose own signal pytest uses): its handler raises in the main thread."""

    def strike(*_: Any) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, strike)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("timeout")
@pytest.mark.parametrize("method", ["read", "seek"])
def test_a_timeout_while_it_is_read_is_not_lost(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """PyAV drops what is raised inside its callbacks, and takes it for the end of the file."""
    real, strikes = getattr(media._Kept, method), iter([True])

    def struck(*arguments: Any) -> Any:
        if next(strikes, False):
            os.kill(os.getpid(), signal.SIGUSR1)
        return real(*arguments)

    data = encoded("libx264")
    monkeypatch.setattr(media._Kept, method, struck)
    with pytest.raises(Interrupted):
        look(data)


def test_a_look_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    released = Event()
    monkeypatch.setattr(media, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(media._Kept, "read", lambda *_: released.wait(10) and b"")
    assert look(encoded("libx264")) == Look(None, "PyAV hasn't come to an end in 0.05 s")
    released.set()


def with_cover(data: bytes, jpeg: bytes) -> bytes:
    """A file with a cover, which FFmpeg shows as a stream of pictures before all others."""
    cover = box(b"covr", box(b"data", b"\0\0\0\x0d\0\0\0\0" + jpeg))
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    told = box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", cover)))
    index = data.index(b"moov") - 4
    size = int.from_bytes(data[index : index + 4], "big")
    return data[:index] + box(b"moov", told + data[index + 8 : index + size]) + data[index + size :]


def jpeg() -> bytes:
    return look(encoded("libx264"), poster=True).poster or b""


def test_a_cover_is_not_the_video(tmp_path: Path) -> None:
    data = with_cover(encoded("libx264"), jpeg())
    with av.open(io.BytesIO(data), "r") as container:
        assert container.streams.video[0].codec.name == "mjpeg"
    assert look(data).facts == GREY


def test_sound_with_a_cover_is_no_video(tmp_path: Path) -> None:
    sound = muxed_again(clip(tmp_path), tmp_path, kind="audio")
    assert look(with_cover(sound, jpeg())) == Look(None, "no picture is in it")


def test_sound_that_nothing_here_can_play_is_sound(tmp_path: Path) -> None:
    data = muxed_again(clip(tmp_path), tmp_path).replace(b"mp4a", b"new!").replace(b"esds", b"free")
    facts = look(data).facts
    assert facts is not None
    assert (facts.width, facts.audio, facts.audio_codec) == (180, True, "unknown")


def test_a_sound_track_without_sound_is_none(tmp_path: Path) -> None:
    data = muxed_again(clip(tmp_path), tmp_path)
    track = data.rindex(b"trak")
    for kind, numbers in ((b"stsz", 2), (b"stts", 1), (b"stsc", 1), (b"stco", 1)):
        # No samples, no times, no chunks: the numbers of entries behind version and flags are 0.
        at = data.index(kind, track) + 8
        data = data[:at] + bytes(4 * numbers) + data[at + 4 * numbers :]
    with av.open(io.BytesIO(data), "r") as container:
        assert len(container.streams.audio) == 1
    facts = look(data).facts
    assert facts is not None
    assert (facts.width, facts.audio, facts.audio_codec) == (180, False, None)


def test_pictures_that_nothing_here_can_decode() -> None:
    assert look(encoded("libx264").replace(b"avc1", b"new!")).problem == "FFmpeg knows no decoder for its pictures"


def test_fragments_that_are_not_kept_leave_the_length_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first of them hold is no length of the video: a good one must not be called too short."""
    data = muxed_again(clip(tmp_path), tmp_path, movflags="empty_moov+default_base_moof", frag_duration="250000")
    second = data.index(b"moof", data.index(b"moof") + 4)
    whole = look(data).facts
    assert whole is not None
    assert whole.seconds == pytest.approx(2.0, abs=0.05)
    monkeypatch.setattr(media, "HEAD", second)
    # All of it is kept, in two pieces.
    assert look(data, piece=1000).facts == whole
    monkeypatch.setattr(media, "TAIL", 1000)
    facts = look(data, piece=1000).facts
    assert facts is not None
    assert (facts.seconds, facts.frame_rate) == (None, None)
    assert (facts.width, facts.height, facts.audio) == (180, 320, True)


def test_a_first_picture_that_waits_for_others_that_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a video of more than 1 MB a picture."""
    data = encoded("libx264")
    with av.open(io.BytesIO(data), "r") as container:
        first, second = list(container.demux(video=0))[:2]
        assert first.pos is not None
        assert second.pos is not None
        monkeypatch.setattr(media, "HEAD", second.pos)
    index = data.index(b"moov") - 4
    monkeypatch.setattr(media, "TAIL", len(data) - index)
    # What is kept of the end is the index alone.
    assert len(data) > media.HEAD + media.TAIL
    assert look(data, piece=10).facts == GREY


def test_the_limit_of_pixels_holds_while_the_file_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg decodes pictures before anybody asks for one."""
    data = encoded("png", size=(6000, 6000), count=1)
    monkeypatch.setattr(media, "MAX_PIXELS", 6000 * 6000 - 1)
    memory.forget_peak()
    before = memory.peak()
    assert look(data).facts is None
    assert memory.peak() - before < 20 * 1024**2


def test_a_picture_that_claims_most_of_the_file(tmp_path: Path) -> None:
    data = bytearray(encoded("libx264"))
    at = data.index(b"stsz") + 4 + 12
    data[at : at + 4] = (100 * 1024**2).to_bytes(4, "big")
    seen = Ends(poster=True)
    seen.feed(bytes(data))
    for _ in range(120):
        seen.feed(bytes(1024**2))
    memory.forget_peak()
    before = memory.peak()
    assert seen.look.facts is None
    assert memory.peak() - before < 80 * 1024**2


@pytest.mark.parametrize("turned", [False, True])
def test_pixels_that_are_lines(tmp_path: Path, turned: bool) -> None:
    """A side of no length would be divided by."""
    data = bytearray(encoded("libx264", Fraction(81, 64)))
    at = data.index(b"pasp") + 4
    data[at : at + 8] = b"\0\0\0\1\0\0\xff\xff"
    if turned:
        at = data.index(b"tkhd") + 4 + 40
        data[at : at + 20] = bytes.fromhex("0000000000010000 00000000 ffff0000 00000000")
    seen = look(bytes(data), poster=True)
    assert seen.facts is not None
    assert (seen.facts.width, seen.facts.height) == ((180, 1) if turned else (1, 180))
    assert len(differences(seen, {"aspect_ratio": "16:9"})) == 1


def test_a_picture_that_stands_on_its_head() -> None:
    data = bytearray(encoded("libx264"))
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 20] = bytes.fromhex("ffff0000 00000000 00000000 00000000 ffff0000")
    seen = look(bytes(data), poster=True)
    assert (seen.facts, seen.poster) == (GREY, None)


def test_a_poster_of_pixels_that_are_no_squares() -> None:
    poster = look(encoded("libx264", Fraction(81, 64)), poster=True).poster
    assert poster is not None
    with av.open(io.BytesIO(poster), "r") as container:
        shown = next(container.decode(video=0))
    assert (shown.width, shown.height) == (404, 178)


def test_a_library_that_fails_while_it_loads_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "av.py").write_text("raise OSError('made for another version')")
    media.is_installed.cache_clear()
    monkeypatch.delitem(sys.modules, "av")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert not media.is_installed()
    finally:
        media.is_installed.cache_clear()


def test_the_facts_are_true_without_a_poster(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> bytes:
        raise ValueError("no such format")

    monkeypatch.setattr(media, "_jpeg", fails)
    seen = look(encoded("libx264"), poster=True)
    assert (seen.facts, seen.poster) == (GREY, None)
    assert "no such format" in seen.problem


def test_a_picture_of_one_pixel() -> None:
    seen = look(encoded("png", size=(1, 1), count=1), poster=True)
    assert seen.facts is not None
    assert seen.poster
