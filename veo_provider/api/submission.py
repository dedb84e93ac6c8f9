# SPDX-License-Identifier: Apache-2.0
"""The answer to a submit becomes a generation id, or what is known about a bill (contract, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from veo_provider.api.calls import Answer, Kind
from veo_provider.api.error_body import MAX_NESTING, is_error
from veo_provider.api.errors import problem_of, request_id
from veo_provider.api.naming import named_tasks, names_in_links, next_document, usable_id
from veo_provider.api.problem import Accepted, Problem, Reason
from veo_provider.api.text import mapping, parse_json, printable

_ID_NAMES = ("task_id", "id")


def read_submit(answer: Answer) -> str | Problem:
    """
    Read the answer to a submit.

    :returns: the generation id, or the problem with what is known about a bill.
    """
    if not 200 <= answer.status < 300:
        return _refused(answer)
    document, rest = _first_document(answer.body)
    if document is None or answer.truncated:
        return _no_id(answer, "the answer is not JSON, or not all of it")
    found = _generation_id(document)
    if found and is_error(mapping(parse_json(rest))):
        second = problem_of(Kind.SUBMIT, replace(answer, body=rest))
        return replace(
            second,
            reason=Reason.SERVER,
            accepted=Accepted.YES,
            message=f"The gateway took the request as {found} and then failed to record it: it is "
            f"billed and can never be polled. {second.message}",
        )
    if found:
        return found
    problem = problem_of(Kind.SUBMIT, answer)
    # An error that names a task may stand beside a billed one: it proves nothing.
    names_one = bool(named_tasks(answer.body)) or _has_an_id(document, MAX_NESTING)
    unsure = problem.reason is Reason.PROTOCOL or names_one
    return _no_id(answer, problem.message) if unsure else problem


def _refused(answer: Answer) -> Problem:
    problem = problem_of(Kind.SUBMIT, answer)
    if problem.accepted is Accepted.NO:
        if not named_tasks(answer.body):
            return problem
        # Whatever its status, an answer that names a task may stand beside a billed one.
        problem = replace(problem, accepted=Accepted.MAYBE)
    return replace(problem, message=_quoting(answer, problem.message))


def _has_an_id(value: Any, depth: int) -> bool:
    """Tell whether any object in a document has an id of whatever; deeper than anybody looks there may be one."""
    if not isinstance(value, (dict, list)):
        return False
    if not depth or (isinstance(value, dict) and any(name in value for name in _ID_NAMES)):
        return True
    items = value.values() if isinstance(value, dict) else value
    return any(_has_an_id(item, depth - 1) for item in items)


def _first_document(body: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """Split off the first JSON document: shape S5 of the contract has two in one body."""
    text = body.decode("utf-8", errors="replace")
    document, end = next_document(text, 0) or (None, 0)
    return (document, text[end:].encode()) if isinstance(document, dict) else (None, b"")


def _generation_id(document: Mapping[str, Any]) -> str | None:
    # An error document may hold an "id" of its own: only an envelope that says success is looked into.
    if document.get("success") is False or (is_error(document) and "task_id" not in document):
        return None
    for place in (document, mapping(document.get("data"))):
        for name in _ID_NAMES:
            if found := usable_id(place.get(name)):
                return found
    data = document.get("data")
    return usable_id(data) if isinstance(data, str) else None


def _quoting(answer: Answer, message: str) -> str:
    """Add what the answer said; what may name the generation that is billed comes first, and whole."""
    names = [*named_tasks(answer.body), *names_in_links(answer.body)]
    named = f"It names {', '.join(dict.fromkeys(names))}. " if names else ""
    return f"{named}{message} It said: {printable(answer.body.decode(errors='replace'), 300) or 'nothing'}"


def _no_id(answer: Answer, why: str) -> Problem:
    why = f"The gateway answered HTTP {answer.status} to the submit without a generation id: {why}."
    return Problem(
        Reason.PROTOCOL,
        _quoting(answer, why),
        accepted=Accepted.MAYBE,
        status_code=answer.status,
        request_id=request_id(answer),
    )
