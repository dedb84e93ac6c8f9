# SPDX-License-Identifier: Apache-2.0
"""What an answer names; which of it makes a submit unknown is in the contract tests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from tests.unit.api.test_answers import BODIES
from veo_provider.api.naming import DEEP, MAX_NAMES, named_tasks, names_in_links, next_document, usable_id


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({"task_id": "a_1", "error": {"task_id": 7}}, ["a_1", "7"]),
        ({"data": [{"id": "a_1"}, {"id": "b_2"}]}, ["a_1", "b_2"]),
        ({"id": "a_1", "status": "queued"}, ["a_1"]),
        ({"id": "a_1", "message": "x"}, []),
        ({"data": "task_7"}, ["task_7"]),
        ({"data": "quota"}, []),
        ({"data": "try again in 7 s"}, []),
        ({"data": True, "task_id": False}, []),
        ({"data": 0, "task_id": "", "status": "x", "id": 0}, []),
        ({"data": '{"task_id":"a_1"}'}, ["a_1"]),
        ({"message": '[{"task_id":"a_1"}]'}, ["a_1"]),
        ([{"task_id": f"a_{number}"} for number in range(9)], [f"a_{number}" for number in range(MAX_NAMES)]),
    ],
)
def test_what_is_named(document: Any, names: list[str]) -> None:
    assert named_tasks(json.dumps(document).encode()) == names


def test_every_document_is_read() -> None:
    assert named_tasks('\ufeff {"task_id":"a"}\n{"task_id":"a"} {"task_id":"b"} and {"task_id":"c"}'.encode()) == [
        "a",
        "b",
    ]


def test_deeper_than_anybody_looks_there_may_be_one() -> None:
    assert named_tasks(b'{"data":' * 30 + b"1" + b"}" * 30) == [DEEP]


def test_links_name_tasks_too() -> None:
    body = b"see https://h/p?task_id=task_7&sig=s3cret or https://h/q?a=1&id=task_8; not ?uuid=task_9"
    assert names_in_links(body) == ["task_7", "task_8;"]


def test_a_hostile_query_does_not_hang() -> None:
    assert names_in_links(b"?" + b"task" * 250_000) == []


@given(BODIES)
def test_no_body_crashes(body: bytes) -> None:
    assert all(isinstance(name, str) for name in named_tasks(body))


@pytest.mark.parametrize(
    ("value", "usable"), [(" a ", "a"), (7, "7"), (True, None), (10**50, None), ("", None), (1.5, None)]
)
def test_usable_ids(value: Any, usable: str | None) -> None:
    assert usable_id(value) == usable


def test_there_may_be_no_document() -> None:
    for text in ("", " \n", "no", "[" * 100_000):
        assert next_document(text, 0) is None
