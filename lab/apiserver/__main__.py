"""`python -m lab.apiserver`: the embedded Kubernetes API as a program of its own.

Started by the lab and by the contract tests. Must never do more than read flags, start, wait for a signal and stop.
"""

import argparse
import asyncio
import signal
from pathlib import Path

from lab.apiserver import server
from lab.apiserver.settings import Settings


def _settings() -> Settings:
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="python -m lab.apiserver", description=__doc__)
    parser.add_argument("--host", default=defaults.host, help="address to listen on")
    parser.add_argument("--port", type=int, default=defaults.port, help="TCP port; 0 takes a free one")
    parser.add_argument("--unix", type=Path, help="unix socket to listen on as well")
    parser.add_argument("--kubeconfig", type=Path, help="file to write once the server listens")
    parser.add_argument(
        "--doors", type=Path, help="file that says how to run commands in containers, read at each exec"
    )
    parser.add_argument("--history", type=int, default=defaults.history, help="changes kept per resource for watches")
    parser.add_argument(
        "--bookmark-seconds",
        type=float,
        default=defaults.bookmark_seconds,
        help="time between two bookmarks of a watch",
    )
    return Settings(**vars(parser.parse_args()))


async def _serve(settings: Settings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    running = await server.start(settings)
    print(running.url, flush=True)
    await stopped.wait()
    await server.stop(running)


if __name__ == "__main__":
    asyncio.run(_serve(_settings()))
