# SPDX-License-Identifier: Apache-2.0
"""Why a generation failed, from the words that the gateway passes on (contract, section 5)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from veo_provider.api.problem import Problem, Reason
from veo_provider.api.text import printable

_SUPPORT_CODES = {
    "child": ("58061214", "17301594"),
    "celebrity": ("29310472", "15236754"),
    "video safety": ("64151117", "42237218"),
    "dangerous content": ("62263041",),
    "hate": ("57734940", "22137204"),
    "other": ("74803281", "29578790", "42876398"),
    "prohibited content": ("89371032", "49114662", "63429089", "72817394", "60599140"),
    "third-party content": ("35561574", "35561575"),
    "sexual content": ("90789179", "43188360"),
    "toxic content": ("78610348",),
    "violence": ("61493863", "56562880"),
    "vulgar content": ("32635315",),
}
_CATEGORY = {code: category for category, codes in _SUPPORT_CODES.items() for code in codes}

SAFETY_WORDS = (
    "usage guidelines",
    "responsible ai",
    "support code",
    "sensitive words",
    "sensitive_words",
    "could not be submitted",
    "violate",
    "content_policy_violation",
    "raimediafiltered",
    "违规",
    "敏感",
    "审核",
)
# The order is the precedence: a safety refusal may also say "not supported", a retired model "try again".
_WORDINGS: tuple[tuple[Reason, bool, tuple[str, ...]], ...] = (
    (Reason.CONTENT_POLICY, False, SAFETY_WORDS),
    (
        Reason.MODEL_NOT_FOUND,
        False,
        ("was not found or your project does not have access", "no longer available"),
    ),
    (
        Reason.INVALID_REQUEST,
        False,
        ("unsupported output video duration", "not supported", "not allowlisted", "invalid_argument"),
    ),
    (Reason.SERVER, True, ("任务超时", "failed to get channel info", "获取渠道信息失败")),
)
ANOTHER_PROMPT = "Change the prompt or the image; the same request would be refused again"
_ADVICE = {
    Reason.MODEL_NOT_FOUND: "Choose another model; GET /v1/models lists those of this key",
    Reason.INVALID_REQUEST: "Change the request; the same one would fail again",
}


def has_safety_wording(text: str) -> bool:
    """Whether a text (lower case) reads like a safety filter's."""
    return any(word in text for word in SAFETY_WORDS)


def support_code_categories(text: str) -> tuple[str, ...]:
    """Name the filters behind the support codes in a text, as Google documents them."""
    found = (_CATEGORY.get(code) for code in re.findall(r"\b\d{8}\b", text))
    return tuple(dict.fromkeys(category for category in found if category))


def filtered(reasons: Iterable[str], count: int) -> Problem:
    """Say that a safety filter took every video, and which filter where a support code tells."""
    return _content_policy("; ".join(reasons), f"A safety filter removed the video ({count} filtered)")


def missing_samples(missing: Iterable[int], count: int, reasons: Iterable[str]) -> str:
    """Say in words which samples a safety filter removed, and why."""
    numbers = ", ".join(str(n) for n in missing)
    which = f"sample {numbers}" if numbers else f"{count} sample{'s' if count > 1 else ''}"
    said = "; ".join(reasons)
    categories = ", ".join(support_code_categories(said))
    why = f" [{categories}]" if categories else ""
    return f"{which} removed by a safety filter{why}: {printable(said, 300) or 'no reason given'}"


def failed_generation(message: str, code: str | None, said: str = "") -> Problem:
    """
    Classify a failed generation by its words.

    A message without a known wording counts as :attr:`Reason.GENERATION_FAILED`, which a retry may not meet:
    the contract has no word for it, and the gateway's codes are constant.

    :param message: what to show.
    :param code: the gateway's error code.
    :param said: all that the gateway says, with codes and outer messages; the wording may be in any of them.
    """
    text = f"{message} {said}".lower()
    for reason, transient, words in _WORDINGS:
        if any(word in text for word in words):
            if reason is Reason.CONTENT_POLICY:
                return _content_policy(message, "The generation was refused by a safety filter", code, text)
            return _failure(reason, transient, message, code)
    return _failure(Reason.GENERATION_FAILED, True, message, code)


def _content_policy(message: str, what: str, code: str | None = None, text: str = "") -> Problem:
    categories = support_code_categories(text or message)
    named = f" [{', '.join(categories)}]" if categories else ""
    said = f": {printable(message)}" if message.strip() else ""
    return Problem(Reason.CONTENT_POLICY, f"{what}{named}{said}. {ANOTHER_PROMPT}.", transient=False, code=code)


def _failure(reason: Reason, transient: bool, message: str, code: str | None) -> Problem:
    said = printable(message) or "the gateway gives no reason"
    advice = f" {_ADVICE[reason]}." if reason in _ADVICE else ""
    return Problem(reason, f"The generation failed: {said}.{advice}", transient=transient, code=code)
