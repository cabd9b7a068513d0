"""A bgpd that costs next to nothing: what the speaker can do when FRR is not the limit.

A program of its own: `python quiet_bgpd.py DIRECTORY` listens as `bgpd.vty` and `bfdd.vty` there, takes every line without a look
at it, and knows only prefixes: `network` lines come and go, everything else that it runs is the file `running` of the directory as it
was when a client entered the privileged mode. Prefixes are printed in the order of their address, as FRR does.
"""

import bisect
import ipaddress
import socket
import sys
import threading
from pathlib import Path

_BEFORE = b"  neighbor "
"""Inside an address family FRR prints prefixes before what is said about neighbors."""


class Daemon:
    """One socket, one client at a time. Holds the running configuration as lines."""

    def __init__(self, directory: Path, name: str) -> None:
        self.running = directory / f"running-{name}"
        self.head: list[bytes] = []
        self.order: list[tuple[int, int]] = []
        self.networks: list[bytes] = []
        self.tail: list[bytes] = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(directory / f"{name}.vty"))
        self.socket.listen()

    def serve(self) -> None:
        while True:
            client, _ = self.socket.accept()
            data = b""
            while found := client.recv(65536):
                *commands, data = (data + found).split(b"\0")
                client.sendall(b"".join(self.answer(command) + b"\0\0\0\0" for command in commands))

    def answer(self, command: bytes) -> bytes:
        words = command.split()
        match words:
            case [b"enable"]:
                self.load()
            case [b"show", b"version"]:
                return b"FRRouting 8.4.4 (quiet)\n"
            case [b"show", _]:
                return b"\n".join((*self.head, *self.networks, *self.tail))
            case [b"network", prefix, *_]:
                place = key(prefix)
                index = bisect.bisect_left(self.order, place)
                self.order.insert(index, place)
                self.networks.insert(index, b"  " + command)
            case [b"no", b"network", prefix]:
                index = bisect.bisect_left(self.order, key(prefix))
                del self.order[index], self.networks[index]
        return b""

    def load(self) -> None:
        lines = self.running.read_bytes().splitlines() if self.running.exists() else []
        first = next((n for n, line in enumerate(lines) if line.startswith((b"  network ", _BEFORE))), len(lines))
        last = next(
            (n for n, line in enumerate(lines[first:], first) if not line.startswith(b"  network ")), len(lines)
        )
        self.head, self.networks, self.tail = lines[:first], lines[first:last], lines[last:]
        self.order = [key(line.split()[1]) for line in self.networks]


def key(prefix: bytes) -> tuple[int, int]:
    network = ipaddress.ip_network(prefix.decode())
    return network.version, int(network.network_address)


def main() -> None:
    daemons = [Daemon(Path(sys.argv[1]), name) for name in ("bgpd", "bfdd", "zebra")]
    for daemon in daemons[1:]:
        threading.Thread(target=daemon.serve, daemon=True).start()
    print("ready", flush=True)
    daemons[0].serve()


if __name__ == "__main__":
    main()
