# SPDX-License-Identifier: Apache-2.0
"""A record survives its store word for word, and nothing else passes for one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ledger.test_decision import RECORD
from veo_provider.api.problem import Accepted
from veo_provider.ledger.record import MAX_EARLIER, Record, SubmitPhase, digest_of

FULL = replace(
    RECORD, phase=SubmitPhase.DONE, accepted=Accepted.YES, message="lost", request_id="r", earlier=("a", "b"), number=3
)


@pytest.mark.parametrize(
    "record", [RECORD, FULL, replace(RECORD, phase=SubmitPhase.SUBMITTING, generation_id=None, digest="")]
)
def test_what_is_stored_comes_back(record: Record) -> None:
    stored = json.loads(json.dumps(record.as_dict()))
    assert Record.read(stored, "somewhere") == replace(record, where="somewhere")


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        RECORD.as_dict() | {"version": 2},
        {"version": 1},
        RECORD.as_dict() | {"phase": "of a later version"},
        RECORD.as_dict() | {"max_tries": "many"},
        RECORD.as_dict() | {"earlier": 7},
        RECORD.as_dict() | {"generation_id": ".."},
        RECORD.as_dict() | {"sent_at": 1e300},
        RECORD.as_dict() | {"base_url": None},
        {name: value for name, value in RECORD.as_dict().items() if name != "generation_id"},
    ],
)
def test_what_is_no_record_does_not_pass_for_none(values: Any) -> None:
    with pytest.raises(ValueError, match="somewhere holds no record"):
        Record.read(values, "somewhere")


@given(
    st.dictionaries(
        st.sampled_from(sorted(FULL.as_dict())), st.none() | st.integers() | st.text() | st.lists(st.text())
    )
)
def test_whatever_a_person_edits(values: dict[str, Any]) -> None:
    try:
        record = Record.read(FULL.as_dict() | values, "somewhere")
    except ValueError:
        return
    assert Record.read(record.as_dict(), "somewhere") == record


def test_what_came_before_is_kept_within_bounds() -> None:
    assert replace(RECORD, earlier=("a",)).followed() == ("a", "g")
    assert replace(RECORD, earlier=("a",), generation_id=None).followed() == ("a",)
    assert len(replace(RECORD, earlier=tuple("x" * 40)).followed()) == MAX_EARLIER


def test_the_digest_is_the_requests() -> None:
    assert digest_of({"a": 1, "b": 2}, "u") == digest_of({"b": 2, "a": 1}, "u")
    assert len({digest_of({"a": 1}, "u"), digest_of({"a": 2}, "u"), digest_of({"a": 1}, "v"), digest_of({}, "u")}) == 4
