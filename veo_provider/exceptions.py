# SPDX-License-Identifier: Apache-2.0
"""
The errors of this provider.

::

    VeoError (AirflowException)
    |-- VeoPermanentError (AirflowFailException: Airflow does not retry)
    |   |-- VeoValidationError (ValueError)   the request was never sent
    |   |-- VeoConfigurationError             the connection is wrong: base URL, extras
    |   |-- VeoAuthenticationError            no key, or a refused one
    |   |-- VeoPermissionError                the key may not do this
    |   |-- VeoQuotaError                     no credit left
    |   |-- VeoInvalidRequestError            the gateway or the model refuses the request
    |   |-- VeoContentPolicyError             a safety filter refused the prompt, an image or the video
    |   |-- VeoModelNotFoundError             the model is retired or not open to the account
    |   |-- VeoUpstreamError                  the gateway's own upstream account is refused
    |   |-- VeoNotFoundError                  the gateway doesn't know this generation
    |   |-- VeoProtocolError                  an answer outside the contract
    |   |-- VeoResultGoneError                the video existed and can't be had any more
    |   |-- VeoDestinationError               another object has the name, or the store says no for good
    |   |-- VeoMediaError                     the video isn't what was asked for (verify_media="fail")
    |   |-- VeoUnsafeLinkError                a result link that the safety rules refuse
    |   |-- VeoLedgerError                    the record of the submit can't be read, written or believed
    |   `-- VeoUnknownSubmitError             a submit without a verdict; it may have been billed
    `-- VeoTransientError (Airflow retries)
        |-- VeoConnectionNotFoundError        Airflow has no such connection, or can't read it now
        |-- VeoNetworkError
        |-- VeoRateLimitedError
        |-- VeoServerError
        |-- VeoModelUnavailableError          no channel for the model just now
        |-- VeoGenerationFailedError          the generation failed; another may not
        |-- VeoNotReadyError                  the generation has no video yet
        |-- VeoLedgerUnavailableError         the record of the submit can't be read or written now; nothing was sent
        |-- VeoStorageError                   the user's own store failed or refused
        |-- VeoResubmitError                  an unknown submit that the next try may repeat
        `-- VeoDeadlineError                  our time limit; the generation goes on
"""

from __future__ import annotations

import re
from typing import ClassVar, Self

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from veo_provider.api.problem import Accepted, Reason


def _is_named(known: str, text: str) -> bool:
    # A short id may be a piece of something else.
    return re.search(rf"(?<![\w-]){re.escape(known)}(?![\w-])", text) is not None


class VeoError(AirflowException):
    """
    Anything that this provider raises on purpose.

    :param message: what happened and what to do; ends with the generation and request ids where known.
    :param generation_id: the gateway's id of the generation.
    :param status_code: HTTP status of the answer.
    :param code: the gateway's own error code.
    :param request_id: the gateway's ``X-Oneapi-Request-Id``.
    :param retry_after: seconds that the gateway asked to wait.
    :param reason: why, as in events and XComs; each class has its own default.
    """

    default_reason: ClassVar[Reason] = Reason.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        generation_id: str | None = None,
        status_code: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        reason: Reason | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.generation_id = generation_id
        self.status_code = status_code  # type: ignore[assignment]
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.reason = reason or self.default_reason

    def __str__(self) -> str:
        """The message, which always names the generation and the request where they are known."""
        facts = {"generation": self.generation_id, "request": self.request_id}
        named = ", ".join(f"{name} {v}" for name, v in facts.items() if v and not _is_named(v, self.message))
        return f"{self.message} ({named})" if named else self.message

    def about(self, generation_id: str) -> Self:
        """Name the generation, where whoever raised the error didn't know it."""
        self.generation_id = self.generation_id or generation_id
        return self


class VeoPermanentError(VeoError, AirflowFailException):
    """A retry of the same task would fail the same way, or cost money: Airflow doesn't retry."""


class VeoTransientError(VeoError):
    """A later try may succeed: Airflow retries as the task says."""


class VeoValidationError(VeoPermanentError, ValueError):
    """The arguments are wrong. All problems are in the message; nothing was sent."""

    default_reason = Reason.INVALID_REQUEST


class VeoConfigurationError(VeoPermanentError):
    """The connection is wrong: its base URL, or an extra."""

    default_reason = Reason.CONFIGURATION


class VeoAuthenticationError(VeoPermanentError):
    """The connection has no API key, or the gateway refuses it."""

    default_reason = Reason.AUTHENTICATION


