"""Layer 2 in a whole lab: time without an answer when a node fails, how fast answers are, what a thousand addresses cost."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.places import Places
from tests.bench import cluster
from tests.bench.figures import Figure
from tests.live import layer2_lab, layer2_recording

_LOOKS, _LOOK_SECONDS = 8, 10.0
_ANOTHER_MACHINE = -19
"""Niceness of the station while this machine is busy: it stands for a client, which has a machine of its own."""

TITLE = "Layer 2: failures"
METHOD = """
* The lab with its demo: three nodes with the real speakers, and a station on their segment that asks by raw socket for one IPv4
  and one IPv6 address of one Service every 10 ms. Everything shares two cores. Times are the kernel's, of the frames.
* **without an answer**: from the last answer of the old owner to the first one of the new one, so up to 10 ms more than nobody
  answered. The owner fails at a moment that the bench does not choose; the next run begins when all speakers know each other again.
  *SIGKILL* and *SIGSTOP*: of the speaker. *cable pulled*: the owner's port of the switch goes down. *gossip lost*: the owner hears
  no other speaker and is heard by none, all else flows. *SIGTERM*: it stops in order.
* **of a former owner**: frames while another node answers, of all runs. **moved back**: the address, though its new owner was healthy.
* **answer**: from the question to the answer; both cross the switch, and the programs that ask and hear share the cores.
"""
TITLE_MANY = "Layer 2: many addresses"
METHOD_MANY = """
* The lab and the station of the part above. **CPU at rest**: of one speaker, in 10 s in which nobody asks for anything; 100 % are one core.
* **a third of 1,000**: a speaker is killed that has a third of 1,000 IPv4 addresses; from SIGKILL until others announced (gratuitous
  ARP) and answered for them. Each of these is asked for every 100 ms.
* **answer, 10,000 Services made**: while they are made through the API, 16 at a time, given addresses and announced by layer 2, by all
  programs of the lab but the packet forwarding. The station runs with niceness -19, as a client has a machine of its own.
* **times a speaker fenced itself**: while they were made and, for at most 80 s more, given addresses; one value per speaker.
* **answer, planned anew**: these Services exist, and the layer-2 advertisement of all of them is changed every second, so that every
  speaker decides about each of them again. Only the questions asked in the second after a change count.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure."""

    runs: int = 20
    seconds: float = 10.0
    many: int = 1000
    load: int = 10_000
    thirds: int = 3
    changes: int = 10


SMALL = Plan(runs=2, seconds=2.0, many=100, load=500, thirds=1, changes=2)


@contextmanager
def lab() -> Iterator[tuple[cluster.Lab, layer2_lab.Watched]]:
    """A lab with its demo, and the station on its segment."""
    with tempfile.TemporaryDirectory(prefix="fra-l2-", dir="/run" if os.geteuid() == 0 else None) as directory:
        Path(directory).chmod(0o755)  # FRR runs as a user of its own
        with cluster.lab(Path(directory) / "lab") as measured:
            watched = layer2_lab.Watched(Places(measured.state), cluster.NODES)
            watched.plug()
            yield measured, watched


def addresses_of(measured: cluster.Lab) -> tuple[str, ...]:
    """The demo's Service on layer 2."""
    status = measured.api("GET", "/api/v1/namespaces/default/services/web-l2")["status"]
    return tuple(each["ip"] for each in status["loadBalancer"]["ingress"])


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def failures(watched: layer2_lab.Watched, addresses: tuple[str, ...], runs: int) -> Iterator[Figure]:
    """Every way to fail, so many times."""
    late_answers: list[float] = []
    late_claims: list[float] = []
    back: list[float] = []
    for fault in layer2_lab.FAULTS:
        silences: dict[str, list[float]] = {address: [] for address in addresses}
        for number in range(runs):
            done = layer2_lab.fail_over(watched, fault, addresses)
            for address in addresses:
                last, first = done.recording.change(address)
                silences[address].append((first.time - last.time) * 1000)
            late_answers.append(sum(done.recording.double(address) for address in addresses))
            back.append(max(len(done.recording.owners(address)) - 2 for address in addresses))
            late_claims.append(sum(len(done.recording.late_claims(address)) for address in addresses))
            if (number + 1) % 5 == 0:
                say(f"{fault.name}: {number + 1} of {runs}")
        for address, found in silences.items():
            yield Figure(f"{fault.name}: without an answer, {family(address)}", "ms", tuple(found))
    yield Figure("answers of a former owner, per failure", "frames", tuple(late_answers))
    yield Figure("announcements of a former owner, per failure", "frames", tuple(late_claims))
    yield Figure("moved back, per failure", "times", tuple(back))


