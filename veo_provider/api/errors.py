# SPDX-License-Identifier: Apache-2.0
"""The contract's table of HTTP errors (section 5) as one function: an answer becomes a problem."""

from __future__ import annotations

import email.utils
import re

from veo_provider.api.calls import Answer, Kind
from veo_provider.api.echoes import text_without_key
from veo_provider.api.error_body import ErrorBody, read_error_body
from veo_provider.api.failures import ANOTHER_PROMPT, has_safety_wording, support_code_categories
from veo_provider.api.problem import Accepted, Problem, Reason
from veo_provider.api.text import printable

# reason, transient, accepted
_Verdict = tuple[Reason, bool, Accepted]
_MAYBE, _NO, _YES = Accepted.MAYBE, Accepted.NO, Accepted.YES

_INVALID: _Verdict = (Reason.INVALID_REQUEST, False, _NO)
_NOT_FOUND: _Verdict = (Reason.NOT_FOUND, False, _NO)
_CONTENT: _Verdict = (Reason.CONTENT_POLICY, False, _NO)
_AUTHENTICATION: _Verdict = (Reason.AUTHENTICATION, False, _NO)
_UPSTREAM: _Verdict = (Reason.UPSTREAM, False, _NO)
_QUOTA: _Verdict = (Reason.QUOTA, False, _NO)
_PERMISSION: _Verdict = (Reason.PERMISSION, False, _NO)
_RATE_LIMIT: _Verdict = (Reason.RATE_LIMIT, True, _NO)
_WRONG_BASE_URL: _Verdict = (Reason.WRONG_BASE_URL, False, _NO)
_NO_CHANNEL: _Verdict = (Reason.MODEL_UNAVAILABLE, True, _NO)
_SERVER_REFUSED: _Verdict = (Reason.SERVER, True, _NO)
_SERVER: _Verdict = (Reason.SERVER, True, _MAYBE)
_SERVER_ACCEPTED: _Verdict = (Reason.SERVER, True, _YES)
_TIMED_OUT: _Verdict = (Reason.NETWORK, True, _MAYBE)
_PROXY_REFUSED: _Verdict = (Reason.CONFIGURATION, False, _NO)

_QUOTA_CODES = {"quota_not_enough", "insufficient_user_quota", "pre_consume_token_quota_failed"}
_EXHAUSTED = ("exhausted", "quota", "额度", "余额", "已用尽")
_INVALID_STATUS = {405, 411, 413, 414, 415, 422, 501}
# Codes whose meaning is the same whatever the HTTP status, 200 included.
_BY_CODE: dict[str, _Verdict] = {
    "invalid_request": _INVALID,
    "invalid_json": _INVALID,
    "model_price_error": _INVALID,
    "task_not_exist": _NOT_FOUND,
    "insert_task_failed": _SERVER_ACCEPTED,
    "build_request_failed": _SERVER_REFUSED,
    "get_channel_failed": _SERVER_REFUSED,
    **dict.fromkeys(_QUOTA_CODES, _QUOTA),
}

_ADVICE = {
    Reason.AUTHENTICATION: "Check the API key in the connection's password field",
    Reason.PERMISSION: "The key may not do this; a generation that was already submitted goes on",
    Reason.QUOTA: "Top up the gateway account or raise the key's limit",
    Reason.UPSTREAM: "The gateway's own upstream account or model is refused; ask its operator",
    Reason.WRONG_BASE_URL: (
        "Check the base URL in the connection's host field: it is the gateway's address without /v1"
    ),
    Reason.NOT_FOUND: "The gateway does not know this generation; check the id and the connection",
    Reason.CONTENT_POLICY: ANOTHER_PROMPT,
    Reason.CONFIGURATION: "The proxy refuses its user or password: check the connection's extra proxy",
}


def problem_of(kind: Kind, answer: Answer) -> Problem:
    """
    Classify an answer that isn't a success, or a 200 whose body is an error.

    :param kind: what the call was for.
    :param answer: the gateway's answer.
    """
    body = read_error_body(answer.body)
    reason, transient, accepted = _verdict(kind, answer.status, body)
    said = body.message or "no error text"
    categories = support_code_categories(body.text) if reason is Reason.CONTENT_POLICY else ()
    named = f" [{', '.join(categories)}]" if categories else ""
    advice = f". {_ADVICE[reason]}" if reason in _ADVICE else ""
    return Problem(
        reason=reason,
        message=f"The gateway answered HTTP {answer.status}{named}: {said}{advice}.",
        transient=transient,
        accepted=accepted if kind is Kind.SUBMIT else Accepted.NO,
        status_code=answer.status,
        code=body.code,
        request_id=request_id(answer),
        retry_after=retry_after(answer),
    )


