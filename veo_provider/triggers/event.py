# SPDX-License-Identifier: Apache-2.0
"""The outcome as it crosses from the triggerer to the worker: small, typed, without a link or a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from veo_provider.api.problem import Reason
from veo_provider.api.text import printable
from veo_provider.api.waiting import Outcome

MAX_MESSAGE = 700
"""An event goes through the metadata database and, word for word, into the trigger's log."""


def to_payload(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as the payload of a ``TriggerEvent``."""
    short = replace(outcome, message=printable(outcome.message, MAX_MESSAGE))
    payload = {name: value for name, value in asdict(short).items() if value not in (None, (), 0, "")}
    payload["generation_id"] = outcome.generation_id
    payload["outcome"] = "failed" if outcome.reason else "succeeded"
    payload["history"] = [[status, round(at, 1)] for status, at in outcome.history]
    return payload


def from_payload(payload: Any) -> Outcome:
    """
    Read an event's payload.

    :raises ValueError: it isn't one of ours.
    """
    if not isinstance(payload, Mapping) or not isinstance(payload.get("generation_id"), str):
        raise ValueError(f"not an event of VeoGenerationTrigger: {printable(repr(payload), 200)}")
    known = {field.name for field in fields(Outcome)}
    values: dict[str, Any] = {"reason": None, "message": ""}
    values |= {name: value for name, value in payload.items() if name in known}
    if values["reason"] is not None:
        values["reason"] = Reason(values["reason"])
    elif payload.get("outcome") != "succeeded":
        raise ValueError(f"an event without a reason for its failure: {printable(repr(payload), 200)}")
    if not all(isinstance(values.get(name, 0), int) for name in ("videos", "filtered", "polls")):
        raise ValueError(f"an event whose counts are no numbers: {printable(repr(payload), 200)}")
    values["history"] = tuple((str(status), float(at)) for status, at in payload.get("history", ()))
    return Outcome(**values)
