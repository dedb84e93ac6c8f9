# SPDX-License-Identifier: Apache-2.0
"""Keys, unknown addresses, and every row of the contract's error table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.simulator.caller import Caller
from tests.unit.simulator.conftest import Start
from veo_provider.simulator.errors import ERRORS


@pytest.mark.parametrize(
    ("key", "status", "word"),
    [("sk-refused", 401, "Invalid token"), ("sk-exhausted", 401, "exhausted"), ("sk-wrong", 401, "Invalid token")],
)
def test_refused_keys(caller: Caller, key: str, status: int, word: str) -> None:
    stranger = Caller(caller.simulator, key)
    for answer in (stranger.get("/v1/models"), stranger.post(), stranger.poll("x"), stranger.get("/v1/nothing")):
        assert answer.status_code == status
        assert word in answer.json()["error"]["message"]
    assert caller.simulator.ledger()["totals"]["submits"] == 0
    assert sum(caller.simulator.ledger()["totals"]["refused"].values()) == 4


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic sk-simulator", "sk-simulator"])
def test_no_bearer(caller: Caller, header: str | None) -> None:
    caller.session.headers["Authorization"] = header or ""
    assert caller.get("/v1/models").status_code == 401


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("sk-no-quota", "insufficient_user_quota"),
        ("sk-token-quota", "pre_consume_token_quota_failed"),
        ("sk-forbidden", ""),
    ],
)
def test_keys_that_may_look_but_not_buy(caller: Caller, key: str, code: str) -> None:
    poor = Caller(caller.simulator, key)
    assert poor.get("/v1/models").status_code == 200
    answer = poor.post()
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)
    entry = caller.simulator.ledger()["submits"][0]
    assert (entry["accepted"], entry["key"]) == (False, key[-4:])


def test_own_keys(start: Start) -> None:
    caller = start(api_keys=("sk-one", "sk-two"))
    assert caller.simulator.api_key == "sk-one"
    assert Caller(caller.simulator, "sk-two").get("/v1/models").status_code == 200
    assert Caller(caller.simulator, "sk-simulator").get("/v1/models").status_code == 401


def test_models(start: Start) -> None:
    body = start(models=("mine",)).get("/v1/models").json()
    assert body["object"] == "list"
    assert [model["id"] for model in body["data"]] == [
        "veo-3.0-fast-generate-001",
        "veo-3.1-fast-generate-preview",
        "veo-3.0-generate-preview",
        "veo-3.1-generate-preview",
        "mine",
    ]


@pytest.mark.parametrize(("method", "path"), [("GET", "/x"), ("POST", "/v1/v1/models"), ("DELETE", "/v1/models")])
def test_unknown_address(caller: Caller, method: str, path: str) -> None:
    answer = caller.session.request(method, caller.simulator.url + path, timeout=10)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"Invalid URL ({method} {path})"


def test_unknown_generation(caller: Caller) -> None:
    answer = caller.poll("task_unknown")
    assert (answer.status_code, answer.json()["code"]) == (400, "task_not_exist")


def test_every_answer_has_its_own_request_id(caller: Caller) -> None:
    answers = [caller.get("/v1/models"), caller.post(), caller.post(model="no"), caller.poll("x"), caller.get("/x")]
    answers.append(caller.poll(caller.submit("sim:inline")))
    names = [answer.headers["X-Oneapi-Request-Id"] for answer in answers]
    assert len(set(names)) == len(answers)
    assert caller.simulator.ledger()["submits"][0]["request_id"] == names[1]


@pytest.mark.parametrize("name", ERRORS)
def test_error_rows(caller: Caller, name: str) -> None:
    error = ERRORS[name]
    caller.simulator.inject({"on": "poll", "kind": "error", "name": name})
    for answer in (caller.post(f"sim:submit_error={name}"), caller.poll("x")):
        assert answer.status_code == error.status
        if error.body is None:
            assert answer.content == b""
        elif isinstance(error.body, str):
            assert answer.headers["Content-Type"].startswith("text/html")
            assert answer.text == error.body
        else:
            assert answer.json() == error.body
    entry = caller.simulator.ledger()["submits"][0]
    assert (entry["accepted"], entry["billed"], entry["status"]) == (error.accepted, error.accepted, error.status)


def test_accepted_though_it_failed_is_never_found(caller: Caller) -> None:
    caller.post("sim:submit_error=insert_task_failed")
    entry = caller.simulator.ledger()["submits"][0]
    assert entry["billed"] is True
    assert caller.poll(entry["generation_id"]).json()["code"] == "task_not_exist"


def test_message_may_be_nested_json() -> None:
    body: Any = ERRORS["filtered_prompt_nested"].body
    outer = json.loads(body["message"])
    assert "Support codes" in json.loads(outer["error"]["message"])["error"]["message"]


def test_chinese_goes_out_as_utf8(caller: Caller) -> None:
    assert "负载".encode() in caller.post("sim:submit_error=saturated").content