def request_id(answer: Answer) -> str | None:
    """Return the gateway's name for the request."""
    return printable(answer.headers.get("x-oneapi-request-id", ""), 100) or None


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks to wait, given as seconds or as a date."""
    value = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - answer.now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _verdict(kind: Kind, status: int, body: ErrorBody) -> _Verdict:
    if status < 300:
        return _verdict_in_200(kind, body)
    if status < 400:
        return _WRONG_BASE_URL
    if status >= 500 and status != 501:
        return _verdict_5xx(status, body)
    if status == 400:
        return _verdict_400(body)
    if status == 401:
        return _verdict_401(body)
    if status == 402:
        return _QUOTA
    if status == 403:
        return _verdict_403(body)
    if status == 404:
        return _verdict_404(kind, body)
    if status == 407:
        # Through an https URL the same refusal is a failed connection, which is waited through.
        return _PROXY_REFUSED if kind is not Kind.POLL else _SERVER
    if status == 408:
        return _TIMED_OUT
    if status in (425, 429):
        return _RATE_LIMIT
    if status in _INVALID_STATUS:
        return _INVALID
    # A status that the contract doesn't list proves nothing: neither about a submit nor about a generation.
    return _SERVER if kind is Kind.POLL else (Reason.INVALID_REQUEST, False, _MAYBE)


def _verdict_in_200(kind: Kind, body: ErrorBody) -> _Verdict:
    """HTTP 200 may carry an error: judge it by its code, as the row of that code."""
    # Only the outermost: what the gateway wraps is somebody else's error, and may stand beside a billed job.
    code = body.code or ""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if re.fullmatch(r"[45]\d\d", code):
        return _verdict(kind, int(code), body)
    if code == "fail_to_fetch_task" and has_safety_wording(body.text):
        return _CONTENT
    if code == "model_not_found":
        return _NO_CHANNEL
    if kind is Kind.SUBMIT:
        return (Reason.PROTOCOL, False, _MAYBE)
    return _SERVER


def _verdict_400(body: ErrorBody) -> _Verdict:
    if "task_not_exist" in body.codes:
        return _NOT_FOUND
    from_upstream = {"fail_to_fetch_task", "sensitive_words_detected", "content_policy_violation"}
    if from_upstream.intersection(body.codes) and has_safety_wording(body.text):
        return _CONTENT
    return _CONTENT if support_code_categories(body.text) else _INVALID


def _verdict_401(body: ErrorBody) -> _Verdict:
    if body.code == "fail_to_fetch_task":
        return _UPSTREAM
    return _QUOTA if any(word in body.text for word in _EXHAUSTED) else _AUTHENTICATION


def _verdict_403(body: ErrorBody) -> _Verdict:
    if body.code == "fail_to_fetch_task" and "upstream_load_saturated" in body.text:
        return _RATE_LIMIT
    return _QUOTA if any(code in body.text for code in _QUOTA_CODES) else _PERMISSION


def _verdict_404(kind: Kind, body: ErrorBody) -> _Verdict:
    if body.code == "fail_to_fetch_task":
        return _UPSTREAM
    if not body.is_json or not body.message or "invalid url" in body.text:
        return _WRONG_BASE_URL
    if kind is Kind.POLL:
        return _NOT_FOUND
    return _INVALID if kind is Kind.SUBMIT and "model" in body.text else _WRONG_BASE_URL


def _verdict_5xx(status: int, body: ErrorBody) -> _Verdict:
    # What the gateway wraps as fail_to_fetch_task came from its upstream, which may have taken the job.
    if body.code == "fail_to_fetch_task":
        return _SERVER
    if status == 500 and body.code in _BY_CODE:
        verdict = _BY_CODE[body.code]
        return verdict if verdict[0] is Reason.SERVER else _SERVER
    # Only the gateway's own words count: a page of a proxy, and a request that is echoed, may say anything.
    if status == 503 and body.is_json:
        if body.code == "model_not_found" or "no available channel" in body.words or "无可用渠道" in body.words:
            return _NO_CHANNEL
        if re.search(r"\bsystem_\w*overloaded\b", " ".join([body.words, *body.codes])):
            return _SERVER_REFUSED
    return _SERVER


def unanswered(kind: Kind, base_url: str, error: BaseException, *, request_began: bool, key: str = "") -> Problem:
    """
    Say that a call brought no whole answer.

    :param kind: what the call was for.
    :param base_url: where it went.
    :param error: what the HTTP library raised.
    :param request_began: whether a byte of the body had been handed over for sending. Only that decides
        whether a submit may have been accepted: libraries raise the same classes before and after.
    :param key: the API key, which an answer that isn't HTTP may echo: libraries quote it.
    """
    sent = kind is Kind.SUBMIT and request_began
    words = printable(f"{type(error).__name__}: {text_without_key(str(error), key)}", 300)
    return Problem(
        Reason.NETWORK,
        f"No answer from {base_url}: {words}" if not sent else f"The answer of {base_url} was lost: {words}",
        transient=True,
        accepted=Accepted.MAYBE if sent else Accepted.NO,
    )
