# SPDX-License-Identifier: Apache-2.0
"""How results are handed out: links, content behind the bearer, and data URIs."""

from __future__ import annotations

import base64
import time
from urllib.parse import urlsplit

import pytest

from tests.unit.simulator.caller import Caller, fetch
from tests.unit.simulator.conftest import Start


@pytest.fixture
def link(caller: Caller) -> str:
    url = caller.run()["url"]
    assert isinstance(url, str)
    return url


def test_link_is_on_another_origin(caller: Caller, link: str) -> None:
    assert link.startswith(caller.simulator.result_url + "/")
    assert urlsplit(link).netloc != urlsplit(caller.simulator.url).netloc
    answer = fetch(link)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "video/mp4")
    assert answer.content == caller.simulator.video(caller.simulator.ledger()["submits"][0]["generation_id"])
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_bearer_at_the_store_is_refused_and_remembered(caller: Caller, link: str) -> None:
    assert caller.session.get(link, timeout=10).status_code == 400
    ledger = caller.simulator.ledger()
    assert ledger["downloads"][0]["authorization"] is True
    assert ledger["totals"]["leaked_keys"] == 1


def test_range(link: str) -> None:
    whole = fetch(link)
    part = fetch(link, Range="bytes=1000-1999")
    assert (part.status_code, part.content) == (206, whole.content[1000:2000])
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(whole.content)}"
    rest = fetch(link, Range="bytes=1000-", **{"If-Range": whole.headers["ETag"]})
    assert (rest.status_code, rest.content) == (206, whole.content[1000:])
    assert fetch(link, Range="bytes=-10").content == whole.content[-10:]


def test_range_with_another_validator_starts_over(link: str) -> None:
    answer = fetch(link, Range="bytes=1000-", **{"If-Range": '"another"'})
    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["Content-Length"])


def test_range_beyond_the_end(link: str) -> None:
    size = len(fetch(link).content)
    answer = fetch(link, Range=f"bytes={size}-")
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{size}")


def test_no_ranges(start: Start) -> None:
    link = start(ranges=False).run()["url"]
    answer = fetch(link, Range="bytes=1000-1999")
    assert (answer.status_code, "Accept-Ranges" in answer.headers) == (200, False)


def test_link_expires_and_a_poll_makes_a_fresh_one(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    passed, real = 0.0, time.time
    monkeypatch.setattr(time, "time", lambda: real() + passed)
    generation_id = caller.submit("sim:link_seconds=600")
    stale = caller.wait(generation_id)["url"]
    passed = 590.0
    assert fetch(stale).status_code == 200
    passed = 601.0
    answer = fetch(stale)
    assert (answer.status_code, "expired" in answer.text) == (403, True)
    fresh = caller.poll(generation_id).json()["url"]
    assert fresh != stale
    assert fetch(fresh).status_code == 200


def test_link_cannot_be_made_up(link: str) -> None:
    assert fetch(link.replace("X-Sig=", "X-Sig=0")).status_code == 403
    assert fetch(link.split("?")[0]).status_code == 403
    assert fetch(link.replace("/0.mp4", "/1.mp4")).status_code == 403


def test_inline(caller: Caller) -> None:
    generation_id = caller.submit("sim:inline")
    head, _, text = caller.wait(generation_id)["url"].partition(",")
    assert head == "data:video/mp4;base64"
    assert base64.b64decode(text, validate=True) == caller.simulator.video(generation_id)
    assert caller.simulator.ledger()["totals"]["downloads"] == 0


def test_inline_several_and_large(caller: Caller) -> None:
    generation_id = caller.submit("sim:inline sim:size_mb=3", sampleCount=2)
    caller.wait(generation_id)
    answer = caller.poll(generation_id)
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    videos = [base64.b64decode(url.partition(",")[2], validate=True) for url in answer.json()["url"]]
    assert videos == [caller.simulator.video(generation_id, index) for index in range(2)]
    assert [len(video) for video in videos] == [3_000_000] * 2


def test_content_needs_the_bearer(start: Start) -> None:
    caller = start(results="content")
    generation_id = caller.submit("sim:id=odd", sampleCount=2)
    first, second = caller.wait(generation_id)["url"]
    assert first.startswith(caller.simulator.url + "/v1/videos/")
    assert fetch(first).status_code == 401
    for index, url in enumerate((first, second)):
        assert caller.session.get(url, timeout=10).content == caller.simulator.video(generation_id, index)
    assert [entry["origin"] for entry in caller.simulator.ledger()["downloads"]] == ["api", "api"]


def test_content_may_redirect_to_the_store(start: Start) -> None:
    caller = start(results="content-redirect")
    generation_id = caller.submit()
    answer = caller.session.get(caller.wait(generation_id)["url"], timeout=10, allow_redirects=False)
    assert answer.status_code == 302
    assert fetch(answer.headers["Location"]).content == caller.simulator.video(generation_id)


def test_content_before_the_end(caller: Caller) -> None:
    answer = caller.get(f"/v1/videos/{caller.submit('sim:never sim:content')}/content")
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Task is not completed yet")


def test_prompt_chooses_the_way(caller: Caller) -> None:
    for directive in ("sim:content_redirect", "sim:results=content-redirect"):
        url = caller.run(directive)["url"]
        assert caller.session.get(url, timeout=10, allow_redirects=False).status_code == 302
    assert caller.run("sim:content sim:results=link")["url"].startswith(caller.simulator.result_url)


@pytest.mark.parametrize("wait", [0, 0.2])
def test_result_is_wiped(caller: Caller, wait: float) -> None:
    generation_id = caller.submit(f"sim:wipe_seconds={wait}")
    deadline = time.monotonic() + 10
    while (url := caller.wait(generation_id)["url"]) != "expired" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert url == "expired"


@pytest.mark.parametrize("style", ["task", "uuid", "video", "long", "odd"])
def test_ids(start: Start, style: str) -> None:
    caller = start(id_style=style)
    generation_id = caller.submit()
    assert fetch(caller.wait(generation_id)["url"]).content == caller.simulator.video(generation_id)
    assert list(caller.simulator.ledger()["generations"]) == [generation_id]
    assert len(generation_id) > 200 if style == "long" else len(generation_id) < 80