def answers(
    what: str, recording: layer2_recording.Recording, addresses: tuple[str, ...], since: tuple[float, ...] = ()
) -> Iterator[Figure]:
    """Of all questions, or of those within a second after one of the moments: delays, and how many had no answer."""
    for address in addresses:

        def counts(at: float) -> bool:
            return not since or any(0 <= at - moment < 1 for moment in since)

        asked = sum(counts(each.time) for each in recording.all("asked", address))
        found = tuple(delay * 1000 for at, delay in recording.delays(address) if counts(at))
        if found:
            yield Figure(f"answer, {what}, {family(address)}", "ms", found)
        yield Figure(f"questions without an answer, {what}, {family(address)}", "%", (100 * (1 - len(found) / asked),))


def ticks(pid: int) -> int:
    """User and system time of a speaker's processes so far, in clock ticks: proc(5) stat, fields 14 and 15."""
    found = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in cluster.processes(pid)]
    return sum(int(fields[11]) + int(fields[12]) for fields in found)


def cpu_at_rest(watched: layer2_lab.Watched, seconds: float, what: str) -> Figure:
    pids = [int(watched.child(f"{node}/speaker")["pid"]) for node in watched.nodes]
    before = [ticks(pid) for pid in pids]
    started = time.monotonic()
    time.sleep(seconds)  # what is measured is that time
    spent = time.monotonic() - started
    rate = 100 / os.sysconf("SC_CLK_TCK") / spent
    return Figure(
        f"CPU at rest, {what}", "%", tuple((ticks(pid) - old) * rate for pid, old in zip(pids, before, strict=True))
    )


def all_answered(watched: layer2_lab.Watched, wanted: tuple[str, ...], every: float, seconds: float) -> dict[str, str]:
    """Who answers for each, once somebody does."""
    with watched.recording(*wanted, every=every) as recording:
        layer2_recording.until("all are answered for", lambda: all(map(recording.owner, wanted)), seconds, 0.2)
        return {address: recording.owner(address) for address in wanted}


def third(watched: layer2_lab.Watched, wanted: tuple[str, ...], node: str) -> dict[str, float]:
    """The node's speaker is killed: milliseconds until its addresses are announced and answered for by others."""
    watched.settle()
    owners = all_answered(watched, wanted, 0.5, 60)
    concerned = tuple(address for address, owner in owners.items() if owner == node)
    with watched.recording(*concerned, every=0.1) as recording:
        layer2_recording.until("they are answered for", lambda: all(map(recording.owner, concerned)))
        strayed = frozenset(address for address in concerned if recording.owner(address) != node)
        concerned = tuple(address for address in concerned if address not in strayed)
        started = time.time()
        watched.order("signal", f"{node}/speaker", signal="KILL")
        moved: set[str] = set()

        def has_moved() -> bool:  # at least once: some may move back later
            moved.update(address for address in concerned if recording.owner(address) != node)
            return len(moved) == len(concerned)

        layer2_recording.until("others answer", has_moved, 60, 0.05)
    answered = [
        next(each.time - started for each in recording.answers(address) if each.time > started and each.station != node)
        * 1000
        for address in concerned
    ]
    announced: dict[str, float] = {}
    for claim in recording.all("claim"):
        if claim.station != node and claim.time > started and claim.address in concerned:
            announced.setdefault(claim.address, (claim.time - started) * 1000)
    say(f"{node} had {len(concerned)} of {len(wanted)}, less {len(strayed)} that another one took meanwhile")
    return {
        "addresses that moved": len(concerned),
        "first announced": min(announced.values()),
        "last announced": max(announced.values()),
        "first answered": min(answered),
        "last answered": max(answered),
    }


