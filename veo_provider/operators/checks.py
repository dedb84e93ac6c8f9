# SPDX-License-Identifier: Apache-2.0
"""What is wrong with arguments that are known when a DAG is parsed."""

from __future__ import annotations

from typing import Any

from veo_provider.api.calls import id_problem

MAX_WAIT_SECONDS = 30 * 86_400
"""The longest wait: a number that no date can hold would fail the task after it has paid."""


def check_waiting(**seconds: Any) -> list[str]:
    """List what is wrong with the arguments for waiting, by their names."""
    return [
        f"{name}: {value!r} is not a number of seconds above 0 and at most {MAX_WAIT_SECONDS}"
        for name, value in seconds.items()
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MAX_WAIT_SECONDS
    ]


def check_choices(**choices: tuple[Any, ...]) -> list[str]:
    """List which arguments are none of the words that they may be: ``name=(given, one, another, ...)``."""
    return [
        f"{name}: {given!r} is none of {', '.join(map(repr, allowed))}"
        for name, (given, *allowed) in choices.items()
        if given not in allowed
    ]


def check_flags(**flags: Any) -> list[str]:
    """List which arguments are neither ``True`` nor ``False``: a text such as "False" would count as true."""
    return [
        f"{name}: {value!r} is neither True nor False" for name, value in flags.items() if not isinstance(value, bool)
    ]


def check_generation_id(given: Any) -> list[str]:
    """List what is wrong with a ``generation_id`` that has to be there."""
    if isinstance(given, (list, tuple)):
        return [f"generation_id takes one id, not a list of {len(given)}: expand the task over the list"]
    # Airflow's native rendering makes a number of an id that is all digits.
    text = str(given).strip() if isinstance(given, (str, int)) and not isinstance(given, bool) else ""
    if text in ("", "None"):
        advice = "give the id that a VeoGenerateOperator returned, such as generate.output"
        return [f"generation_id is {given!r}: {advice}; that task may have been skipped, or its XComs cleared"]
    problem = id_problem(text)
    return [f"generation_id: {text[:100]!r} can't be asked for: {problem}"] if problem else []


def check_cost_limit(limit: Any) -> list[str]:
    """List what is wrong with ``max_cost``."""
    fine = limit is None or (isinstance(limit, (int, float)) and not isinstance(limit, bool) and limit >= 0)
    return [] if fine else [f"max_cost: {limit!r} is no number of US dollars"]
