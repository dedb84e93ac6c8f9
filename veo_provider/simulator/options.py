# SPDX-License-Identifier: Apache-2.0
"""What a simulator can be told at its start: one dataclass, and the command line that fills it."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from veo_provider.simulator.dialects import DIALECTS

DEFAULT_API_KEY = "sk-simulator"
DEFAULT_JOB_SECONDS = 60.0

RESULTS = ("link", "inline", "content", "content-redirect")
ID_STYLES = ("task", "uuid", "video", "long", "odd")
LAST_FRAME_FIELDS = ("lastFrameImage", "lastFrame")


@dataclasses.dataclass(frozen=True)
class SimulatorOptions:
    """
    How one simulator behaves; a prompt's directives overrule it for their own generation.

    :param port: port of the API; 0 takes a free one.
    :param result_port: port of the second origin, which serves result links; 0 takes a free one.
    :param speed: divides ``job_seconds``.
    :param job_seconds: how long a generation takes.
    :param dialect: the shapes of the answers, a name out of ``dialects.DIALECTS``.
    :param results: ``link``, ``inline``, ``content`` or ``content-redirect``; None leaves it to the dialect.
    :param api_keys: the keys that are let in.
    :param cache_dir: where drawn videos are kept.
    :param strict: refuse a bad request instead of coercing it.
    :param last_frame_field: the wire name of the last frame: ``lastFrameImage`` or ``lastFrame``.
    :param id_style: ``task``, ``uuid``, ``video``, ``long`` or ``odd``.
    :param link_seconds: how long a result link is good for.
    :param ranges: whether the result origin understands ``Range``.
    :param models: further models besides the contract's four.
    :param default_directives: directives for every generation, before those of its prompt.
    :param fault_rate: the share of polls that fail at random.
    :param seed: makes the random faults repeatable.
    :param verbose: log every request.
    """

    port: int = 0
    result_port: int = 0
    speed: float = 1.0
    job_seconds: float = DEFAULT_JOB_SECONDS
    dialect: str = "mixroute"
    results: str | None = None
    api_keys: tuple[str, ...] = (DEFAULT_API_KEY,)
    cache_dir: str | Path | None = None
    strict: bool = False
    last_frame_field: str = "lastFrameImage"
    id_style: str = "task"
    link_seconds: float = 24 * 3600.0
    ranges: bool = True
    models: tuple[str, ...] = ()
    default_directives: str = ""
    fault_rate: float = 0.0
    seed: int | None = None
    verbose: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot work before a socket is opened."""
        if not (math.isfinite(self.speed) and self.speed > 0):
            raise ValueError(f"speed must be a number above 0, not {self.speed}")
        if not (math.isfinite(self.job_seconds) and self.job_seconds >= 0):
            raise ValueError(f"job_seconds must be 0 or more, not {self.job_seconds}")
        if not 0 <= self.fault_rate <= 1:
            raise ValueError(f"fault_rate must be between 0 and 1, not {self.fault_rate}")
        if not self.api_keys:
            raise ValueError("api_keys is empty: nobody could be let in")
        _one_of("dialect", self.dialect, tuple(DIALECTS))
        _one_of("results", self.results, (None, *RESULTS))
        _one_of("id_style", self.id_style, ID_STYLES)
        _one_of("last_frame_field", self.last_frame_field, LAST_FRAME_FIELDS)


def _one_of(name: str, value: str | None, allowed: Sequence[str | None]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, not {value!r}")


def parse_command_line(arguments: Sequence[str] | None = None) -> SimulatorOptions:
    """
    Read the options of ``python -m veo_provider.simulator``.

    :param arguments: the words of the command line; None means ``sys.argv``.
    """
    parser = argparse.ArgumentParser(
        prog="python -m veo_provider.simulator",
        description="A simulated video-generation gateway on 127.0.0.1. Nothing is sent out, nothing is billed.",
    )
    add = parser.add_argument
    add("--port", type=int, default=8085, help="port of the API, 0 for a free one (default: 8085)")
    add("--result-port", type=int, default=0, metavar="PORT", help="port of the result links (default: a free one)")
    add("--speed", type=float, default=1.0, metavar="X", help="divides the time a generation takes (default: 1)")
    add(
        "--job-seconds",
        type=float,
        default=DEFAULT_JOB_SECONDS,
        metavar="S",
        help="how long a generation takes (default: 60)",
    )
    add("--dialect", choices=tuple(DIALECTS), default="mixroute", help="the shapes of the answers (default: mixroute)")
    add("--results", choices=RESULTS, help="how results are handed out (default: the dialect's own way)")
    add("--api-key", action="append", dest="api_keys", metavar="KEY", help="accept this key (default: sk-simulator)")
    add("--cache-dir", metavar="DIR", help="where drawn videos are kept (default: the user's cache folder)")
    add("--strict", action="store_true", help="refuse a bad request instead of coercing it silently")
    add("--last-frame-field", choices=LAST_FRAME_FIELDS, default="lastFrameImage", help="its wire name")
    add("--id-style", choices=ID_STYLES, default="task", help="what generation ids look like (default: task)")
    add(
        "--link-seconds",
        type=float,
        default=24 * 3600.0,
        metavar="S",
        help="how long a result link is good for (default: a day)",
    )
    add("--no-ranges", action="store_false", dest="ranges", help="the result origin ignores Range")
    add("--model", action="append", dest="models", metavar="NAME", help="offer this model too")
    add(
        "--default-directives",
        default="",
        metavar="TEXT",
        help='directives for every generation, such as "sim:seconds=5 sim:inline"',
    )
    add("--fault-rate", type=float, default=0.0, metavar="SHARE", help="share of polls that fail at random")
    add("--seed", type=int, metavar="N", help="makes the random faults repeatable")
    add("--verbose", action="store_true", help="log every request")
    values = vars(parser.parse_args(arguments))
    values["api_keys"] = tuple(values["api_keys"] or (DEFAULT_API_KEY,))
    values["models"] = tuple(values["models"] or ())
    try:
        return SimulatorOptions(**values)
    except ValueError as error:
        parser.error(str(error))
