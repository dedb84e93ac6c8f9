# SPDX-License-Identifier: Apache-2.0
"""Reads single extras of a connection. What is wrong goes into a list, so that all of it can be said at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def seconds(extra: Mapping[str, Any], name: str, default: float, problems: list[str]) -> float:
    """Read a number of seconds."""
    number = _number(extra.get(name, default))
    if not 0 < number <= 3600:
        problems.append(f"extra {name} must be a number of seconds above 0 and at most 3600")
        return default
    return number


def whole_number(extra: Mapping[str, Any], name: str, default: int, problems: list[str]) -> int:
    """Read a whole number above 0."""
    number = _number(extra.get(name, default))
    if not (1 <= number <= 1000 and number.is_integer()):
        problems.append(f"extra {name} must be a whole number from 1 to 1000")
        return default
    return int(number)


def text(extra: Mapping[str, Any], name: str, problems: list[str]) -> str | None:
    """Read a text; ``None`` if there is none."""
    value = extra.get(name)
    if value is not None and not isinstance(value, str):
        problems.append(f"extra {name} must be text")
        return None
    return value


def hosts(value: Any, problems: list[str]) -> frozenset[str]:
    """Read a list of host names, or a text with commas between them."""
    hosts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    if (value is not None and not isinstance(value, (str, list))) or not all(isinstance(h, str) for h in hosts):
        problems.append("extra allowed_result_hosts must be a list of host names, or text with commas")
        return frozenset()
    names = frozenset(host.strip().lower() for host in hosts if host.strip())
    if any("/" in name or "*" in name for name in names):
        problems.append("extra allowed_result_hosts takes host names (optionally with a port), no URLs or patterns")
    return names


def _number(value: Any) -> float:
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