class VeoPermissionError(VeoPermanentError):
    """The key is known but may not do this. A generation that was already submitted goes on."""

    default_reason = Reason.PERMISSION


class VeoQuotaError(VeoPermanentError):
    """The account, or the key, has no credit left."""

    default_reason = Reason.QUOTA


class VeoInvalidRequestError(VeoPermanentError):
    """The gateway or the model refuses the request as it is."""

    default_reason = Reason.INVALID_REQUEST


class VeoContentPolicyError(VeoPermanentError):
    """A safety filter refused the prompt, an image or the generated video."""

    default_reason = Reason.CONTENT_POLICY


class VeoModelNotFoundError(VeoPermanentError):
    """The model is retired, or not open to the gateway's account."""

    default_reason = Reason.MODEL_NOT_FOUND


class VeoUpstreamError(VeoPermanentError):
    """The gateway's own account or model at its upstream is refused; only its operator can help."""

    default_reason = Reason.UPSTREAM


class VeoNotFoundError(VeoPermanentError):
    """The gateway doesn't know this generation id."""

    default_reason = Reason.NOT_FOUND


class VeoProtocolError(VeoPermanentError):
    """The gateway answered something that the contract doesn't know."""

    default_reason = Reason.PROTOCOL


class VeoResultGoneError(VeoPermanentError):
    """The video was made, and can't be fetched any more."""

    default_reason = Reason.RESULT_GONE


class VeoDestinationError(VeoPermanentError):
    """Another object has the name and may not be replaced, or a person must put the store right first."""

    default_reason = Reason.STORAGE


class VeoMediaError(VeoPermanentError):
    """The video has another length, shape or size than was asked for, or no sound: see ``verify_media``."""

    default_reason = Reason.MEDIA


class VeoUnsafeLinkError(VeoPermanentError):
    """A result link that the safety rules refuse: see the connection's ``allowed_result_hosts``."""

    default_reason = Reason.UNSAFE_LINK


class VeoLedgerError(VeoPermanentError):
    """The record of a submit can't be read, written or believed; to go on could cost a second bill."""

    default_reason = Reason.LEDGER


class VeoUnknownSubmitError(VeoPermanentError):
    """A submit without a verdict: a billed generation may exist whose id nobody knows."""

    default_reason = Reason.UNKNOWN_SUBMIT
    accepted = Accepted.MAYBE
    said = ""
    """What the gateway or the network said."""


class VeoConnectionNotFoundError(VeoTransientError):
    """Airflow has no such connection, or can't read it just now: Airflow 3 says the same of both."""

    default_reason = Reason.CONFIGURATION


class VeoNetworkError(VeoTransientError):
    """No answer, or half of one."""

    default_reason = Reason.NETWORK


class VeoRateLimitedError(VeoTransientError):
    """The gateway asks to slow down."""

    default_reason = Reason.RATE_LIMIT


class VeoServerError(VeoTransientError):
    """The gateway failed."""

    default_reason = Reason.SERVER


class VeoModelUnavailableError(VeoTransientError):
    """The gateway has no channel for this model just now."""

    default_reason = Reason.MODEL_UNAVAILABLE


class VeoGenerationFailedError(VeoTransientError):
    """The generation failed for a reason that another one may not meet."""

    default_reason = Reason.GENERATION_FAILED


class VeoNotReadyError(VeoTransientError):
    """The generation has no video yet."""

    default_reason = Reason.NOT_READY


class VeoLedgerUnavailableError(VeoTransientError):
    """The record of a submit can't be read or written just now, or another process holds it: nothing was sent."""

    default_reason = Reason.LEDGER


class VeoStorageError(VeoTransientError):
    """
    The user's own store, or the way to it, failed or refused.

    A video is still at the gateway, for a while; a frame that can't be read is looked for before anything is sent.
    """

    default_reason = Reason.STORAGE


class VeoResubmitError(VeoTransientError):
    """As :class:`VeoUnknownSubmitError`, where ``on_unknown_submit="resubmit"`` lets the next try send it again."""

    default_reason = Reason.UNKNOWN_SUBMIT

    @classmethod
    def instead_of(cls, error: VeoUnknownSubmitError) -> Self:
        """Make one of the permanent error."""
        return cls(
            f"{error.message} The next try, if there is one, sends it again: on_unknown_submit='resubmit' accepts a "
            "second bill",
            status_code=error.status_code,
            code=error.code,
            request_id=error.request_id,
        )


class VeoDeadlineError(VeoTransientError):
    """``timeout`` or Airflow's ``execution_timeout`` came. The generation, and its bill, go on at the gateway."""

    default_reason = Reason.DEADLINE
