"""Runs on a client: sends a datagram to each address again and again, and tells which were answered, when, and by whom.

Two kinds of flows, in turns: *new* ones, each datagram from a port of its own, as a client that connects anew each time; and some that
stay, as connections do. UDP, so nothing is repeated: a lost packet is a lost question.

One JSON line per question on stdout, as soon as it is answered or given up: `[sent, flow, address, delay, backend]`, in seconds of the
wall clock; flow 0 is new, others are numbers of flows that stay; no delay means no answer. Ends when stdin closes, after the last
answers. Standard library only. Used by `tests.live.client_traffic`.
"""

import argparse
import collections
import contextlib
import ipaddress
import itertools
import json
import selectors
import socket
import sys
import time

PATIENCE = 1.0
"""Seconds after which a question counts as lost."""


class Question:
    """One datagram under way."""

    def __init__(self, number: int, address: str, flow: int, opened: socket.socket) -> None:
        self.number, self.address, self.flow, self.opened = number, address, flow, opened
        self.sent, self.at = time.time(), time.monotonic()
        self.is_over = False

    def end(self, backend: str) -> None:
        delay = time.monotonic() - self.at if backend else None
        self.is_over = True
        sys.stdout.write(json.dumps([self.sent, self.flow, self.address, delay, backend]) + "\n")


class Client:
    """The sockets and the questions that wait."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._numbers = itertools.count(1)
        self._open: dict[int, Question] = {}
        self._order: collections.deque[Question] = collections.deque()
        self._kept: dict[tuple[str, int], socket.socket] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._selector.register(sys.stdin, selectors.EVENT_READ)

    def ask(self, address: str, flow: int) -> None:
        opened = self._kept.get((address, flow))
        if opened is None:
            version = ipaddress.ip_address(address).version
            opened = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
            opened.setblocking(False)
            opened.connect((address, self._port))
            self._selector.register(opened.fileno(), selectors.EVENT_READ)
            self._sockets[opened.fileno()] = opened
            if flow:
                self._kept[address, flow] = opened
        number = next(self._numbers)
        self._open[number] = question = Question(number, address, flow, opened)
        self._order.append(question)
        for _ in range(2):  # the first error may be what an earlier datagram met: then this one was not sent
            with contextlib.suppress(OSError):
                opened.send(str(number).encode())
                return

    def hear(self, seconds: float) -> bool:
        """Answers that come within these seconds; whether to go on."""
        go_on = True
        for key, _ in self._selector.select(max(0.0, seconds)):
            if key.fd not in self._sockets:
                go_on = False
                continue
            try:
                node, _, number = self._sockets[key.fd].recv(64).partition(b" ")
            except OSError:  # somebody on the way says that it does not go on: counted when the time is over
                continue
            question = self._open.pop(int(number), None)
            if question is not None:
                question.end(node.decode())
                self._close(question)
        return go_on

    def give_up(self, older_than: float) -> None:
        while self._order and (self._order[0].is_over or time.monotonic() - self._order[0].at > older_than):
            question = self._order.popleft()
            if not question.is_over:
                del self._open[question.number]
                question.end("")
                self._close(question)
        sys.stdout.flush()

    def _close(self, question: Question) -> None:
        if not question.flow:
            del self._sockets[question.opened.fileno()]
            self._selector.unregister(question.opened.fileno())
            question.opened.close()


def run(client: Client, addresses: list[str], every: float, kept: int) -> None:
    """Each address gets a new flow once in `every` seconds, and a datagram on one of those that stay."""
    turns = itertools.cycle([(address, is_new) for address in addresses for is_new in (True, False)])
    pause, due = every / len(addresses) / 2, time.monotonic()
    staying: collections.Counter[str] = collections.Counter()
    while client.hear(due - time.monotonic()):
        if time.monotonic() < due:
            continue
        address, is_new = next(turns)
        staying[address] += not is_new
        client.ask(address, 0 if is_new else 1 + staying[address] % kept)
        due = max(due + pause, time.monotonic() - every)  # after a time in which this process did not run: no flood
        client.give_up(PATIENCE)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        client.hear(0.02)
    client.give_up(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--every", type=float, default=0.01)
    parser.add_argument("--kept", type=int, default=8, help="flows that stay, per address")
    parser.add_argument("addresses", nargs="+")
    chosen = parser.parse_args()
    run(Client(chosen.port), chosen.addresses, chosen.every, chosen.kept)


if __name__ == "__main__":
    main()
