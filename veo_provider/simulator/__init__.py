# SPDX-License-Identifier: Apache-2.0
"""
The video gateway, simulated on 127.0.0.1 from its written contract; it shares no code with the client it tests.

A request passes the files in this order::

    options.py, __main__.py        what the simulator is told at its start
      -> server.py                 two listeners, in the foreground or in a test's thread
      -> app.py, control.py        the calls of both origins; ledger, faults and reset
      -> gateway.py                what a submit, a poll and a download mean
      -> submission.py, images.py  the body is read, and coerced or refused
      -> scenario.py, failures.py  the prompt's directives decide what will happen
      -> job.py                    how far a generation is
      -> clips.py, drawing.py      its video is drawn and cached
      -> dialects.py, errors.py    the answer takes the shape of one gateway of the family
      -> store.py, mp4.py          links, ranges and the bytes of a video
      -> faults.py, delivery.py    the answer is sent, or broken
      -> ledger.py                 what happened, and what it would have cost
"""

from __future__ import annotations

from veo_provider.simulator.options import SimulatorOptions
from veo_provider.simulator.server import Simulator

__all__ = ["Simulator", "SimulatorOptions"]
