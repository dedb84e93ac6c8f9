# SPDX-License-Identifier: Apache-2.0
"""Faults to inject: what they are, which call they hit, and what the caller then sees."""

from __future__ import annotations

import asyncio
import dataclasses
import http
import random
from typing import Any

from aiohttp import web

from veo_provider.simulator.delivery import Answer, Break, Sent, deliver, hang_up, json_answer
from veo_provider.simulator.errors import ERRORS, ErrorAnswer, page, relay

OPERATIONS = ("submit", "poll", "models", "download")
KINDS = (
    "status",
    "error",
    "html",
    "empty",
    "redirect",
    "garbage",
    "reset",
    "truncate",
    "stall",
    "drip",
    "delay",
    "lost_answer",
    "truncated_answer",
)
_ACCEPTING = ("lost_answer", "truncated_answer", "delay")
_STATUS = {"html": 502, "empty": 200, "redirect": 302, "garbage": 200}


class FaultError(ValueError):
    """A fault nobody understands."""


@dataclasses.dataclass
class Fault:
    """
    One fault.

    :param on: ``submit``, ``poll``, ``models`` or ``download``.
    :param kind: one of ``KINDS``.
    :param status: HTTP status of the answer.
    :param body: its body: a JSON value, or text.
    :param headers: further headers.
    :param name: the row of ``errors.ERRORS`` (kind ``error``).
    :param times: how many calls it hits; None means all.
    :param skip: how many calls it lets pass first.
    :param share: the chance with which it hits a call at all; the others pass.
    :param seconds: how long it takes (``stall``, ``drip``, ``delay``).
    :param after_bytes: bytes of the body that still arrive (``reset``, ``truncate``, ``stall``).
    :param accepted: a submit it hits was accepted and billed.
    """

    on: str
    kind: str
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    name: str | None = None
    times: int | None = 1
    skip: int = 0
    share: float = 1.0
    seconds: float = 30.0
    after_bytes: int | None = None
    accepted: bool = False

    def __post_init__(self) -> None:
        """Refuse what could never happen."""
        if self.on not in OPERATIONS:
            raise FaultError(f"on must be one of {', '.join(OPERATIONS)}, not {self.on!r}")
        if self.kind not in KINDS:
            raise FaultError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.kind == "error" and self.name not in ERRORS:
            raise FaultError(f"name must be one of {', '.join(ERRORS)}, not {self.name!r}")
        if self.kind == "lost_answer" and self.on != "submit":
            raise FaultError("lost_answer is a fault of a submit")
        if self.times is not None and self.times < 1:
            raise FaultError("times must be 1 or more, or null for always")
        if not 0 < self.share <= 1:
            raise FaultError("share must be above 0 and at most 1")
        self.headers = {str(name): str(value) for name, value in self.headers.items()}
        self.accepted = self.accepted or self.kind in _ACCEPTING
        if self.kind == "error" and self.name is not None:
            self.accepted = self.accepted or ERRORS[self.name].accepted

    @property
    def wants_real(self) -> bool:
        """Whether the caller gets at least a part of the real answer."""
        if self.kind in ("reset", "stall"):
            return self.after_bytes is not None
        return self.kind in ("truncate", "truncated_answer", "drip", "delay")

    @property
    def shown_status(self) -> int | None:
        """The HTTP status of its own answer; None if it has none."""
        silent = self.kind == "lost_answer" or (self.kind in ("reset", "stall") and self.after_bytes is None)
        return None if silent else self.answer("").status

    def answer(self, elsewhere: str) -> Answer:
        """
        Return what the caller sees instead of the real answer.

        :param elsewhere: where a redirect leads.
        """
        status = self.status or _STATUS.get(self.kind, 500)
        if self.kind == "error" and self.name is not None:
            base = error_answer(ERRORS[self.name])
        elif self.kind == "html":
            base = error_answer(ErrorAnswer(status, page(status, _phrase(status))))
        elif self.kind == "garbage":
            base = Answer(status, {"Content-Type": "application/json"}, b'\xff\xfe{"task_id": \x00garbage')
        elif self.kind == "redirect":
            base = Answer(status, {"Location": elsewhere})
        elif self.kind == "empty":
            base = Answer(status, {})
        else:
            body = relay(_phrase(status)) if self.body is None else self.body
            base = error_answer(ErrorAnswer(status, body))
        return dataclasses.replace(base, headers=base.headers | self.headers)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def error_answer(error: ErrorAnswer) -> Answer:
    """
    Return an error of the family as it is sent.

    :param error: the error.
    """
    if error.body is None:
        return Answer(error.status, {})
    if isinstance(error.body, str):
        kind = "html" if error.body.lstrip().startswith("<") else "plain"
        return Answer(error.status, {"Content-Type": f"text/{kind}; charset=utf-8"}, error.body.encode())
    return json_answer(error.body, error.status)


