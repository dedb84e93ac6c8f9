# SPDX-License-Identifier: Apache-2.0
"""What may be asked again is, and nothing else: no test may clear or pay twice because an answer was lost."""

from __future__ import annotations

import pytest
import requests

from tests.support.airflow_api import AirflowApi
from tests.support.raw_server import RawServer, Reply, raw_server

FAILED, LOST, DONE, THERE = Reply(status=500), Reply(reset=True), Reply(body={"value": 1}), Reply(status=409)


@pytest.mark.parametrize(
    ("method", "replies"),
    [("GET", (FAILED, DONE)), ("GET", (LOST, DONE)), ("PATCH", (LOST, DONE)), ("POST", (FAILED, DONE))],
)
def test_what_may_be_asked_again(method: str, replies: tuple[Reply, ...]) -> None:
    with raw_server() as server:
        server.answer(*replies)
        assert AirflowApi(server.url).json(method, "/dags") == {"value": 1}
        assert _asked(server) == [method] * len(replies)


def test_a_post_whose_answer_is_lost_is_not_sent_again() -> None:
    with raw_server() as server:
        server.answer(LOST, DONE)
        with pytest.raises(requests.ConnectionError):
            AirflowApi(server.url).json("POST", "/dags/d/clearTaskInstances")
        assert _asked(server) == ["POST"]


def test_a_refusal_is_final_and_says_why() -> None:
    with raw_server() as server:
        server.answer(Reply(status=404, body={"detail": "no such DAG"}), DONE)
        with pytest.raises(RuntimeError, match=r"GET /api/v2/dags/d: HTTP 404 .*no such DAG"):
            AirflowApi(server.url).json("GET", "/dags/d")
        assert _asked(server) == ["GET"]


def test_a_run_is_made_once() -> None:
    with raw_server() as server:
        server.answer(LOST, THERE)
        assert AirflowApi(server.url).trigger("d", run_id="r").run_id == "r"
        assert _asked(server) == ["POST"] * 2
        assert server.requests[0].body == server.requests[1].body
        server.answer(Reply(status=404))
        with pytest.raises(RuntimeError, match="HTTP 404"):
            AirflowApi(server.url).trigger("d")


def _asked(server: RawServer) -> list[str]:
    return [request.method for request in server.requests]
