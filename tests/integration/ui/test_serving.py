# SPDX-License-Identifier: Apache-2.0
"""What a browser gets of a stored video, and what nobody gets."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.integration.ui.conftest import POSTER, VIDEO, Page
from tests.support.s3 import S3Server


def fetch(url: str, **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers=headers, timeout=30)


@pytest.mark.parametrize("task_id", ["store", "store_beside"])
def test_s3_by_a_link_that_lives_for_minutes(task_id: str, page: Page) -> None:
    answer = page.video("cats", task_id)
    assert answer.status_code == 302
    link = answer.headers["Location"]
    query = parse_qs(urlsplit(link).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert int(query["X-Amz-Expires"][0]) <= 300
    assert answer.headers["Cache-Control"] == "no-store"
    whole = fetch(link)
    assert (whole.content, whole.headers["Content-Type"]) == (VIDEO, "video/mp4")
    part = fetch(link, Range="bytes=100-199")
    assert (part.status_code, part.content) == (206, VIDEO[100:200])


def test_posters(page: Page) -> None:
    answer = page.video("cats", "store", params={"poster": "true"})
    assert answer.status_code == 302
    found = fetch(answer.headers["Location"])
    assert (found.content, found.headers["Content-Type"]) == (POSTER, "image/jpeg")
    found = page.video("dogs", "store", params={"poster": "true"})
    assert (found.status_code, found.content, found.headers["Content-Type"]) == (200, POSTER, "image/jpeg")
    # Below no folder that may be shown, and beside what isn't marked as the video.
    for dag_id, task_id in (("dogs", "hidden"), ("dogs", "link"), ("cats", "forged"), ("cats", "forged_file")):
        assert page.video(dag_id, task_id, params={"poster": "true"}).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "status", "body", "span"),
    [
        (None, 200, slice(None), None),
        ("bytes=0-", 206, slice(None), "bytes 0-10239/10240"),
        ("bytes=0-99", 206, slice(100), "bytes 0-99/10240"),
        ("bytes=10000-", 206, slice(10000, None), "bytes 10000-10239/10240"),
        ("bytes=10000-99999", 206, slice(10000, None), "bytes 10000-10239/10240"),
        ("bytes=-40", 206, slice(-40, None), "bytes 10200-10239/10240"),
        ("bytes=10240-", 416, None, "bytes */10240"),
        ("bytes=-0", 416, None, "bytes */10240"),
        ("bytes=9-5", 200, slice(None), None),
        ("bytes=0-1,5-6", 200, slice(None), None),
        ("bytes=x", 200, slice(None), None),
        ("bytes=-", 200, slice(None), None),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_file_by_range(wanted: str | None, status: int, body: slice | None, span: str | None, page: Page) -> None:
    answer = page.video("dogs", "store", headers={"Range": wanted} if wanted else {})
    assert (answer.status_code, answer.content, answer.headers.get("Content-Range")) == (
        status,
        VIDEO[body] if body else b"",
        span,
    )
    if status < 400:
        assert (answer.headers["Content-Type"], answer.headers["Accept-Ranges"]) == ("video/mp4", "bytes")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("dag_id", "task_id"),
    [
        ("cats", "forged"),
        ("cats", "forged_file"),
        ("cats", "generate"),
        ("cats", "odd"),
        ("dogs", "hidden"),
        ("dogs", "link"),
        ("dogs", "pipe"),
        # The API server itself may read these.
        ("dogs", "own"),
        ("dogs", "no_conn"),
        ("dogs", "other_conn"),
        ("dogs", "s3n"),
        ("nobody", "store"),
    ],
)
def test_what_nobody_gets(dag_id: str, task_id: str, page: Page) -> None:
    answer = page.video(dag_id, task_id)
    # All in the same words: what is there must not be found out by them.
    assert (answer.status_code, answer.text) == (404, "There is no such video")


def test_a_connection_out_of_airflows_database(page: Page, seaweedfs: S3Server) -> None:
    assert page.video("dogs", "made_later").status_code == 404
    made = {"connection_id": "aws_made_later"} | json.loads(seaweedfs.connection())
    made["extra"] = json.dumps(made["extra"])
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {page.tokens['admin']}"}
        session.post(f"{page.url}/api/v2/connections", json=made, headers=headers, timeout=30).raise_for_status()
    assert page.video("dogs", "made_later").status_code == 302


def test_an_empty_connection_is_the_api_servers_own(page: Page) -> None:
    assert page.video("dogs", "empty_conn").status_code == 302


@pytest.mark.parametrize("index", [0, 1])
def test_a_malformed_uri_leads_nowhere(index: int, page: Page) -> None:
    answer = page.video("dogs", "strange", params={"index": index})
    assert answer.status_code == 404


@pytest.mark.parametrize("query", [{"index": -1}, {"index": 2**31}, {"map_index": -2}, {"task_id": "x\0"}], ids=str)
def test_bad_queries_get_an_answer(query: dict[str, str | int], page: Page) -> None:
    assert page.video("cats", "store", params=query).status_code == 422


def test_a_dead_store_is_asked_once_a_minute(page: Page) -> None:
    first = page.video("dogs", "dead", at_once=True)
    assert first.status_code in (502, 503)
    again = page.video("dogs", "dead", at_once=True)
    assert (again.status_code, again.text) == (503, "Its store did not answer a moment ago")
    # It costs nobody else anything: not another store, nor another connection to the same bucket.
    assert page.video("dogs", "store").content == VIDEO
    assert page.video("cats", "store").status_code == 302


def test_no_link_and_no_secret_is_logged(page: Page, seaweedfs: S3Server) -> None:
    page.video("cats", "store")
    log = page.log.read_text()
    # It is the log of these requests.
    assert "/veo/api/video" in log
    assert "X-Amz" not in log
    assert "veosecret1" not in log
