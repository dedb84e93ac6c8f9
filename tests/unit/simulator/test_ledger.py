# SPDX-License-Identifier: Apache-2.0
"""The ledger remembers what happened and what it would have cost."""

from __future__ import annotations

import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

import requests

from tests.support.processes import wait_until
from tests.unit.simulator.caller import Caller, fetch


def test_totals(caller: Caller) -> None:
    generation_id = caller.submit(durationSeconds=6, sampleCount=2)
    link = caller.wait(generation_id)["url"][1]
    caller.poll("unknown")
    caller.post(model="no-veo")
    caller.get("/v1/models")
    fetch(link, Range="bytes=0-99")
    ledger = caller.simulator.ledger()
    totals = ledger["totals"]
    polls = ledger["generations"][generation_id]["polls"]
    assert polls >= 1
    assert totals | {"connections": None} == {
        "submits": 2,
        "accepted": 1,
        "billed": 1,
        "video_seconds": 12,
        "usd": 1.8,
        "prices": "simulated",
        "polls": polls + 1,
        "max_polls_in_flight": 1,
        "models": 1,
        "downloads": 1,
        "refused": {},
        "leaked_keys": 0,
        "connections": None,
    }
    assert [entry["phase"] for entry in ledger["generations"][generation_id]["history"]][-1] == "succeeded"
    download = ledger["downloads"][0]
    assert (download["generation_id"], download["index"], download["range"]) == (generation_id, 1, "bytes=0-99")
    assert (download["bytes"], download["status"], download["authorization"]) == (100, 206, False)


def test_only_the_end_of_a_key_is_kept(caller: Caller) -> None:
    caller.submit()
    assert caller.simulator.ledger()["submits"][0]["key"] == "ator"
    assert caller.simulator.api_key not in str(caller.simulator.ledger())


def test_over_http_without_a_key(caller: Caller) -> None:
    caller.submit("sim:never")
    url = caller.simulator.url
    over_http = requests.get(f"{url}/__ledger", timeout=10).json()
    own = caller.simulator.ledger()
    assert over_http["submits"] == own["submits"]
    assert requests.post(f"{url}/__reset", timeout=10).status_code == 200
    assert caller.simulator.ledger()["totals"]["submits"] == 0
    assert caller.poll(own["submits"][0]["generation_id"]).status_code == 400


def test_reset(caller: Caller) -> None:
    generation_id = caller.submit()
    caller.simulator.inject({"on": "models", "kind": "status"})
    caller.simulator.reset()
    ledger = caller.simulator.ledger()
    assert (ledger["submits"], ledger["generations"], ledger["downloads"]) == ([], {}, [])
    assert caller.get("/v1/models").status_code == 200
    assert caller.poll(generation_id).status_code == 400


def test_connections(caller: Caller) -> None:
    for _ in range(3):
        caller.get("/v1/models")
    assert caller.simulator.ledger()["totals"]["connections"] == {"api": 1, "results": 0}
    Caller(caller.simulator).get("/v1/models")
    fetch(caller.simulator.result_url)
    assert caller.simulator.ledger()["totals"]["connections"] == {"api": 2, "results": 1}


def test_polls_in_flight(caller: Caller) -> None:
    generation_id = caller.submit("sim:never")
    caller.simulator.inject({"on": "poll", "kind": "delay", "seconds": 30, "times": None})
    callers = [HTTPConnection(urlsplit(caller.simulator.url).netloc) for _ in range(5)]
    for one in callers:
        headers = {"Authorization": f"Bearer {caller.simulator.api_key}"}
        one.request("GET", f"/v1/video/generations/{generation_id}", headers=headers)
    wait_until(
        "five polls",
        lambda: caller.simulator.ledger()["totals"]["max_polls_in_flight"] >= 5,
        seconds=60,
        every=0.01,
    )
    assert caller.simulator.ledger()["totals"]["max_polls_in_flight"] == 5
    for one in callers:
        one.close()
    caller.simulator.clear_faults()
    deadline = time.monotonic() + 60
    while caller.simulator.ledger()["totals"]["max_polls_in_flight"] == 5 and time.monotonic() < deadline:
        caller.simulator.reset()  # Whoever has hung up no longer counts.
        caller.poll(generation_id)
    assert caller.simulator.ledger()["totals"]["max_polls_in_flight"] == 1


def test_a_poll_has_who_asked_and_how_long_it_took(caller: Caller) -> None:
    generation_id = caller.submit()
    caller.simulator.inject({"on": "poll", "kind": "delay", "seconds": 0.3})
    caller.get(f"/v1/video/generations/{generation_id}", headers={"User-Agent": "triggerer-7"})
    entry = caller.simulator.ledger()["generations"][generation_id]["history"][-1]
    assert entry["client"] == "triggerer-7"
    assert 0.3 <= entry["seconds"] < 30
