# SPDX-License-Identifier: Apache-2.0
"""The command ``python -m veo_provider.simulator``."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from veo_provider.simulator.drawing import MissingDependency
from veo_provider.simulator.options import SimulatorOptions, parse_command_line
from veo_provider.simulator.server import HOST, listening


async def _run(options: SimulatorOptions) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with listening(options) as gateway:
        print(f"simulator ready {gateway.origin} results {gateway.signer.origin}", flush=True)
        await stop.wait()


def main() -> int:
    """Run until a signal ends it."""
    options = parse_command_line()
    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        asyncio.run(_run(options))
    except MissingDependency as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: cannot listen on {HOST} port {options.port} or {options.result_port}: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
