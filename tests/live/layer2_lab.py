"""A lab seen from a station of its own on the segment: who answers for an address and when, what the speakers say meanwhile, and
every way to break a node.

Used by `test_layer2_failover` and by the bench of layer 2. Stands on a running lab, whoever started it.
"""

import asyncio
import concurrent.futures
import contextlib
import datetime as dt
import ipaddress
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lab import control, kube, plan, world
from lab.places import Places
from tests.live.layer2_recording import Recording, until

ROOT = Path(__file__).parents[2]
STATION = "w0"
QUESTIONS = 0.01
"""Seconds between two questions for an address."""
_FOUND, _GONE = "speaker found", frozenset({"speaker lost", "speaker left"})
_OPEN, FENCED = "layer 2 is open again", "layer 2 is fenced: too few other speakers are heard"


class Line(NamedTuple):
    """A line of a speaker's log; `time` in seconds of the wall clock, whole milliseconds."""

    time: float
    node: str
    message: str
    fields: dict[str, Any]


class Watched:
    """A running lab with a station on its segment."""

    def __init__(self, places: Places, nodes: int) -> None:
        self.places = places
        self.plan = plan.plan(nodes)
        self.nodes = tuple(node.name for node in self.plan.nodes)

    def plug(self) -> None:
        """Connects the station; its far end stays in the switch's namespace, where it sees the switch's ports, too."""
        port = f"p-{STATION}"
        self.run("sw", "ip", "link", "add", port, "type", "veth", "peer", "name", STATION)
        self.run("sw", "ip", "link", "set", port, "master", "br0", "up")
        self.run("sw", "ip", "link", "set", STATION, "up")

    def entry(self, namespace: str) -> tuple[str, ...]:
        """What to write before a command that shall run in one of the lab's namespaces."""
        return world.entry_to(world.running(self.places), self.places, namespace)

    def run(self, namespace: str, *command: str, text: str | None = None) -> str:
        """The output of a command in a namespace."""
        argv = [*self.entry(namespace), *command]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30, input=text)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def order(self, operation: str, target: str, **more: str) -> None:
        """Start, stop, restart or signal processes of the lab: without the time that a command of its own would take."""
        control.ask(self.places.control_socket, {"op": operation, "target": target, **more}, seconds=15.0)

    def child(self, target: str) -> dict[str, Any]:
        """What the supervisor says about a process."""
        children = control.ask(self.places.control_socket, {"op": "status"})["children"]
        return next(each for each in children if each["target"] == target)

    @contextlib.contextmanager
    def recording(
        self, *addresses: str, every: float = QUESTIONS, hears_gossip: bool = False, nice: int = 0
    ) -> Iterator[Recording]:
        """Asks for the addresses while the block runs."""
        argv = [*self.entry("sw"), sys.executable, "-m", "tests.live.drivers.layer2_ear", "--interface", STATION]
        argv += ["--every", str(every), *(["--gossip"] if hears_gossip else [])]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [*(["nice", "-n", str(nice)] if nice else []), *argv],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(addresses) + "\n")
        process.stdin.flush()
        made = Recording(self.plan_owner)
        made.add(process.stdout.readline())

        def read(lines: Any) -> None:
            for line in lines:
                made.add(line)

        reader = threading.Thread(target=read, args=(process.stdout,))
        reader.start()
        try:
            yield made
        finally:
            process.stdin.close()
            process.wait(10)
            reader.join()
            process.stdout.close()
        assert made.lost_frames == 0, f"the station lost {made.lost_frames} frames"

    def plan_owner(self, mac: str) -> str:
        """The node with that link-layer address; the address itself when none has it."""
        return self.plan.owner_of(mac)

    def lines(self, node: str, since: float = 0.0) -> tuple[Line, ...]:
        """What a speaker logged since a moment of the wall clock."""
        found = []
        for text in self.places.log(f"{node}/speaker").read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(
                json.JSONDecodeError
            ):  # a line under construction, or the last words of a dead one
                fields = json.loads(text)
                stamp = dt.datetime.fromisoformat(fields["ts"]).timestamp()
                if stamp >= since:
                    found.append(Line(stamp, node, fields["msg"], fields))
        return tuple(found)

    def said(self, message: str, since: float, nodes: Sequence[str] = ()) -> tuple[Line, ...]:
        """Lines with that message, of all speakers or some, in the order of time."""
        found = [each for node in nodes or self.nodes for each in self.lines(node, since) if each.message == message]
        return tuple(sorted(found, key=lambda line: line.time))

    def fenced(self, node: str, since: float) -> float | None:
        """When the node fell silent by itself."""
        return next((each.time for each in self.said(FENCED, since, (node,))), None)

    def in_company(self, nodes: Sequence[str] = ()) -> bool:
        """Whether all these speakers run, know each other, and may answer."""
        expected = frozenset(nodes or self.nodes)
        children = {
            each["target"]: each for each in control.ask(self.places.control_socket, {"op": "status"})["children"]
        }
        for node in expected:
            child = children[f"{node}/speaker"]
            if not child["running"]:
                return False
            company: set[str] = set()
            is_open = False
            for line in self.lines(node, time.time() - child["seconds"] - 0.2):
                match line.message:
                    case str(text) if text == _FOUND:
                        company.add(line.fields["member"])
                    case str(text) if text in _GONE:
                        company.discard(line.fields["member"])
                    case str(text) if text in (_OPEN, FENCED):
                        is_open = text == _OPEN
            if not company >= expected or not is_open:
                return False
        return True

    def settle(self, nodes: Sequence[str] = ()) -> None:
        """Waits for that."""
        until("all speakers know each other", lambda: self.in_company(nodes), 30, 0.05)


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to break a node, and to mend it again."""

    name: str
    strike: Callable[[Watched, str], None]
    mend: Callable[[Watched, str], None]


def _signal(name: str) -> Callable[[Watched, str], None]:
    return lambda lab, node: lab.order("signal", f"{node}/speaker", signal=name)


def _cable(state: str) -> Callable[[Watched, str], None]:
    def pull(lab: Watched, node: str) -> None:
        lab.run("sw", "ip", "link", "set", lab.plan.node(node).switch_port, state)

    return pull


def deafen(lab: Watched, node: str, *others: str) -> None:
    """No gossip with these nodes (with none, if none is named), in either direction; everything else flows."""
    peers = ", ".join(str(lab.plan.node(other).segment[0].ip) for other in others)
    from_, to = (f"ip {word} {{ {peers} }} " if peers else "" for word in ("saddr", "daddr"))
    rules = (
        "table inet hush {\n"
        f"chain in {{ type filter hook input priority 0; {from_}udp dport 7946 drop; }}\n"
        f"chain out {{ type filter hook output priority 0; {to}udp dport 7946 drop; }}\n"
        "}\n"
    )
    lab.run(node, "nft", "-f", "-", text=rules)


def undeafen(lab: Watched, node: str) -> None:
    lab.run(node, "nft", "delete", "table", "inet", "hush")


def _wait(_lab: Watched, _node: str) -> None:
    """The supervisor starts it again after a second."""


def _stop(lab: Watched, node: str) -> None:
    lab.order("stop", f"{node}/speaker")


def _start(lab: Watched, node: str) -> None:
    lab.order("start", f"{node}/speaker")


KILLED = Fault("SIGKILL", _signal("KILL"), _wait)
FROZEN = Fault("SIGSTOP", _signal("STOP"), _signal("CONT"))
PULLED = Fault("cable pulled", _cable("down"), _cable("up"))
DEAFENED = Fault("gossip lost", deafen, undeafen)
STOPPED = Fault("SIGTERM", _stop, _start)
FAULTS = (KILLED, FROZEN, PULLED, DEAFENED, STOPPED)


@dataclass(frozen=True, slots=True)
class Failover:
    """One failure as the station saw it."""

    owner: str
    heir: str
    started: float
    recording: Recording


def fail_over(
    lab: Watched, fault: Fault, addresses: Sequence[str], company: Sequence[str] = (), *, hears_gossip: bool = False
) -> Failover:
    """Breaks the owner of the addresses, waits until another node answers, mends it, and watches on until all is quiet again.

    The addresses belong to one Service, so they have one owner.
    """
    lab.settle(company)
    with lab.recording(*addresses, hears_gossip=hears_gossip) as recording:
        for address in addresses:
            recording.more(address, 10)
        owner = recording.owner(addresses[0])
        started = time.time()
        fault.strike(lab, owner)
        try:
            for address in addresses:
                recording.moved(address, owner)
                recording.more(address, 20)
        finally:
            fault.mend(lab, owner)
        lab.settle(company)
        for address in addresses:
            recording.more(address, 20)
    return Failover(owner, recording.owner(addresses[0]), started, recording)


def numbered(count: int) -> tuple[str, ...]:
    """So many IPv4 addresses outside of the segment's own subnet: it holds too few."""
    first = ipaddress.IPv4Address("10.99.16.0")
    return tuple(str(first + number) for number in range(count))


