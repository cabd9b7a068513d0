"""A program that behaves as a daemon of FRR does towards whoever starts it: a VTY socket, signals. Started by tests as a process.

Arguments: the daemon's name, the file to write the story to, then `--vty_socket DIRECTORY`. With a file `<story>.broken` that
names it, it ends at once with status 1.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.fakes.vty_daemon import Daemon


async def main(name: str, story: Path, directory: Path) -> None:
    def tell(word: str) -> None:
        with story.open("a") as file:
            file.write(f"{word} {name}\n")

    broken = Path(f"{story}.broken")
    if broken.exists() and name in broken.read_text().split():
        tell("broken")
        sys.exit(1)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await Daemon(directory / f"{name}.vty").start()
    Path(f"{story}.{name}").write_text(str(os.getpid()))
    tell("start")
    await ended.wait()
    tell("end")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[4])))
