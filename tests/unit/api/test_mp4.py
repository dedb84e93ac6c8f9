# SPDX-License-Identifier: Apache-2.0
"""A video that ends early is never taken for a whole one, however it came."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.boxes import FTYP, box
from veo_provider.api.mp4 import MAX_BOXES
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.result import ResultProblem, VideoStream, decode_base64
from veo_provider.simulator.drawing import Picture, draw
from veo_provider.simulator.mp4 import VideoFile

MOOV, MOOF, MDAT = box(b"moov", b"index"), box(b"moof", b"part"), box(b"mdat", b"pictures")
SIZES = st.lists(st.integers(1, 600), min_size=1, max_size=6)


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    parts: list[bytes] = []
    while data:
        size = sizes[len(parts) % len(sizes)]
        parts.append(data[:size])
        data = data[size:]
    return parts


def problem_of(
    data: bytes, sizes: list[int] | None = None, *, size_hint: int | None = None, bounded: bool = False
) -> Problem | None:
    """Read a video, as a link without a length gives it; ``None`` if it was whole."""
    stream = VideoStream(
        pieces(data, sizes or [len(data) or 1]),
        content_type="video/mp4",
        max_bytes=10**6,
        close=lambda: None,
        size_hint=size_hint,
        bounded=bounded,
    )
    try:
        assert stream.read() == data
    except ResultProblem as error:
        return error.problem
    return None


def is_cut(problem: Problem | None) -> bool:
    return problem is not None and (problem.reason, problem.transient) == (Reason.NETWORK, True)


def is_garbage(problem: Problem | None) -> bool:
    return problem is not None and (problem.reason, problem.transient) == (Reason.PROTOCOL, False)


@pytest.fixture(scope="module", params=["mute", "sound", "padded"])
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the simulator delivers: a drawn clip, and a ``free`` box behind it."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    draw(Picture(seconds=1, width=64, height=48, audio=request.param == "sound", palette=0), path)
    at_least = 20_000 if request.param == "padded" else 0
    return b"".join(VideoFile(path, path.stat().st_size, "mark", at_least).read())


def clip_of(video: bytes) -> int:
    """Where the clip ends, and its last picture: what follows is only the ``free`` box."""
    at = 0
    kinds: list[bytes] = []
    while kinds[-1:] != [b"mdat"]:
        kinds.append(video[at + 4 : at + 8])
        at += int.from_bytes(video[at : at + 4], "big")
    assert kinds == [b"ftyp", b"moov", b"free", b"mdat"]
    return at


def test_no_beginning_of_a_real_video_is_a_video(video: bytes) -> None:
    # The clip without the box behind it has every picture: nothing but a length could tell that there was more.
    clip = clip_of(video)
    assert [size for size in range(len(video)) if not is_cut(problem_of(video[:size]))] == [clip]
    assert is_cut(problem_of(video[:clip], size_hint=len(video)))


def test_a_gateway_that_stored_a_cut_file_announces_the_cut_ones_length(video: bytes) -> None:
    clip = clip_of(video)
    for size in range(1, len(video), 7):
        problem = problem_of(video[:size], size_hint=size)
        assert problem is None if size >= clip else is_cut(problem), size


@given(sizes=SIZES, cut=st.integers(1))
def test_how_a_video_is_cut_into_pieces_does_not_matter(video: bytes, sizes: list[int], cut: int) -> None:
    assert problem_of(video, sizes) is None
    clip = clip_of(video)
    assert is_cut(problem_of(video[: cut % clip], sizes))


@given(sizes=SIZES, cut=st.integers(1))
def test_an_inline_video_is_checked_too(video: bytes, sizes: list[int], cut: int) -> None:
    def read(data: bytes) -> None:
        text = base64.b64encode(data)
        chunks = decode_base64(pieces(text, sizes))
        with VideoStream(chunks, content_type="", max_bytes=10**6, close=lambda: None) as stream:
            assert stream.read() == data

    read(video)
    with pytest.raises(ResultProblem) as caught:
        read(video[: cut % clip_of(video)])
    assert caught.value.problem.transient


def test_a_video_in_the_folder_of_a_simulator(tmp_path: Path) -> None:
    draw(Picture(seconds=1, width=64, height=48, audio=True, palette=1), tmp_path / "clip.mp4")
    assert problem_of((tmp_path / "clip.mp4").read_bytes()) is None


@pytest.mark.parametrize(
    "data",
    [
        FTYP + MOOV + MDAT,
        FTYP + MDAT + MOOV,
        FTYP + box(b"free") + MOOV + MDAT + box(b"uuid", bytes(16)),
        FTYP + MOOV + box(b"mdat", b"pictures", large=True),
        box(b"ftyp", b"mp42\0\0\0\0", large=True) + MOOV + MDAT,
        FTYP + MOOV + MOOF + MDAT + MOOF + MDAT + box(b"mfra"),
        FTYP + MOOV + box(b"mdat", b"to the end", size=0),
        FTYP + box(b"moov") + box(b"mdat"),
    ],
)
def test_whole_videos(data: bytes) -> None:
    for size in (1, 3, 8, 16, len(data)):
        assert problem_of(data, [size]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        FTYP,
        FTYP + MOOV,
        FTYP + MDAT,
        FTYP + MOOF + MDAT,
        FTYP + MOOV + MOOF,
        FTYP + MOOV + MOOF + MDAT + MOOF,
        FTYP + MOOV + MDAT + b"\0",
        FTYP + MOOV + MDAT + b"\0\0\0\x20fre",
        FTYP + MOOV + MDAT + box(b"free", size=9),
        FTYP + MOOV + box(b"mdat", b"pictures", large=True, size=2**40),
        FTYP + MOOV + box(b"mdat", b"pictures", large=True)[:12],
        FTYP + box(b"mdat", b"to the end" + MOOV, size=0),
    ],
)
def test_cut_videos(data: bytes) -> None:
    for size in (1, 3, 8, 16, len(data) or 1):
        assert is_cut(problem_of(data, [size]))


@pytest.mark.parametrize(
    "data",
    [
        FTYP + b"\0\0\0\x07moov" + MDAT,
        FTYP + box(b"moov", large=True, size=15) + MDAT,
        FTYP + MDAT + bytes(100),
        FTYP + b"\0\0\0\x40\xff\xd8\xff\xe0" + MOOV + MDAT + bytes(100),
    ],
)
def test_what_is_no_video(data: bytes) -> None:
    for size in (1, 3, 8, 16, len(data)):
        assert is_garbage(problem_of(data, [size])), problem_of(data, [size])


@pytest.mark.parametrize("tail", [bytes(8), bytes(1000), b"\0\0\0\x07free", b"\xff" * 30, b"\0\0\0\x10\0\0\0\0"])
def test_what_no_box_can_begin_with_is_let_pass_behind_a_whole_video(tail: bytes) -> None:
    for size in (1, 3, 8, 16, 2000):
        assert problem_of(FTYP + MOOV + MDAT + tail, [size]) is None


WHOLE = [FTYP + MOOV + MDAT, FTYP + MDAT + MOOV, FTYP + MOOV + MOOF + MDAT + MOOF + MDAT]
TAILS = [
    b"\0",
    bytes(7),
    b"\0\0\0\x20fre",
    b"\0\0\0\1free" + bytes(7),
    b"\0\0\0\1\xff\xd8\xff\xe0" + bytes(3),
    box(b"free", size=9),
    box(b"uuid", bytes(30), size=2**31),
    box(b"uuid", bytes(30), large=True, size=2**40),
    b"<!-- served by a CDN -->",
    box(b"free", bytes(30)) + b"\0\0\1",
]


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("video", WHOLE)
def test_a_tail_behind_a_whole_video_passes_if_nothing_can_be_missing(video: bytes, tail: bytes) -> None:
    data = video + tail
    for size in (1, 3, 8, 16, len(data)):
        assert problem_of(data, [size], size_hint=len(data)) is None
        assert problem_of(data, [size], bounded=True) is None
        assert is_cut(problem_of(data, [size]))
        assert is_cut(problem_of(data, [size], size_hint=len(data) + 1))


@pytest.mark.parametrize(
    "data",
    [
        FTYP[:12],
        FTYP + MOOV + b"\0",
        FTYP + MDAT + box(b"free", size=9),
        FTYP + box(b"free") + MDAT + box(b"moov", b"index")[:-1],
        FTYP + MOOV + box(b"mdat", b"pictures", size=5000),
        FTYP + MOOV + box(b"mdat", b"pictures", large=True, size=2**40),
        FTYP + MOOV + MDAT + box(b"mdat", b"more", size=5000),
        FTYP + MOOV + MDAT + box(b"mdat", b"more", large=True)[:12],
        FTYP + MOOV + MOOF + MDAT + box(b"moof", b"part")[:-1],
        FTYP + MOOV + MOOF + MDAT + MOOF + b"\0\0",
        FTYP + MOOV + MOOF + MDAT + box(b"styp", b"msdh")[:-1],
        FTYP + MOOV + MOOF + MDAT + box(b"sidx", b"where")[:-1],
    ],
)
def test_a_cut_video_is_cut_though_nothing_was_lost_on_the_way(data: bytes) -> None:
    for size in (1, 3, 8, 16, len(data)):
        assert is_cut(problem_of(data, [size], size_hint=len(data)))
        assert is_cut(problem_of(data, [size], bounded=True))


def test_boxes_without_end_are_no_video() -> None:
    for kind in (b"free", b"moof"):
        begin = FTYP + MOOV + MDAT
        fitting = begin + box(b"free") * (MAX_BOXES - 3)
        assert problem_of(fitting, [65536]) is None
        problem = problem_of(begin + box(kind) * MAX_BOXES, [65536])
        assert is_garbage(problem)
        assert problem
        assert "no MP4 video: it has more than 100000 boxes" in problem.message


def test_the_message_says_where_it_ended() -> None:
    data = FTYP + MOOV + box(b"mdat", b"pictures", size=5000)
    problem = problem_of(data)
    assert problem
    assert problem.message == f"The video ends after {len(data)} bytes, but its mdat box goes on to byte 5029"
    problem = problem_of(FTYP + MOOV)
    assert problem
    assert problem.message == "The video ends after 29 bytes, without a box of type mdat"