def fill(lab: Watched, numbers: range) -> None:
    """Services with the addresses that `numbered` gives for these numbers, made many at a time; returns when all are made, not when all are announced."""
    pool, advertisement = layer2_objects("10.99.16.0-10.99.79.255")
    name = {"name": "many", "namespace": "metallb-system"}
    many = ({**pool, "metadata": name}, {**advertisement, "metadata": name, "spec": {"ipAddressPools": ["many"]}})
    first = ipaddress.IPv4Address("10.99.16.0")

    async def work() -> None:
        async with kube.Api(kube.read_kubeconfig(lab.places.kubeconfig)) as api:
            for each in many:
                await api.apply(each)
            waiting = iter(numbers)

            async def make() -> None:
                for number in waiting:
                    await api.call(
                        "POST", "/api/v1/namespaces/default/services", _numbered(number, str(first + number))
                    )

            await asyncio.gather(*(make() for _ in range(16)))

    with concurrent.futures.ThreadPoolExecutor(1) as pool_:
        pool_.submit(lambda: asyncio.run(work())).result()


def _numbered(number: int, address: str) -> dict[str, Any]:
    service = layer2_service(f"s{number:05}", pool="many", families=("IPv4",))
    service["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": address}
    service["spec"]["allocateLoadBalancerNodePorts"] = False  # there are too few of them
    return service


def layer2_objects(*ranges: str) -> tuple[dict[str, Any], ...]:
    """A pool and an advertisement on layer 2, for all services that ask for the pool `l2`."""
    meta = {"name": "l2", "namespace": "metallb-system"}
    pool_spec = {"addresses": list(ranges), "autoAssign": False}
    return (
        {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": meta, "spec": pool_spec},
        {"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": meta, "spec": {"ipAddressPools": ["l2"]}},
    )  # fmt: skip


def layer2_service(name: str, *, pool: str = "l2", families: Sequence[str] = ("IPv4", "IPv6")) -> dict[str, Any]:
    """A service of the lab's backends with addresses of the pool."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "annotations": {"metallb.io/address-pool": pool}},
        "spec": {
            "type": "LoadBalancer",
            "ipFamilyPolicy": "RequireDualStack" if len(families) == 2 else "SingleStack",
            "ipFamilies": list(families),
            "selector": {"app": "demo"},
            "ports": [{"port": 80, "targetPort": 8080}],
        },
    }
