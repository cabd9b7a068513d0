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

import structlog

from frr_adapter import addresses
from speaker import exclusion, links, values
from speaker.boundary import claimant, netlink, proxies, sockets
from speaker.core import layer2 as rules


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


def plan(rows: list[tuple[str, list[str]]]) -> values.L2Plan:
    entries = (values.L2Entry(addresses.parse_address(text), frozenset(names)) for text, names in rows)
    return values.L2Plan(tuple(sorted(entries, key=lambda entry: (entry.address.version, int(entry.address)))))


async def holding(announcer: claimant.Claimant, wanted: values.L2Plan) -> None:
    """Returns when everything wanted is held; not at all later than addresses need that nobody else answers for."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            while len(announcer.held()) < len(wanted.entries):
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
    announcer = claimant.Claimant(followed, sockets.RawWire(), rules.Rules(), proxies=kernel)
    await announcer.start()
    print(json.dumps(report(announcer, followed)), flush=True)
    reader = asyncio.StreamReader(limit=1 << 24)  # a plan of ten thousand addresses is one line
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        if "plan" in command:
            wanted = plan(command["plan"])
            announcer.set_plan(wanted)
            await holding(announcer, wanted)
        if "deaf" in command:
            deafen(followed, command["deaf"])
        print(json.dumps(report(announcer, followed)), flush=True)
    await announcer.stop()


if __name__ == "__main__":
    asyncio.run(main())