def many(watched: layer2_lab.Watched, plan: Plan) -> Iterator[Figure]:
    wanted = layer2_lab.numbered(plan.many)
    layer2_lab.fill(watched, range(plan.many))
    all_answered(watched, wanted, 0.5, 120)
    for order in ("stop", "start"):  # a cold start: the hash alone says who has what
        watched.order(order, "*/speaker")
    owners = all_answered(watched, wanted, 0.5, 60)
    shares = tuple(float(list(owners.values()).count(node)) for node in watched.nodes)
    yield Figure(f"{plan.many:,} addresses: of one node after a cold start", "addresses", shares)
    watched.settle()
    time.sleep(6)  # the bursts of announcements end after 4.4 s; what is measured next is rest
    say("CPU at rest")
    yield cpu_at_rest(watched, plan.seconds, f"{plan.many:,} addresses")
    found: dict[str, list[float]] = {}
    for number in range(plan.thirds):
        for what, value in third(watched, wanted, watched.nodes[number % len(watched.nodes)]).items():
            found.setdefault(what, []).append(value)
    for what, values in found.items():
        unit = "addresses" if what.startswith("addresses") else "ms"
        yield Figure(f"a third of {plan.many:,}: {what}", unit, tuple(values))


def loaded(
    measured: cluster.Lab, watched: layer2_lab.Watched, addresses: tuple[str, ...], plan: Plan
) -> Iterator[Figure]:
    """Answers while Services come by the thousand, and while all of them are decided anew."""
    watched.order("stop", "forwarding")  # tens of thousands of packet filter rules: not what is measured
    started, since = time.monotonic(), time.time()
    with watched.recording(*addresses, nice=_ANOTHER_MACHINE) as recording:
        layer2_lab.fill(watched, range(plan.many, plan.load))
    yield from answers(f"{plan.load:,} Services made", recording, addresses)
    say(f"{plan.load:,} Services made in {time.monotonic() - started:.0f} s")
    settled = given(measured)
    for _ in range(_LOOKS):
        time.sleep(_LOOK_SECONDS)  # the controller works it off; looking more often would be part of the load
        before, settled = settled, given(measured)
        if settled in {before, plan.load + 3}:
            break
    yield Figure(
        "times a speaker fenced itself meanwhile", "times",
        tuple(float(len(watched.said(layer2_lab.FENCED, since, (node,)))) for node in watched.nodes),
    )  # fmt: skip
    yield Figure("Services with an address when they are planned anew", "services", (float(settled),))
    path = "/apis/metallb.io/v1beta1/namespaces/metallb-system/l2advertisements/many"
    changes = []
    with watched.recording(*addresses, nice=_ANOTHER_MACHINE) as recording:
        for number in range(plan.changes):
            changes.append(time.time())
            pools = ["many", "l2"] if number % 2 == 0 else ["many"]
            measured.api("PATCH", path, {"spec": {"ipAddressPools": pools}}, "application/merge-patch+json")
            time.sleep(1)  # the second whose questions count
    yield from answers(f"{plan.load:,} Services planned anew", recording, addresses, tuple(changes))


def given(measured: cluster.Lab) -> int:
    """How many Services have an address."""
    found: dict[str, Any] = measured.api("GET", "/api/v1/namespaces/default/services")
    return sum(bool(each["status"].get("loadBalancer", {}).get("ingress")) for each in found["items"])


def part(found: list[Figure], figures: Iterator[Figure]) -> None:
    """Keeps what was measured even when the next thing cannot be."""
    try:
        found.extend(figures)
    except (AssertionError, OSError) as error:
        say(f"not measured further: {error}")


def run(plan: Plan) -> tuple[Figure, ...]:
    """Failures, and answers at rest."""
    found: list[Figure] = []
    with lab() as (measured, watched):
        addresses = addresses_of(measured)
        watched.settle()
        say("answers at rest")
        with watched.recording(*addresses) as recording:
            for address in addresses:
                recording.more(address, int(plan.seconds * 100))
        part(found, answers("at rest", recording, addresses))
        part(found, failures(watched, addresses, plan.runs))
    return tuple(found)


def run_many(plan: Plan) -> tuple[Figure, ...]:
    """What many addresses cost."""
    found: list[Figure] = []
    with lab() as (measured, watched):
        addresses = addresses_of(measured)
        watched.settle()
        part(found, many(watched, plan))
        part(found, loaded(measured, watched, addresses, plan))
    return tuple(found)
