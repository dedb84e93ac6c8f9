# SPDX-License-Identifier: Apache-2.0
"""Keeps what ``urllib3`` would log of our calls out of the log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("urllib3.connection", "urllib3.connectionpool")
_sending = threading.local()


class _NotOurs(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        del record
        return not getattr(_sending, "ours", False)


_not_ours = _NotOurs()


@contextmanager
def silent() -> Iterator[None]:
    """
    Log nothing of ``urllib3`` in this thread; what went wrong is raised, and told by us.

    It logs whole URLs, whose query may be a signature: each one at level DEBUG, and beside a header that can't be
    read, which it quotes, at level WARNING.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_not_ours)
    _sending.ours = True
    try:
        yield
    finally:
        _sending.ours = False
