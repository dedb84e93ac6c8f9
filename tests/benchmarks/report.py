# SPDX-License-Identifier: Apache-2.0
"""Figures of several rounds as one table: medians, and how far the rounds lie apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median


def spread(values: Iterable[float], digits: int = 2) -> str:
    """Return the median of some figures with the least and the greatest of them."""
    found = sorted(values)
    if not found:
        return "-"
    middle, least, greatest = (f"{value:,.{digits}f}" for value in (median(found), found[0], found[-1]))
    return middle if least == greatest else f"{middle} ({least} to {greatest})"


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"### {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])
