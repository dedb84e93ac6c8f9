# SPDX-License-Identifier: Apache-2.0
"""The hook's results: whatever the dialect and the kind of result, the same bytes come out."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import av
import pytest

from veo_provider.api.request import VeoRequest, parse_request
from veo_provider.api.waiting import WaitPlan
from veo_provider.exceptions import (
    VeoContentPolicyError,
    VeoError,
    VeoNotReadyError,
    VeoRateLimitedError,
    VeoResultGoneError,
    VeoServerError,
    VeoUnsafeLinkError,
    VeoValidationError,
)
from veo_provider.hooks import patience
from veo_provider.hooks.veo import VeoHook
from veo_provider.simulator import Simulator


def request(prompt: str, **values: object) -> VeoRequest:
    defaults = {
        "model": "veo-3.1-generate-preview",
        "duration_seconds": 4,
        "aspect_ratio": "9:16",
        "resolution": "720p",
        "sample_count": 1,
        "generate_audio": True,
    }
    return parse_request({"prompt": prompt} | defaults | values)


@pytest.fixture
def hook(gateway: Simulator) -> VeoHook:
    return VeoHook()


def finished(hook: VeoHook, prompt: str, **values: object) -> str:
    generation_id = hook.submit(request(prompt, **values))
    now = time.time()
    assert hook.wait(WaitPlan(generation_id, now + 20, 0.1, now, now)).reason is None
    return generation_id


def read(hook: VeoHook, generation_id: str, index: int = 0) -> bytes:
    with hook.open_video(generation_id, index) as stream:
        return stream.read()


DIRECTIVES = [
    "sim:link",
    "sim:inline",
    "sim:content",
    "sim:content_redirect",
    "sim:dialect=newapi",
    "sim:dialect=simple-envelope",
    "sim:dialect=openai",
    "sim:dialect=newapi-old",
    "sim:dialect=bare",
    "sim:id=odd",
    "sim:late_url=2",
]


@pytest.mark.parametrize("directive", DIRECTIVES)
def test_the_video_is_what_was_asked_for(directive: str, hook: VeoHook, gateway: Simulator) -> None:
    data = read(hook, finished(hook, f"A cat {directive}"))
    with av.open(io.BytesIO(data), mode="r") as media:
        assert (media.streams.video[0].width, media.streams.video[0].height) == (720, 1280)
        assert media.streams.audio
        assert media.duration is not None
        assert abs(media.duration / 1_000_000 - 4) < 0.2
    ledger = gateway.ledger()
    assert ledger["totals"]["leaked_keys"] == 0
    assert ledger["submits"][0]["coerced"] == {}


@pytest.mark.parametrize("directive", ["sim:link", "sim:inline"])
def test_each_sample_is_another_video(directive: str, hook: VeoHook) -> None:
    generation_id = finished(hook, f"A cat {directive}", sample_count=3)
    videos = {read(hook, generation_id, index) for index in range(3)}
    assert len(videos) == 3
    with pytest.raises(VeoValidationError, match="3 video"):
        hook.open_video(generation_id, 3)


def test_a_link_that_died_is_asked_for_again(hook: VeoHook, gateway: Simulator) -> None:
    generation_id = finished(hook, "A cat")
    gateway.inject({"on": "download", "kind": "status", "status": 403, "times": 1})
    assert read(hook, generation_id)


BAD_ANSWERS: list[dict[str, Any]] = [
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}},
    {"kind": "html"},
    {"kind": "reset"},
    {"kind": "truncate"},
]


@pytest.mark.parametrize("prompt", ["A cat", "A cat sim:inline"])
def test_bad_answers_are_asked_again(
    prompt: str, hook: VeoHook, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.0)
    generation_id = finished(hook, prompt)
    gateway.inject([{"on": "poll", **fault} for fault in BAD_ANSWERS])
    gateway.inject({"on": "download", "kind": "status", "status": 503, "times": 2})
    assert read(hook, generation_id)


def test_patience_has_an_end(hook: VeoHook, gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE", 0.5)
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.1)
    generation_id = finished(hook, "A cat")
    gateway.inject({"on": "poll", "kind": "status", "status": 502, "times": 99})
    with pytest.raises(VeoServerError, match=generation_id):
        hook.open_video(generation_id)
    gateway.clear_faults()
    gateway.inject({"on": "poll", "kind": "status", "status": 429, "headers": {"Retry-After": "3600"}})
    with pytest.raises(VeoRateLimitedError):
        hook.open_video(generation_id)


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 401}, {"kind": "status", "status": 403}])
def test_what_will_not_pass_is_asked_once(fault: dict[str, Any], hook: VeoHook, gateway: Simulator) -> None:
    generation_id = finished(hook, "A cat")
    polls = gateway.ledger()["totals"]["polls"]
    gateway.inject({"on": "poll", "times": 9, **fault})
    with pytest.raises(VeoError):
        hook.open_video(generation_id)
    assert gateway.ledger()["totals"]["polls"] == polls + 1


def test_a_link_that_stays_dead_is_gone_and_says_what_to_do(hook: VeoHook, gateway: Simulator) -> None:
    generation_id = finished(hook, "A cat")
    gateway.inject({"on": "download", "kind": "status", "status": 404, "times": 9})
    with pytest.raises(VeoResultGoneError) as caught:
        hook.open_video(generation_id)
    assert generation_id in str(caught.value)
    assert "X-Sig" not in str(caught.value)


def test_what_the_gateway_wiped_is_gone(hook: VeoHook) -> None:
    generation_id = hook.submit(request("A cat sim:expired sim:seconds=0"))
    with pytest.raises(VeoResultGoneError, match="generated anew"):
        hook.open_video(generation_id)


def test_what_is_not_ready_is_not_opened(hook: VeoHook) -> None:
    generation_id = hook.submit(request("A cat sim:never"))
    with pytest.raises(VeoNotReadyError, match=generation_id):
        hook.open_video(generation_id)


def test_what_was_filtered_is_not_opened(hook: VeoHook) -> None:
    generation_id = hook.submit(request("A cat sim:filtered sim:seconds=0"))
    with pytest.raises(VeoContentPolicyError, match=generation_id):
        hook.open_video(generation_id)


def test_a_private_link_is_refused_unless_allowed(
    hook: VeoHook, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation_id = finished(hook, "A cat")
    connection = {"conn_type": "veo", "host": gateway.url, "password": gateway.api_key}
    monkeypatch.setenv("AIRFLOW_CONN_VEO_STRICT", json.dumps(connection))
    with pytest.raises(VeoUnsafeLinkError, match="allowed_result_hosts") as caught:
        VeoHook("veo_strict").open_video(generation_id)
    assert generation_id in str(caught.value)
    assert gateway.ledger()["downloads"] == []


@pytest.mark.parametrize("directive", ["sim:link", "sim:inline"])
def test_a_video_that_is_too_large(directive: str, hook: VeoHook) -> None:
    generation_id = finished(hook, f"A cat {directive}")
    with pytest.raises(VeoError), hook.open_video(generation_id, max_bytes=1000) as stream:
        stream.read()


@pytest.mark.parametrize("where", [100, 30_000])
def test_an_inline_video_that_is_cut_off_is_an_error(where: int, hook: VeoHook, gateway: Simulator) -> None:
    generation_id = finished(hook, "A cat sim:inline")
    stream = hook.open_video(generation_id)
    stream.close()
    gateway.inject({"on": "poll", "kind": "truncate", "after_bytes": where, "times": 1, "skip": 1})
    with pytest.raises(VeoError), hook.open_video(generation_id) as stream:
        stream.read()


def test_a_problem_in_the_second_answer_is_an_error(hook: VeoHook, gateway: Simulator) -> None:
    generation_id = finished(hook, "A cat sim:inline")
    gateway.inject({"on": "poll", "kind": "status", "status": 401, "times": 1, "skip": 1})
    with pytest.raises(VeoError, match=generation_id):
        hook.open_video(generation_id)
    gateway.inject({"on": "poll", "kind": "reset", "times": 1, "skip": 1})
    assert read(hook, generation_id)
