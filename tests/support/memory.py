# SPDX-License-Identifier: Apache-2.0
"""What this process takes of the memory. (A child's ``ru_maxrss`` begins with its parent's.)"""

from __future__ import annotations

from pathlib import Path


def held() -> float:
    """Return the bytes that are held now."""
    return _status("VmRSS")


def peak() -> float:
    """Return the most bytes that were held since :func:`forget_peak`."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Let the peak begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024.0
