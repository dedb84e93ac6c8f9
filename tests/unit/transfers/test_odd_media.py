# SPDX-License-Identifier: Apache-2.0
"""Videos that are unusual, or made to hurt, and what may come in between while one is looked at."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.transfers.fakes import Interrupted
from tests.unit.transfers.test_media import encoded, look
from veo_provider.transfers import media
from veo_provider.transfers.media import MediaFacts

GREY = MediaFacts(1.0, 320, 180, 24.0, audio=False, video_codec="h264", audio_codec=None)


@pytest.fixture
def timeout() -> Iterator[None]:
    """As Airflow's execution_timeout (whose own signal pytest uses): its handler raises in the main thread."""

    def strike(*_: Any) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, strike)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("timeout")
@pytest.mark.parametrize("method", ["read", "seek"])
def test_a_timeout_while_it_is_read_is_not_lost(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """PyAV drops what is raised inside its callbacks, and takes it for the end of the file."""
    real, strikes = getattr(media._Kept, method), iter([True])

    def struck(*arguments: Any) -> Any:
        if next(strikes, False):
            os.kill(os.getpid(), signal.SIGUSR1)
        return real(*arguments)

    data = encoded("libx264")
    monkeypatch.setattr(media._Kept, method, struck)
    with pytest.raises(Interrupted):
        look(data)
