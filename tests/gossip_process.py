"""One speaker's gossip as a program of its own, for tests that kill and stop it: `python -m tests.gossip_process`.

Prints a JSON line for every change of who lives, and one whenever the fence opens or closes. A line on standard input makes it leave.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from frr_adapter import addresses
from speaker.boundary import forking, membership
from speaker.core import membership as quorums


def say(**what: object) -> None:
    print(json.dumps({"at": time.monotonic(), "cpu": time.process_time(), **what}), flush=True)


async def run(arguments: argparse.Namespace) -> None:
    peers = {name: addresses.parse_address(at) for name, at in (each.split("=") for each in arguments.peers)}
    membership_ = membership.Membership(
        arguments.node, (str(peers[arguments.node]), arguments.port), Path(arguments.secret)
    )
    quorum = quorums.Quorum()
    was_fenced = True

    def heard(hearing: membership.Hearing, now: float) -> None:
        nonlocal quorum, was_fenced
        if quorum.is_fenced(now) and not was_fenced:
            was_fenced = True
            say(fenced=True)
        quorum = quorum.observed(hearing, now)
        if not quorum.is_fenced(now) and was_fenced:
            was_fenced = False
            say(fenced=False)

    await membership_.start(
        membership.Callbacks(
            lambda: say(live=sorted(membership_.live())), lambda who, body: say(who=who, body=str(body)), heard
        )
    )
    membership_.set_peers(peers)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    busy = asyncio.create_task(plan(arguments.busy)) if arguments.busy else None
    await reader.readline()
    say(left=await membership_.leave(), counts=str(membership_.counts()))
    if busy is not None:
        busy.cancel()
    await membership_.stop()


async def plan(seconds: float) -> None:
    """Blocks the event loop for so long, again and again, as planning for many Services does."""
    while True:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            sorted(range(1000), key=str)
        await asyncio.sleep(seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--node", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--busy", type=float, default=0)
    parser.add_argument("peers", nargs="+")
    chosen = parser.parse_args()
    forking.run_soon()  # as the process of a speaker that gossips
    asyncio.run(run(chosen))
