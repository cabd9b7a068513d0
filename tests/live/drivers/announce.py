"""The real announcer under remote control: one JSON command per line on stdin, one JSON answer per line on stdout.

`{"plan": [["10.99.0.200", ["eth0"]], ...]}` sets the plan and waits until it is held, `{"deaf": 100}` lets the kernel drop netlink events by making so
many of them unheard, `{"report": true}` changes nothing; all answer with the counts and the interfaces. End of input stops. With the
argument `--l2-kernel-proxy` the kernel answers where it can. Started by live tests inside a network namespace.
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import structlog

from frr_adapter import addresses
from speaker import exclusion, links, values
from speaker.boundary import claimant, netlink, proxies, sockets
from speaker.core import layer2 as rules

LOT = 256


def report(announcer: claimant.Claimant, followed: netlink.KernelLinks) -> dict[str, object]:
    counts = announcer.counts()
    return {
        "addresses": {
            str(row.address): [row.requests_received, row.responses_sent, row.gratuitous_sent]
            for row in counts.addresses
        },
        "refusals": {str(reason): number for reason, number in counts.refusals},
        "errors": counts.send_errors,
        "rivals": len(announcer.rivals()),
        "restarts": counts.netlink_restarts,
        "interfaces": {
            interface.name: {
                "mac": links.format_mac(interface.mac) if interface.mac else None,
                "arp": interface.answers_arp,
                "ndp": interface.answers_ndp,
            }
            for interface in followed.interfaces().values()
        },
    }


def plan(rows: list[tuple[str, list[str]]]) -> tuple[values.L2Entry, ...]:
    entries = (values.L2Entry(addresses.parse_address(text), frozenset(names)) for text, names in rows)
    return tuple(sorted(entries, key=lambda entry: (entry.address.version, int(entry.address))))


def difference(before: tuple[values.L2Entry, ...], after: tuple[values.L2Entry, ...]) -> Iterator[values.L2Change]:
    """In lots, as the planning process sends them."""
    kept = {entry.address for entry in after}
    gone = tuple(entry.address for entry in before if entry.address not in kept)
    for at in range(0, max(len(gone), len(after)), LOT):
        yield values.L2Change(gone[at : at + LOT], after[at : at + LOT])


async def holding(
    announcer: claimant.Claimant, wanted: tuple[values.L2Entry, ...], told: set[addresses.Address]
) -> None:
    """Returns when everything wanted is held; not at all later than addresses need that nobody else answers for."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1 + len(wanted) / 1000):
            while len(told) != len(wanted) or told != announcer.held():
                await asyncio.sleep(0.001)


def deafen(followed: netlink.KernelLinks, events: int) -> None:
    """Blocks the event loop meanwhile, as a machine under load would."""
    followed._events.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for number in range(events):
        subprocess.run(["ip", "link", "set", "lo", "mtu", str(60000 + number)], check=True)


async def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout carries the answers
    followed = netlink.KernelLinks(exclusion.DEFAULT)
    kernel = proxies.KernelProxies() if "--l2-kernel-proxy" in sys.argv else None
    told: set[addresses.Address] = set()

    def changed_held(held: values.Held) -> None:
        told.update(held.gained)
        told.difference_update(held.lost)

    announcer = claimant.Claimant(followed, sockets.RawWire(), rules.Rules(), changed_held=changed_held, proxies=kernel)
    await announcer.start()
    print(json.dumps(report(announcer, followed)), flush=True)
    reader = asyncio.StreamReader(limit=1 << 24)  # a plan of ten thousand addresses is one line
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    wanted: tuple[values.L2Entry, ...] = ()
    while line := await reader.readline():
        command = json.loads(line)
        if "plan" in command:
            before, wanted = wanted, plan(command["plan"])
            for change in difference(before, wanted):
                announcer.change(change)
                await asyncio.sleep(0)
            await holding(announcer, wanted, told)
        if "deaf" in command:
            deafen(followed, command["deaf"])
        print(json.dumps(report(announcer, followed)), flush=True)
    await announcer.stop()


if __name__ == "__main__":
    asyncio.run(main())
