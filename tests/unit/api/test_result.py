# SPDX-License-Identifier: Apache-2.0
"""Decoding and the checking stream, against the standard library and against every way to be broken."""

from __future__ import annotations

import base64
import hashlib
import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from tests.support.boxes import mp4
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.result import ResultProblem, VideoStream, broken_off, decode_base64

VIDEO = mp4(bytes(range(256)) * 40)
CUTS = st.lists(st.integers(0, 9), min_size=1, max_size=6)


def pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    turn = 0
    while data:
        size = sizes[turn % len(sizes)] if any(sizes) else 1
        yield data[:size]
        data, turn = data[size:], turn + 1


def stream(*chunks: bytes, **options: Any) -> VideoStream:
    defaults: dict[str, Any] = {"content_type": "video/mp4", "max_bytes": 1_000_000, "close": lambda: None}
    return VideoStream(iter(chunks), **defaults | options)


def failing(*chunks: bytes, error: Exception) -> Iterator[bytes]:
    yield from chunks
    raise error


@given(st.binary(max_size=80), CUTS, st.booleans(), st.booleans(), st.sampled_from([0, 1, 3, 76]))
def test_base64_of_every_dialect(data: bytes, cuts: list[int], padded: bool, url_safe: bool, line: int) -> None:
    text = base64.urlsafe_b64encode(data) if url_safe else base64.b64encode(data)
    text = text if padded else text.rstrip(b"=")
    if line:
        text = b"".join(text[at : at + line] + b" \r\n" for at in range(0, len(text), line))
    assert b"".join(decode_base64(pieces(text, cuts))) == data


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize(
    "text", [b"QUJ*", b"Q", b"QUJDR", b"QQ==QUJD", b"QQ==QQ==", b"QUJD=", b"Q===", b"QUI==", b"<h", b"\xff"]
)
def test_what_is_no_base64_is_refused(text: bytes, size: int) -> None:
    with pytest.raises(ResultProblem, match="isn't base64") as caught:
        b"".join(decode_base64(pieces(text, [size])))
    assert caught.value.problem.reason is Reason.PROTOCOL
    assert not caught.value.problem.transient


def test_base64_is_decoded_as_it_arrives() -> None:
    chunks = iter([b"QUJD", b"REVG"])
    decoded = decode_base64(chunks)
    assert next(decoded) == b"ABC"
    assert next(chunks) == b"REVG"


@given(st.lists(st.integers(0, 3000), max_size=8), CUTS)
def test_reads_are_short_only_at_the_end(reads: list[int], cuts: list[int]) -> None:
    with stream(*pieces(VIDEO, [cut * 100 for cut in cuts]), size_hint=len(VIDEO)) as video:
        read = b""
        for size in reads:
            part = video.read(size)
            assert len(part) == min(size, len(VIDEO) - len(read))
            read += part
        assert read + video.read() == VIDEO
        assert video.read(10) == b""
        assert video.size == len(VIDEO)
        assert video.sha256 == hashlib.sha256(VIDEO).hexdigest()


def test_is_a_file_for_others() -> None:
    video = stream(VIDEO)
    assert video.readable()
    assert not video.seekable()
    assert not video.writable()
    assert (video.content_type, video.size_hint, video.size) == ("video/mp4", None, 0)
    assert io.BufferedReader(video, 100).read() == VIDEO
    buffered = io.BufferedReader(stream(VIDEO[:70], VIDEO[70:]), 100)
    assert buffered.read(150) + buffered.read(len(VIDEO)) == VIDEO
    assert buffered.read(1) == b""
    assert stream(VIDEO[:50], VIDEO[50:]).readall() == VIDEO


def test_closing_releases_the_source_once() -> None:
    closed: list[int] = []
    with stream(VIDEO, close=lambda: closed.append(1)) as video:
        video.read(10)
        assert not closed
    video.close()
    assert closed == [1]
    with pytest.raises(ValueError, match="closed"):
        video.read(1)


