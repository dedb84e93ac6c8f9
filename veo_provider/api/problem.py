# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as data: one reason, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why something failed. The value crosses process borders in events and XComs."""

    NETWORK = "network"
    RATE_LIMIT = "rate_limit"
    SERVER = "server"
    MODEL_UNAVAILABLE = "model_unavailable"
    """The gateway has no channel for this model just now (HTTP 503)."""
    GENERATION_FAILED = "generation_failed"
    """The generation ended in a failure that another submit may not meet."""
    INTERNAL = "internal"
    """An error of our own, or of Airflow around us; the generation isn't touched by it."""
    NOT_READY = "not_ready"
    """Asked for a result before there is one."""
    DEADLINE = "deadline"
    """Our own time limit; the generation, and its bill, go on."""

    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    QUOTA = "quota"
    INVALID_REQUEST = "invalid_request"
    CONTENT_POLICY = "content_policy"
    MODEL_NOT_FOUND = "model_not_found"
    """The generation failed because its model is retired or not open to the account."""
    UPSTREAM = "upstream"
    """The gateway's own account or model at its upstream is refused; only its operator can help."""
    CONFIGURATION = "configuration"
    """The connection doesn't exist or holds something wrong."""
    WRONG_BASE_URL = "wrong_base_url"
    NOT_FOUND = "not_found"
    PROTOCOL = "protocol"
    """An answer that the contract doesn't know."""
    RESULT_GONE = "result_gone"
    NO_VIDEO = "no_video"
    """The generation counts as succeeded, but its answer never named a video."""
    STORAGE = "storage"
    """The user's own store, or the way to it, failed or refused."""
    MEDIA = "media"
    """A stored video isn't what was asked for."""
    UNSAFE_LINK = "unsafe_link"
    """A result link that the safety rules refuse."""
    LEDGER = "ledger"
    """What a task keeps of its own submit can't be read, written or believed."""
    UNKNOWN_SUBMIT = "unknown_submit"
    """A submit without a verdict: a billed generation may exist whose id nobody knows."""


class Accepted(StrEnum):
    """After a failed submit: may a billed generation exist?"""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(frozen=True)
class Problem:
    """
    One thing that went wrong.

    :param reason: why.
    :param message: what to tell a person; never holds the API key nor a signed link.
    :param transient: whether the same call, repeated later, may go well.
    :param accepted: for a submit only: may it have been accepted, and billed, all the same?
    :param status_code: HTTP status, where there was an answer.
    :param code: the gateway's own error code.
    :param request_id: the gateway's ``X-Oneapi-Request-Id``.
    :param retry_after: seconds that the gateway asks to wait.
    """

    reason: Reason
    message: str
    transient: bool = False
    accepted: Accepted = Accepted.NO
    status_code: int | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
