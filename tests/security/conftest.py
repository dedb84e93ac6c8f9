# SPDX-License-Identifier: Apache-2.0
"""The simulated gateway of the unit tests, and their short pauses."""

from __future__ import annotations

from tests.unit.conftest import gateway, running_gateway
from tests.unit.operators.conftest import _quick

__all__ = ["_quick", "gateway", "running_gateway"]
