# SPDX-License-Identifier: Apache-2.0
"""Rounds in which everybody takes a turn, and their figures as tables: medians, and how far the rounds lie apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

Figures = dict[str, float]


def in_turn(rounds: int, names: Iterable[str], measure: Callable[[str], Figures]) -> dict[str, list[Figures]]:
    """Let everybody take as many turns, one after the other."""
    seen: dict[str, list[Figures]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, found in seen.items():
            found.append(measure(name))
    return seen


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


def growth(title: str, seen: Mapping[str, Mapping[int, Iterable[float]]], digits: int = 2) -> str:
    """Return a table of what a contender's unit costs at each size, and how that grows from the first to the last."""
    sizes = sorted({size for by_size in seen.values() for size in by_size})
    rows = []
    for name, by_size in seen.items():
        if not by_size:
            continue
        middle = {size: median(values) for size, values in by_size.items()}
        first, last = middle[min(middle)], middle[max(middle)]
        shown = [f"{middle[size]:,.{digits}f}" if size in middle else "-" for size in sizes]
        rows.append([name, *shown, f"{last / first:.2f}" if first > 0 else "-"])
    return table(title, ["contender", *(f"{size:,}" for size in sizes), "last over first"], rows)
