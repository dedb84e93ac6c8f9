# SPDX-License-Identifier: Apache-2.0
"""One record: what is known of a task's latest submit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

from veo_provider.api.problem import Accepted

MAX_EARLIER = 20


class Phase(StrEnum):
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

    phase: Phase
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
        """Return the record as JSON values."""
        values = {**asdict(self), "earlier": list(self.earlier), "version": 1}
        return {name: value for name, value in values.items() if name != "where" and value not in (None, "", [])}

    @classmethod
    def read(cls, values: Any, where: str) -> Self:
        """
        Read what a store holds.

        :raises ValueError: it isn't a record, or one of a later version. It must not pass for none.
        """
        if not isinstance(values, Mapping) or values.get("version") != 1:
            raise ValueError(f"{where} holds no record that this version of the provider can read")
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        try:
            record = cls(**known)
            return replace(
                record,
                phase=Phase(record.phase),
                accepted=Accepted(record.accepted),
                try_number=int(record.try_number),
                max_tries=int(record.max_tries),
                sent_at=float(record.sent_at),
                number=int(record.number),
                earlier=tuple(map(str, record.earlier)),
                generation_id=None if record.generation_id is None else str(record.generation_id),
                where=where,
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where} holds no record that can be read: {error}") from None

    def followed(self) -> tuple[str, ...]:
        """Return the ids for the record of a submit that follows this one."""
        return (*self.earlier, *([self.generation_id] if self.generation_id else []))[-MAX_EARLIER:]


def digest_of(wire: Mapping[str, Any], base_url: str) -> str:
    """Return the digest of a request as it is sent; the same parameters to the same gateway give the same."""
    text = json.dumps([base_url, wire], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