@pytest.mark.parametrize("missing", [1, 5000, len(VIDEO) - 20, len(VIDEO) - 3])
def test_a_cut_is_an_error_and_no_short_read(missing: int) -> None:
    cut = len(VIDEO) - missing
    video = stream(VIDEO[: cut // 2], VIDEO[cut // 2 : cut], size_hint=len(VIDEO))
    with pytest.raises(ResultProblem, match=f"{cut} of the video's {len(VIDEO)} bytes") as caught:
        video.read(len(VIDEO))
    assert caught.value.problem.reason is Reason.NETWORK
    assert caught.value.problem.transient
    with pytest.raises(ResultProblem):  # A caller that tries on must not meet a peaceful end.
        video.read(1)


@pytest.mark.parametrize("hint", [None, 0])
def test_nothing_is_no_video(hint: int | None) -> None:
    with pytest.raises(ResultProblem, match="empty") as caught:
        stream(b"", size_hint=hint).read(1)
    assert caught.value.problem.transient


def test_more_than_announced_is_an_error() -> None:
    with pytest.raises(ResultProblem) as caught:
        stream(VIDEO, size_hint=100).read()
    assert caught.value.problem.reason is Reason.PROTOCOL


def test_too_large_a_video_is_refused() -> None:
    video = stream(*[VIDEO] * 10, max_bytes=3 * len(VIDEO))
    assert len(video.read(3 * len(VIDEO))) == 3 * len(VIDEO)
    with pytest.raises(ResultProblem, match="max_bytes") as caught:
        video.read(1)
    assert caught.value.problem.reason is Reason.PROTOCOL
    assert stream(VIDEO, max_bytes=len(VIDEO)).read() == VIDEO


def test_an_announced_size_above_the_limit_is_refused_before_a_byte() -> None:
    closed: list[int] = []
    with pytest.raises(ResultProblem, match="max_bytes=10"):
        stream(VIDEO, max_bytes=10, size_hint=11, close=lambda: closed.append(1))
    assert closed == [1]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_error_page_is_recognisable_and_holds_no_signed_link(size: int) -> None:
    page = b'<?xml version="1.0"?>\n<Error>\x1b[31mhttps://bucket.example/v/?X-Sig=secret <b>Expired</b>' + b"." * 300
    with pytest.raises(ResultProblem) as caught:
        stream(*pieces(page, [size]), content_type="text/html").read()
    message = str(caught.value)
    assert "'text/html'" in message
    assert "<Error> [31mhttps://bucket.example/v/" in message
    assert "secret" not in message
    assert message.isprintable()
    assert len(message) < 250
    assert caught.value.problem.reason is Reason.PROTOCOL


@pytest.mark.parametrize("data", [b"x", b"\0\0\0\x08ftyx", b"\x1aE\xdf\xa3\x9fB\x86\x81\x01webm" + b"\0" * 100])
def test_no_other_container_is_an_mp4(data: bytes) -> None:
    with pytest.raises(ResultProblem, match="no MP4"):
        stream(data).read(1)


def test_errors_of_the_source_pass_through_as_the_opener_wants_them() -> None:
    class Wanted(Exception):
        def __init__(self, problem: Problem) -> None:
            self.problem = problem

    for cause, expected in ((broken_off("cut"), Wanted), (OSError("x"), OSError)):
        video = VideoStream(
            failing(VIDEO, error=cause), content_type="", max_bytes=10**6, close=lambda: None, error=Wanted
        )
        assert video.read(len(VIDEO)) == VIDEO
        for _ in range(2):
            with pytest.raises(expected):
                video.read(1)


@pytest.mark.parametrize("large", [False, True])
def test_boto3_uploads_it_in_one_part_or_many(large: bool) -> None:
    data = mp4(bytes(9_000_000)) if large else VIDEO
    with mock_aws():
        s3 = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        s3.create_bucket(Bucket="videos")
        with stream(*pieces(data, [65536]), size_hint=len(data), max_bytes=10**8) as video:
            s3.upload_fileobj(video, "videos", "a.mp4")
        assert s3.get_object(Bucket="videos", Key="a.mp4")["Body"].read() == data
        with pytest.raises(ResultProblem), stream(data, size_hint=len(data) + 1, max_bytes=10**8) as video:
            s3.upload_fileobj(video, "videos", "b.mp4")
        assert s3.list_objects_v2(Bucket="videos")["KeyCount"] == 1


def test_a_byte_at_a_time_takes_no_more_memory() -> None:
    video = mp4(bytes(250) * 1200)
    slow = VideoStream(
        (video[at : at + 1] for at in range(len(video))),
        content_type="video/mp4",
        max_bytes=1_000_000,
        close=lambda: None,
    )
    tracemalloc.start()
    try:
        assert slow.read() == video
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
