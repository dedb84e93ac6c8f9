# SPDX-License-Identifier: Apache-2.0
"""From a problem, which is data, to the exception that belongs to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from veo_provider.api.problem import Accepted, Problem, Reason
from veo_provider.exceptions import (
    VeoAuthenticationError,
    VeoConfigurationError,
    VeoContentPolicyError,
    VeoDeadlineError,
    VeoError,
    VeoGenerationFailedError,
    VeoInvalidRequestError,
    VeoLedgerError,
    VeoMediaError,
    VeoModelNotFoundError,
    VeoModelUnavailableError,
    VeoNetworkError,
    VeoNotFoundError,
    VeoNotReadyError,
    VeoPermissionError,
    VeoProtocolError,
    VeoQuotaError,
    VeoRateLimitedError,
    VeoResultGoneError,
    VeoServerError,
    VeoStorageError,
    VeoTransientError,
    VeoUnknownSubmitError,
    VeoUnsafeLinkError,
    VeoUpstreamError,
)

if TYPE_CHECKING:
    from veo_provider.api.generation import Generation
    from veo_provider.api.waiting import Seen

_BY_REASON: dict[Reason, type[VeoError]] = {
    Reason.NETWORK: VeoNetworkError,
    Reason.RATE_LIMIT: VeoRateLimitedError,
    Reason.SERVER: VeoServerError,
    Reason.MODEL_UNAVAILABLE: VeoModelUnavailableError,
    Reason.GENERATION_FAILED: VeoGenerationFailedError,
    Reason.INTERNAL: VeoTransientError,
    Reason.NOT_READY: VeoNotReadyError,
    Reason.DEADLINE: VeoDeadlineError,
    Reason.AUTHENTICATION: VeoAuthenticationError,
    Reason.PERMISSION: VeoPermissionError,
    Reason.QUOTA: VeoQuotaError,
    Reason.INVALID_REQUEST: VeoInvalidRequestError,
    Reason.CONTENT_POLICY: VeoContentPolicyError,
    Reason.MODEL_NOT_FOUND: VeoModelNotFoundError,
    Reason.UPSTREAM: VeoUpstreamError,
    Reason.CONFIGURATION: VeoConfigurationError,
    Reason.WRONG_BASE_URL: VeoConfigurationError,
    Reason.NOT_FOUND: VeoNotFoundError,
    Reason.PROTOCOL: VeoProtocolError,
    Reason.RESULT_GONE: VeoResultGoneError,
    Reason.NO_VIDEO: VeoProtocolError,
    Reason.STORAGE: VeoStorageError,
    Reason.MEDIA: VeoMediaError,
    Reason.UNSAFE_LINK: VeoUnsafeLinkError,
    Reason.UNKNOWN_SUBMIT: VeoUnknownSubmitError,
    Reason.LEDGER: VeoLedgerError,
}


def error_for(problem: Problem, generation_id: str | None = None) -> VeoError:
    """
    Turn a problem into the exception that belongs to its reason.

    :param problem: what went wrong.
    :param generation_id: the generation it concerns, if there is one.
    """
    return _BY_REASON[problem.reason](
        problem.message,
        generation_id=generation_id,
        status_code=problem.status_code,
        code=problem.code,
        request_id=problem.request_id,
        retry_after=problem.retry_after,
        reason=problem.reason,
    )


def generation_of(generation_id: str, seen: Seen) -> Generation:
    """
    Return what the gateway said of a generation.

    :param generation_id: the id that was asked for.
    :param seen: the answer.
    :raises VeoError: it is a problem.
    """
    if isinstance(seen, Problem):
        raise error_for(seen, generation_id)
    return seen


def unknown_submit(problem: Problem, model: str, base_url: str, sent_at: float) -> VeoUnknownSubmitError:
    """
    Say that a submit went out and nobody knows what became of it.

    :param problem: what is known.
    :param model: which model was asked for.
    :param base_url: where the request went.
    :param sent_at: epoch seconds when it was sent.
    """
    when = datetime.fromtimestamp(sent_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    billed = "may have been accepted and billed"
    advice = (
        "Look it up in the gateway's console. If it is there, run the task with its id as generation_id; if it "
        "isn't, or a second bill is fine, with on_unknown_submit='resubmit'. To clear the task isn't enough"
    )
    if problem.accepted is Accepted.YES:
        billed = "was accepted and billed"
        advice = (
            "Ask the gateway's operator about the bill. To send it again run the task with "
            "on_unknown_submit='resubmit'; to clear it isn't enough"
        )
    error = VeoUnknownSubmitError(
        f"Nobody knows the generation that was asked for at {when}: {base_url} took the request for {model} and "
        f"gave no usable id, so it {billed}. It was not sent again. {advice}. {problem.message}",
        status_code=problem.status_code,
        code=problem.code,
        request_id=problem.request_id,
        retry_after=problem.retry_after,
    )
    error.accepted, error.said = problem.accepted, problem.message
    return error
