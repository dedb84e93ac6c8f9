# SPDX-License-Identifier: Apache-2.0
"""What is read of Google's and Microsoft's stores: frames for a request, and videos for the page."""

from __future__ import annotations

import base64

import pytest

from tests.stores.emulators import Store, as_variable
from tests.support.memory import forget_peak, held, peak
from tests.unit.api.test_request import BASE
from tests.unit.operators.test_frames import PNG
from tests.unit.transfers.fakes import FakeHook, movie, run
from veo_provider.api.request import RequestError, parse_request
from veo_provider.operators.frames import read_frames
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator
from veo_provider.ui.facts import TaskKey, Video
from veo_provider.ui.stores import Bytes, NotThere, open_video

MIB = 1024 * 1024
VIDEO = movie(6 * MIB)


def video(there: Store, conn_id: str | None = "cloud", name: str = "a.mp4") -> Video:
    facts = {"index": 0, "size": len(VIDEO), "content_type": "video/mp4", "generation_id": "task_1"}
    uri = f"{there.scheme}://films/{name}"
    return Video(TaskKey("d", "r", "t", -1), uri, **facts, conn_id=conn_id, media={}, poster=True)  # type: ignore[arg-type]


@pytest.fixture
def stored(there: Store, root: str) -> Store:
    dst = f"{root}/a.mp4"
    operator = VeoToObjectStorageOperator(task_id="t", generation_id="task_1", dst=dst, write_poster=False)
    run(operator, FakeHook([VIDEO]))
    there.put("a.mp4.poster.jpg", b"a picture")
    return there


def test_frames(there: Store, root: str) -> None:
    there.put("frames/first.png", PNG)
    request = parse_request(BASE | {"image": f"{root}/frames/first.png"})
    assert base64.b64encode(PNG).decode() in str(read_frames(request).image)
    with pytest.raises(RequestError, match=r"gone.png' can't be read: FileNotFoundError"):
        read_frames(parse_request(BASE | {"image": f"{root}/frames/gone.png"}))


def test_the_page_reads_by_range(stored: Store) -> None:
    opened = open_video(video(stored))
    assert isinstance(opened, Bytes)
    assert (opened.kind, opened.size) == ("video/mp4", len(VIDEO))
    for start, size in ((0, 10), (3 * MIB - 5, MIB), (len(VIDEO) - 7, 100), (3, 2 * MIB)):
        assert opened.read(start, size) == VIDEO[start : start + size]
    opened.close()


def test_the_page_reads_no_more_than_it_sends(stored: Store) -> None:
    stored.put("a.mp4", movie(60 * MIB))
    forget_peak()
    before = held()
    opened = open_video(video(stored))
    assert isinstance(opened, Bytes)
    opened.read(0, MIB)
    opened.close()
    assert peak() - before < 20 * MIB


def test_the_page_shows_the_poster(stored: Store) -> None:
    opened = open_video(video(stored), poster=True)
    assert isinstance(opened, Bytes)
    assert (opened.kind, opened.read(0, 99)) == ("image/jpeg", b"a picture")
    stored.delete("a.mp4.poster.jpg")
    with pytest.raises(NotThere):
        open_video(video(stored), poster=True)


def test_the_page_shows_nothing_else(stored: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.put("b.mp4", VIDEO[:100])
    with pytest.raises(NotThere):
        open_video(video(stored, name="b.mp4"))
    # The same store, by a connection that isn't one to it.
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", as_variable(stored.connection() | {"conn_type": "http"}))
    for conn_id in ("other", "gone", None):
        with pytest.raises(NotThere):
            open_video(video(stored, conn_id))
