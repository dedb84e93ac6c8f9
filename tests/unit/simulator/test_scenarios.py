# SPDX-License-Identifier: Apache-2.0
"""What a prompt's directives make happen."""

from __future__ import annotations

import threading
import time
from concurrent.futures import wait

import pytest
import requests

from tests.unit.simulator.caller import Caller, fetch
from tests.unit.simulator.conftest import Start
from veo_provider.simulator import Simulator, SimulatorOptions, clips, server
from veo_provider.simulator.failures import FAILURES
from veo_provider.simulator.scenario import DIRECTIVES, DirectiveError, make_scenario


def test_progression(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    passed, real = 0.0, time.time
    monkeypatch.setattr(time, "time", lambda: real() + passed)
    generation_id = caller.submit("sim:seconds=600 sim:dialect=openai")
    seen: list[str] = []
    progress: list[int] = []
    deadline = time.monotonic() + 60
    while (not seen or seen[-1] != "completed") and time.monotonic() < deadline:
        passed += 20
        answer = caller.poll(generation_id).json()
        progress.append(answer["progress"])
        if not seen or seen[-1] != answer["status"]:
            seen.append(answer["status"])
        time.sleep(0.01)
    assert seen == ["queued", "in_progress", "completed"]
    assert progress == sorted(progress)
    assert progress[-1] == 100
    assert max(progress[:-1]) < 100
    assert len(set(progress)) > 5


def test_speed_divides_and_slow_multiplies() -> None:
    options = SimulatorOptions(job_seconds=60, speed=10)
    assert make_scenario(options, "x").seconds == 6
    assert make_scenario(options, "x sim:slow").seconds == 60
    assert make_scenario(options, "x sim:seconds=12").seconds == 12


def test_never(caller: Caller) -> None:
    generation_id = caller.submit("sim:never sim:dialect=openai")
    answer = caller.poll(generation_id).json()
    assert (answer["status"], answer["progress"]) == ("in_progress", 99)


def test_an_end_that_a_test_gives(caller: Caller) -> None:
    generation_ids = [caller.submit(f"A cat {way}") for way in ("sim:never", "sim:seconds=900", "sim:never sim:failed")]
    for generation_id in generation_ids:
        assert caller.poll(generation_id).json()["status"] in ("queued", "in_progress")
        caller.simulator.end(generation_id)
    ends = [caller.poll(generation_id).json()["status"] for generation_id in generation_ids]
    assert ends == ["succeeded", "succeeded", "failed"]
    assert caller.simulator.video(generation_ids[0])
    with pytest.raises(LookupError, match="nowhere"):
        caller.simulator.end("nowhere")


def test_an_end_without_a_clip_says_so(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = threading.Event()
    monkeypatch.setattr(clips, "draw", lambda *_: drawn.wait(60))
    monkeypatch.setattr(server, "wait", lambda futures, _: wait(futures, 0))
    generation_id = caller.submit("A cat that nobody draws sim:never")
    with pytest.raises(TimeoutError, match=generation_id):
        caller.simulator.end(generation_id)
    assert caller.poll(generation_id).json()["status"] in ("queued", "in_progress")
    drawn.set()


def test_filtered(caller: Caller) -> None:
    answer = caller.run("A cat sim:filtered")
    assert (answer["status"], answer["url"]) == ("succeeded", "")
    response = answer["metadata"]["response"]
    assert response["raiMediaFilteredCount"] == 1
    assert response["raiMediaFilteredReasons"][0].endswith("Support codes: 42237218")
    answer = caller.run("A cat sim:filtered=58061214", sampleCount=2)
    assert answer["metadata"]["response"]["raiMediaFilteredCount"] == 2
    assert "58061214" in answer["metadata"]["response"]["raiMediaFilteredReasons"][1]


@pytest.mark.parametrize("dialect", ["newapi", "newapi-old", "simple-envelope", "openai", "upper", "bare"])
def test_filtered_in_other_dialects(caller: Caller, dialect: str) -> None:
    answer = caller.run(f"sim:filtered sim:dialect={dialect}")
    body = answer.get("data") or answer
    assert body["metadata"]["response"]["raiMediaFilteredCount"] == 1
    assert "http" not in str(body)


def test_some_samples_filtered(caller: Caller) -> None:
    answer = caller.run("sim:filter_samples=1", sampleCount=3)
    assert len(answer["url"]) == 2
    assert answer["metadata"]["response"]["raiMediaFilteredCount"] == 1
    assert len(answer["metadata"]["response"]["raiMediaFilteredReasons"]) == 1
    assert isinstance(caller.run("sim:filter_samples=1", sampleCount=2)["url"], str)
    assert caller.run("sim:filter_samples=2", sampleCount=2)["url"] == ""


@pytest.mark.parametrize("name", FAILURES)
def test_failures(caller: Caller, name: str) -> None:
    answer = caller.run(f"sim:failed={name}")
    assert (answer["status"], answer["url"]) == ("failed", "")
    assert answer["error"] == {"code": FAILURES[name].code, "message": FAILURES[name].message}


def test_failure_happens_late(caller: Caller) -> None:
    generation_id = caller.submit("sim:failed sim:seconds=1000")
    assert caller.poll(generation_id).json()["status"] == "queued"


def test_expired(caller: Caller) -> None:
    assert caller.run("sim:expired")["url"] == "expired"
    assert caller.run("sim:expired sim:dialect=newapi-old")["data"]["fail_reason"] == "expired"


def test_late_url(caller: Caller) -> None:
    generation_id = caller.submit("sim:late_url=3")
    assert caller.wait(generation_id)["url"] == ""
    assert [caller.poll(generation_id).json()["url"] for _ in range(2)] == ["", ""]
    assert caller.poll(generation_id).json()["url"].startswith("http")


def test_empty_and_missing_at_first(caller: Caller) -> None:
    generation_id = caller.submit("sim:empty_polls=2")
    assert [caller.poll(generation_id).json() for _ in range(2)] == [{"code": "success", "data": None}] * 2
    assert "status" in caller.poll(generation_id).json()
    generation_id = caller.submit("sim:not_found=1")
    assert caller.poll(generation_id).json()["code"] == "task_not_exist"
    assert caller.poll(generation_id).status_code == 200


def test_status_word(caller: Caller) -> None:
    assert caller.poll(caller.submit("sim:never sim:status_word=pondering")).json()["status"] == "pondering"
    assert caller.poll(caller.submit("sim:never sim:status_word=")).json()["status"] == ""
    assert caller.run("sim:status_word=pondering")["status"] == "succeeded"


def test_lost_answer_is_billed(caller: Caller) -> None:
    with pytest.raises(requests.ConnectionError):
        caller.post("sim:lost_answer")
    entry = caller.simulator.ledger()["submits"][0]
    assert (entry["accepted"], entry["billed"], entry["status"]) == (True, True, None)
    assert caller.poll(entry["generation_id"]).status_code == 200


def test_truncated_answer_is_billed(caller: Caller) -> None:
    with pytest.raises(requests.RequestException):
        caller.post("sim:truncated_answer")
    assert caller.simulator.ledger()["totals"]["billed"] == 1


def test_default_directives_and_the_prompts_own(start: Start) -> None:
    caller = start(default_directives="sim:inline sim:id=uuid")
    assert caller.run()["url"].startswith("data:video/mp4")
    assert fetch(caller.run("sim:link")["url"]).status_code == 200


def test_directive_at_the_end_of_a_sentence() -> None:
    assert make_scenario(SimulatorOptions(), "A cat, sim:never.").never


@pytest.mark.parametrize(
    "prompt",
    [
        "sim:nonsense",
        "sim:seconds",
        "sim:seconds=x",
        "sim:seconds=-1",
        "sim:seconds=nan",
        "sim:never=1",
        "sim:slow=2",
        "sim:dialect=klingon",
        "sim:late_url=1.5",
        "sim:submit_error=x",
        "sim:",
    ],
)
def test_wrong_directive_is_said_out_loud(caller: Caller, prompt: str) -> None:
    answer = caller.post(prompt)
    assert answer.status_code == 400
    assert prompt in answer.json()["message"]
    assert caller.simulator.ledger()["totals"]["billed"] == 0


def test_wrong_default_directive_does_not_start() -> None:
    with pytest.raises(DirectiveError, match="sim:nonsense"):
        Simulator(SimulatorOptions(default_directives="sim:nonsense")).start()


@pytest.mark.parametrize("name", DIRECTIVES)
def test_every_directive_is_in_this_folder(name: str, request: pytest.FixtureRequest) -> None:
    texts = [path.read_text() for path in request.path.parent.glob("test_*.py")]
    assert any(f"sim:{name}" in text for text in texts)
