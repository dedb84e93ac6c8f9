# SPDX-License-Identifier: Apache-2.0
"""Every kind of fault, on real sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.processes import wait_until
from tests.unit.simulator.caller import BODY, Caller, fetch
from tests.unit.simulator.conftest import Start
from veo_provider.simulator.faults import KINDS


def raw(caller: Caller, method: str, path: str, body: bytes = b"", timeout: float = 10) -> tuple[bytes, str]:
    """Return what arrives before the connection ends, and how it ends."""
    parts = urlsplit(caller.simulator.url)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {caller.simulator.api_key}\r\n"
        f"Connection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    received = b""
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout) as connection:
        connection.sendall(head.encode() + body)
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError:
            return received, "reset"
        except TimeoutError:
            return received, "silent"
    return received, "closed"


def poll_raw(caller: Caller, generation_id: str, timeout: float = 10) -> tuple[bytes, str]:
    head, end = raw(caller, "GET", f"/v1/video/generations/{generation_id}", timeout=timeout)
    return head.partition(b"\r\n\r\n")[2] if head else b"", end


def submit_raw(caller: Caller) -> tuple[bytes, str]:
    return raw(caller, "POST", "/v1/video/generations", json.dumps(BODY).encode())


@pytest.fixture
def done(caller: Caller) -> str:
    generation_id = caller.submit()
    caller.wait(generation_id)
    return generation_id


def test_status(caller: Caller) -> None:
    fault = {"on": "poll", "kind": "status", "status": 429, "body": {"a": 1}, "headers": {"Retry-After": "2"}}
    caller.simulator.inject(fault)
    answer = caller.poll("x")
    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (429, {"a": 1}, "2")


@pytest.mark.parametrize(
    ("body", "text", "kind"),
    [
        ("<p>no", "<p>no", "text/html"),
        ("no", "no", "text/plain"),
        ([1], "[1]", "application/json"),
    ],
)
def test_status_with_a_body_of_any_kind(caller: Caller, body: Any, text: str, kind: str) -> None:
    caller.simulator.inject({"on": "models", "kind": "status", "status": 418, "body": body})
    answer = caller.get("/v1/models")
    assert (answer.text, answer.headers["Content-Type"].split(";")[0]) == (text, kind)


def test_status_without_a_body_of_its_own(caller: Caller) -> None:
    caller.simulator.inject([{"on": "poll", "kind": "status"}, {"on": "poll", "kind": "status", "status": 524}])
    assert caller.poll("x").json()["error"]["message"] == "Internal Server Error"
    assert (caller.poll("x").status_code, caller.poll("x").status_code) == (524, 400)


def test_html(caller: Caller) -> None:
    caller.simulator.inject([{"on": "poll", "kind": "html"}, {"on": "poll", "kind": "html", "status": 200}])
    answers = [caller.poll("x"), caller.poll("x")]
    assert [answer.status_code for answer in answers] == [502, 200]
    for answer in answers:
        assert answer.headers["Content-Type"].startswith("text/html")
        assert answer.text.startswith("<html>")


def test_empty_and_garbage(caller: Caller) -> None:
    caller.simulator.inject([{"on": "poll", "kind": "empty"}, {"on": "poll", "kind": "garbage"}])
    answer = caller.poll("x")
    assert (answer.status_code, answer.content) == (200, b"")
    answer = caller.poll("x")
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_redirect_followed_with_the_bearer_is_remembered(caller: Caller) -> None:
    caller.simulator.inject({"on": "poll", "kind": "redirect", "times": 2})
    answer = caller.poll("x", allow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(caller.simulator.result_url)
    assert caller.simulator.ledger()["strays"] == []
    caller.session.get(answer.headers["Location"], timeout=10)
    assert caller.simulator.ledger()["strays"][0]["authorization"] is True
    assert caller.simulator.ledger()["totals"]["leaked_keys"] == 1


def test_redirect_elsewhere(caller: Caller) -> None:
    headers = {"Location": "/v1/models"}
    caller.simulator.inject({"on": "poll", "kind": "redirect", "status": 307, "headers": headers})
    answer = caller.poll("x", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (307, "/v1/models")


def test_reset(caller: Caller, done: str) -> None:
    caller.simulator.inject([{"on": "poll", "kind": "reset"}, {"on": "poll", "kind": "reset", "after_bytes": 10}])
    assert poll_raw(caller, done) == (b"", "reset")
    assert poll_raw(caller, done) == (b'{"task_id"', "reset")


def test_truncate(caller: Caller, done: str) -> None:
    caller.simulator.inject([{"on": "poll", "kind": "truncate", "after_bytes": 10}, {"on": "poll", "kind": "truncate"}])
    assert poll_raw(caller, done) == (b'{"task_id"', "closed")
    half, end = poll_raw(caller, done)
    assert (len(half), end) == (len(caller.poll(done).content) // 2, "closed")


def test_stall(caller: Caller, done: str) -> None:
    caller.simulator.inject([{"on": "poll", "kind": "stall"}, {"on": "poll", "kind": "stall", "after_bytes": 10}])
    assert poll_raw(caller, done, timeout=2) == (b"", "silent")
    # It is read until it is silent for so long: a machine that stands still is silent, too.
    assert poll_raw(caller, done, timeout=10) == (b'{"task_id"', "silent")


def test_stall_ends_with_a_close(caller: Caller, done: str) -> None:
    caller.simulator.inject({"on": "poll", "kind": "stall", "seconds": 0.1})
    assert poll_raw(caller, done) == (b"", "closed")


@pytest.mark.parametrize("kind", ["drip", "delay"])
def test_slow_but_whole(caller: Caller, done: str, kind: str) -> None:
    caller.simulator.inject({"on": "poll", "kind": kind, "seconds": 0.3})
    begin = time.monotonic()
    assert caller.poll(done).json()["task_id"] == done
    assert time.monotonic() - begin >= 0.25


def test_download(caller: Caller, done: str) -> None:
    link = caller.poll(done).json()["url"]
    whole = caller.simulator.video(done)
    caller.simulator.inject(
        [
            {"on": "download", "kind": "truncate", "after_bytes": 1000},
            {"on": "download", "kind": "status", "status": 410},
            {"on": "download", "kind": "reset", "after_bytes": 5000, "skip": 0},
        ]
    )
    with pytest.raises(requests.RequestException):
        fetch(link)
    assert fetch(link).status_code == 410
    with pytest.raises(requests.RequestException):
        fetch(link)
    assert fetch(link).content == whole
    log = caller.simulator.ledger()["downloads"]
    assert [(entry["fault"], entry["status"]) for entry in log] == [
        ("truncate", 200),
        ("status", 410),
        ("reset", 200),
        (None, 200),
    ]
    assert [entry["bytes"] for entry in log if entry["fault"] != "status"] == [1000, 5000, len(whole)]


@pytest.mark.parametrize("kind", ["status", "html", "empty", "garbage", "redirect", "reset", "truncate", "drip"])
def test_submit_fault_comes_before_acceptance(caller: Caller, kind: str) -> None:
    caller.simulator.inject({"on": "submit", "kind": kind, "seconds": 0.1})
    received, _ = submit_raw(caller)
    assert b"pending" not in received
    entry = caller.simulator.ledger()["submits"][0]
    assert (entry["accepted"], entry["billed"], entry["fault"]) == (False, False, kind)
    assert entry["request"]["prompt"] == "A cat"


@pytest.mark.parametrize(
    ("fault", "answer", "end"),
    [
        ({"kind": "lost_answer"}, b"", "reset"),
        ({"kind": "reset", "accepted": True}, b"", "reset"),
        ({"kind": "truncated_answer", "after_bytes": 12}, b'{"task_id": ', "closed"),
    ],
)
def test_submit_accepted_and_its_answer_lost(caller: Caller, fault: dict[str, Any], answer: bytes, end: str) -> None:
    caller.simulator.inject({"on": "submit"} | fault)
    received, how = submit_raw(caller)
    assert (received.partition(b"\r\n\r\n")[2], how) == (answer, end)
    assert caller.simulator.ledger()["totals"]["billed"] == 1


@pytest.mark.parametrize(
    "fault", [{"kind": "status", "status": 504, "accepted": True}, {"kind": "error", "name": "insert_task_failed"}]
)
def test_submit_accepted_and_answered_with_an_error(caller: Caller, fault: dict[str, Any]) -> None:
    caller.simulator.inject({"on": "submit"} | fault)
    status = caller.post().status_code
    entry = caller.simulator.ledger()["submits"][0]
    assert status == entry["status"] >= 500
    assert entry["billed"] is True


def test_client_that_gives_up_has_bought_all_the_same(caller: Caller) -> None:
    caller.simulator.inject({"on": "submit", "kind": "delay", "seconds": 60})
    with pytest.raises(requests.ReadTimeout):
        caller.session.post(f"{caller.simulator.url}/v1/video/generations", json=BODY, timeout=0.5)
    wait_until("a bill", lambda: caller.simulator.ledger()["totals"]["billed"], seconds=60, every=0.01)
    assert caller.simulator.ledger()["totals"]["billed"] == 1


def test_times_and_skip(caller: Caller) -> None:
    caller.simulator.inject({"on": "models", "kind": "status", "status": 503, "times": 2, "skip": 2})
    assert [caller.get("/v1/models").status_code for _ in range(6)] == [200, 200, 503, 503, 200, 200]
    caller.simulator.inject({"on": "models", "kind": "status", "times": None})
    assert {caller.get("/v1/models").status_code for _ in range(5)} == {500}
    caller.simulator.clear_faults()
    assert caller.get("/v1/models").status_code == 200


def test_control_over_http(caller: Caller) -> None:
    url = f"{caller.simulator.url}/__faults"
    fault = {"on": "models", "kind": "status", "status": 500}
    assert requests.post(url, json=[fault, fault], timeout=10).status_code == 200
    assert [entry["kind"] for entry in requests.get(url, timeout=10).json()] == ["status", "status"]
    assert caller.get("/v1/models").status_code == 500
    assert requests.delete(url, timeout=10).json() == []
    assert caller.get("/v1/models").status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        {"on": "lunch", "kind": "status"},
        {"on": "poll", "kind": "earthquake"},
        {"on": "poll", "kind": "lost_answer"},
        {"on": "poll", "kind": "error", "name": "x"},
        {"on": "poll", "kind": "status", "colour": 1},
        {"on": "poll", "kind": "status", "times": 0},
        {"on": "poll", "kind": "status", "share": 0},
        {"on": "poll", "kind": "status", "share": 1.5},
        {"on": "poll", "kind": "status", "headers": 7},
        {"kind": "status"},
        7,
    ],
)
def test_wrong_fault_is_refused(caller: Caller, fault: Any) -> None:
    answer = requests.post(f"{caller.simulator.url}/__faults", json=fault, timeout=10)
    assert (answer.status_code, "bad fault" in answer.text) == (400, True)
    with pytest.raises(ValueError, match=r"."):
        caller.simulator.inject(fault)
    assert requests.post(f"{caller.simulator.url}/__faults", data=b"{", timeout=10).status_code == 400


def test_a_fault_with_a_share_hits_some_calls_and_repeats_with_a_seed(start: Start) -> None:
    runs = []
    for _ in range(2):
        caller = start(seed=7)
        caller.simulator.inject({"on": "models", "kind": "status", "status": 503, "times": None, "share": 0.3})
        runs.append([caller.get("/v1/models").status_code for _ in range(60)])
    assert runs[0] == runs[1]
    assert 6 <= runs[0].count(503) <= 30
    assert set(runs[0]) == {200, 503}


def test_random_faults_repeat_with_a_seed(start: Start) -> None:
    runs = []
    for _ in range(2):
        caller = start(fault_rate=0.5, seed=7)
        generation_id = caller.submit("sim:never")
        for _ in range(30):
            with contextlib.suppress(requests.RequestException):
                caller.poll(generation_id)
        history = caller.simulator.ledger()["generations"][generation_id]["history"]
        runs.append([entry["fault"] for entry in history])
    assert runs[0] == runs[1]
    assert 5 < sum(fault is not None for fault in runs[0]) < 25
    assert len(set(runs[0])) > 3


def test_every_kind_is_in_this_file(request: pytest.FixtureRequest) -> None:
    text = request.path.read_text()
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []
