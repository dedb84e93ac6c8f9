# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.unit.simulator.caller import Caller
from veo_provider.simulator import Simulator, SimulatorOptions

Start = Callable[..., Caller]


@pytest.fixture(scope="session")
def clip_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture
def start(clip_cache: Path) -> Iterator[Start]:
    """Start simulators with options of the test's own; their generations take no time unless it says so."""
    with ExitStack() as stack:

        def begin(**changes: Any) -> Caller:
            defaults: dict[str, Any] = {"job_seconds": 0, "cache_dir": clip_cache}
            options = SimulatorOptions(**(defaults | changes))
            return Caller(stack.enter_context(Simulator(options)))

        yield begin


@pytest.fixture
def caller(start: Start) -> Caller:
    return start()
