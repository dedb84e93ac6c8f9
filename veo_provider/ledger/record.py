# SPDX-License-Identifier: Apache-2.0
"""One record: what is known of a task's latest submit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from veo_provider.api.calls import id_problem
from veo_provider.api.problem import Accepted

VERSION = 1
MAX_EARLIER = 20
MAX_EPOCH = 1e11


class SubmitPhase(StrEnum):
    """How far a submit has come."""

    SUBMITTING = "submitting"
    """About to be sent, or sent without a verdict: nobody knows whether it was billed."""
    REFUSED = "refused"
    """The gateway's verdict was no: nothing was billed."""
    SUBMITTED = "submitted"
    """Accepted, and billed: the generation id is known."""
    DONE = "done"
    """A task has succeeded with it."""


@dataclass(frozen=True)
class Record:
    """
    What is known of a task's latest submit. It holds no secret: people can read and edit it.

    :param phase: how far it has come.
    :param nonce: a random word, by which whoever writes an intent knows its own.
    :param try_number: Airflow's try that wrote it.
    :param max_tries: Airflow's count of allowed tries. A person's clear raises it; a retry doesn't.
    :param digest: of the request as it was sent.
    :param sent_at: epoch seconds just before it was sent.
    :param model: which model was asked for.
    :param base_url: where it was sent to.
    :param conn_id: by which connection.
    :param generation_id: the gateway's id, once it is known.
    :param accepted: of a submit without an id: what is known about a bill.
    :param message: of a submit without an id: what was known when it was lost.
    :param request_id: the gateway's name for that request.
    :param earlier: ids of the generations that this one follows, the oldest first.
    :param number: the how-manieth submit of this task it is.
    :param where: where the record lies, for people. It isn't stored.
    """

    phase: SubmitPhase
    nonce: str
    try_number: int
    max_tries: int
    digest: str
    sent_at: float
    model: str
    base_url: str
    conn_id: str
    generation_id: str | None = None
    accepted: Accepted = Accepted.MAYBE
    message: str = ""
    request_id: str | None = None
    earlier: tuple[str, ...] = ()
    number: int = 1
    where: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON values, and the time once more for people."""
        sent = datetime.fromtimestamp(self.sent_at, UTC).isoformat(timespec="seconds")
        values = {**asdict(self), "earlier": list(self.earlier), "version": VERSION, "sent_at_utc": sent}
        return {name: value for name, value in values.items() if name != "where" and value is not None}

    @classmethod
    def read(cls, values: Any, where: str) -> Self:
        """
        Read what a store holds.

        :raises ValueError: it isn't a record, or one of a later version. It must not pass for none.
        """
        if not isinstance(values, Mapping) or values.get("version") != VERSION:
            raise ValueError(f"{where} holds no record that this version of the provider can read")
        known: dict[str, Any] = {}
        try:
            for field in fields(cls):
                reader: Callable[[Any], Any] = _READERS.get(field.name, _text)
                if field.name in values:
                    known[field.name] = reader(values[field.name])
            record = cls(**known | {"where": where})
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{where} holds no record that can be read: {error}") from None
        if record.phase in (SubmitPhase.SUBMITTED, SubmitPhase.DONE) and not record.generation_id:
            raise ValueError(
                f"{where} holds no record that can be read: it says {record.phase} without a generation_id"
            )
        return record

    def followed(self) -> tuple[str, ...]:
        """Return the ids for the record of a submit that follows this one."""
        return (*self.earlier, *([self.generation_id] if self.generation_id else []))[-MAX_EARLIER:]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no text")
    return value


def _id(value: Any) -> str:
    if problem := id_problem(_text(value)):
        raise ValueError(f"the generation_id {value!r:.80} can't be asked for: {problem}")
    return _text(value)


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r:.80} is no whole number")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < MAX_EPOCH:
        raise TypeError(f"{value!r:.80} is no time")
    return float(value)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.80} is no list")
    return tuple(map(_text, value))


_READERS: dict[str, Callable[[Any], Any]] = {
    "phase": SubmitPhase,
    "accepted": Accepted,
    "try_number": _number,
    "max_tries": _number,
    "number": _number,
    "sent_at": _seconds,
    "generation_id": _id,
    "earlier": _texts,
}


def digest_of(wire: Mapping[str, Any], base_url: str) -> str:
    """Return the digest of a request as it is sent; the same parameters to the same gateway give the same."""
    text = json.dumps([base_url, wire], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