def read_faults(data: Any) -> list[Fault]:
    """
    Read one fault or a list of them.

    :param data: the JSON value.
    """
    faults = []
    for item in data if isinstance(data, list) else [data]:
        if not isinstance(item, dict):
            raise FaultError("a fault is a JSON object")
        try:
            faults.append(Fault(**item))
        except (TypeError, AttributeError) as error:
            raise FaultError(str(error)) from None
    return faults


class FaultBook:
    """
    The faults still to come.

    :param rate: share of polls that fail at random.
    :param seed: makes that, and the faults with a share, repeatable.
    """

    def __init__(self, rate: float, seed: int | None) -> None:
        self.faults: list[Fault] = []
        self._rate = rate
        self._random = random.Random(seed)

    def next(self, operation: str) -> Fault | None:
        """
        Take the fault for this call, if one is due.

        :param operation: one of ``OPERATIONS``.
        """
        for fault in self.faults:
            if fault.on != operation or (fault.share < 1 and self._random.random() >= fault.share):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
            return fault
        if operation == "poll" and self._random.random() < self._rate:
            return Fault("poll", **self._random.choice(_RANDOM))
        return None


_RANDOM: list[dict[str, Any]] = [
    {"kind": "error", "name": "rate_limited", "headers": {"Retry-After": "1"}},
    {"kind": "error", "name": "upstream_5xx"},
    {"kind": "html"},
    {"kind": "empty", "status": 504},
    {"kind": "garbage"},
    {"kind": "reset"},
    {"kind": "truncate"},
]


async def suffer(
    fault: Fault, request: web.Request, real: Answer | None, elsewhere: str, sent: Sent = lambda count: None
) -> web.StreamResponse:
    """
    Let a call suffer its fault.

    :param fault: what happens.
    :param request: the call.
    :param real: the answer it would have got; None if there was none, as for a submit that was not accepted.
    :param elsewhere: where a redirect leads.
    :param sent: told about every part of the body that was sent.
    """
    answer = real or fault.answer(elsewhere)
    match fault.kind:
        case "lost_answer":
            return await hang_up(request, reset=True)
        case "reset" if fault.after_bytes is None:
            return await hang_up(request, reset=True)
        case "stall" if fault.after_bytes is None:
            await asyncio.sleep(fault.seconds)
            return await hang_up(request, reset=False)
        case "reset":
            return await deliver(request, answer, end=Break(fault.after_bytes, reset=True), sent=sent)
        case "stall":
            return await deliver(request, answer, end=Break(fault.after_bytes, fault.seconds), sent=sent)
        case "truncate" | "truncated_answer":
            return await deliver(request, answer, end=Break(fault.after_bytes), sent=sent)
        case "drip":
            return await deliver(request, answer, drip_seconds=fault.seconds, sent=sent)
        case "delay":
            await asyncio.sleep(fault.seconds)
            return await deliver(request, answer, sent=sent)
    return await deliver(request, fault.answer(elsewhere), sent=sent)
