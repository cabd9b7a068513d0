"""One real failover as a table and a picture, written into docs/failover.md: `python -m tests.bench.layer2_timeline`.

What happened is taken from the frames that passed the switch and from the speakers' logs, nothing else. The table of figures on the
page is taken from docs/benchmarks.md. Needs about 20 s.
"""

import argparse
import itertools
import re
from collections.abc import Iterable
from pathlib import Path

from speaker import settings
from tests.bench import figures, layer2_bench
from tests.live import layer2_lab
from tests.live.layer2_recording import Heard

PAGE = Path(__file__).parents[2] / "docs/failover.md"
_SHOWN = (": without an answer, ", "of a former owner", "moved back")
_COLUMN = 0.01
"""Seconds of the picture's columns."""
_BEFORE, _AFTER = 0.15, 0.1
"""What the picture shows before the last answer or sign of life of the old owner and after the first one of the new one, in seconds."""

Moment = tuple[str, float]
"""What happened, and when, in seconds of the wall clock."""


class Story:
    """A failover with one IPv4 address looked at; `ip` gives the address from which a node gossips."""

    def __init__(self, lab: layer2_lab.Watched, done: layer2_lab.Failover, address: str) -> None:
        self._lab = lab
        self._done = done
        self._heard = done.recording
        self._address = address
        self._last, self._first = done.recording.change(address)
        self._old, self._new = done.owner, done.heir
        self._ips = {node.name: str(node.segment[0].ip) for node in lab.plan.nodes}

    @property
    def zero(self) -> float:
        """The last answer of the old owner."""
        return self._last.time

    def _gossip(self, from_: str, to: str) -> list[float]:
        """Datagrams between nodes; an empty name stands for everybody."""
        ends = (self._ips.get(from_, ""), self._ips.get(to, ""))
        return [
            each.time
            for each in self._heard.all("gossip")
            if each.address == (ends[0] or each.address) and each.station == (ends[1] or each.station)
        ]

    def _during(self, what: str, node: str) -> list[Heard]:
        """Frames about the address, between failure and takeover."""
        found = self._heard.all(what, self._address)
        return [each for each in found if each.station == node and self.zero < each.time <= self._first.time + _AFTER]

    def _last_sign(self) -> float:
        return max(at for at in self._gossip(self._old, "") if at < self._first.time)

    def _suspected(self, last_sign: float) -> float | None:
        """When the new owner began to ask the old one out of turn: the first question that followed another one too soon."""
        asked = [at for at in self._gossip(self._new, self._old) if at > last_sign]
        soon = settings.LAN.round / 2
        return next((at for before, at in itertools.pairwise(asked) if at - before < soon), None)

    def moments(self) -> list[Moment]:
        """In the order of time."""
        old, new = self._old, self._new
        last_sign = self._last_sign()
        found: list[Moment] = [
            (f"{old} answers for the last time", self.zero),
            (f"last sign of life: a datagram of {old} passes the switch", last_sign),
        ]
        suspected = self._suspected(last_sign)
        if suspected is not None:
            found.append((f"suspected: {new} asks {old} out of turn, and goes on asking", suspected))
        found += [
            (f"dead: {line.node} logs `{line.message}` about {old}", line.time)
            for line in self._lab.said("speaker lost", self._done.started)
            if line.fields["member"] == old and line.time < self._first.time
        ]
        fenced = self._lab.fenced(old, self._done.started)
        if fenced is not None and fenced < self._first.time:
            found.append((f"{old} hears no majority and silences itself", fenced))
        asked = self._during("probe", new)
        found += [
            (f"{new} asks on the wire who has {self._address}, time {number}", each.time)
            for number, each in enumerate(asked, 1)
        ]
        claims = self._during("claim", new)
        if claims:
            found.append((f"taken: first gratuitous ARP of {new}", claims[0].time))
        found.append((f"{new} answers for the first time", self._first.time))
        return sorted(found, key=lambda moment: moment[1])

    def picture(self) -> list[str]:
        """A line for each kind of frame, a column for each 10 ms."""
        old, new = self._old, self._new
        answers = self._heard.answers(self._address)
        before = max(self.zero - self._last_sign(), 0) + _BEFORE
        start, end = self.zero - before, self._first.time + _AFTER
        rows: list[tuple[str, Iterable[float]]] = [
            (f"{old} answers", [each.time for each in answers if each.station == old]),
            (f"{old} gossips", self._gossip(old, "")),
            (f"{new} asks {old}", self._gossip(new, old)),
            (f"{new} probes", [each.time for each in self._during("probe", new)]),
            (f"{new} announces", [each.time for each in self._during("claim", new)]),
            (f"{new} answers", [each.time for each in answers if each.station == new]),
        ]
        width = max(len(name) for name, _ in rows)
        columns = int((end - start) / _COLUMN) + 1
        scale = [" "] * (columns + 6)
        for mark in range(0, int((end - self.zero) * 1000) + 1, 100):
            place = round((mark / 1000 + before) / _COLUMN)
            scale[place : place + len(str(mark))] = str(mark)
        lines = [f"{'ms':>{width}}  {''.join(scale).rstrip()}"]
        for name, times in rows:
            cells = [" "] * columns
            for at in times:
                if start <= at < end:
                    cells[int((at - start) / _COLUMN)] = "|"
            lines.append(f"{name:>{width}}  {''.join(cells).rstrip()}")
        return lines

    def markdown(self) -> str:
        rows = [f"| {(at - self.zero) * 1000:.0f} | {what} |" for what, at in self.moments()]
        return "\n".join(["| ms | |", "|---:|---|", *rows, "", "```", *self.picture(), "```"])


def stories(faults: Iterable[layer2_lab.Fault]) -> dict[str, str]:
    """Each fault once in a lab of its own: its name -> Markdown."""
    found = {}
    with layer2_bench.lab() as (measured, watched):
        addresses = layer2_bench.addresses_of(measured)
        (address,) = (each for each in addresses if ":" not in each)
        for fault in faults:
            done = layer2_lab.fail_over(watched, fault, addresses, hears_gossip=True)
            found[fault.name] = Story(watched, done, address).markdown()
    return found


def table(report: Path = figures.REPORT) -> str:
    """What docs/benchmarks.md says about failures."""
    lines = report.read_text().splitlines()
    machine = ""
    rows = []
    for line in lines:
        if line.startswith("Machine: "):
            machine = line
        if line.startswith("| ") and any(each in line for each in _SHOWN):
            rows.append((machine, line))
    head = [f"| {' | '.join(figures.HEADINGS)} |", f"|{'---|' * len(figures.HEADINGS)}"]
    return "\n".join([rows[0][0] if rows else "Not measured yet.", "", *head, *(row for _, row in rows)])


def replaced(page: str, name: str, text: str) -> str:
    """The page with another text between the marks of that name. Raises ValueError when there are none."""
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"{PAGE.name}: no marks for {name}")

    def change(match: re.Match[str]) -> str:
        return f"{match[1]}{text}\n{match[2]}"

    return pattern.sub(change, page)


def main() -> None:
    parser = argparse.ArgumentParser("tests.bench.layer2_timeline", description=__doc__)
    parser.add_argument("--print-only", action="store_true", help="do not write docs/failover.md")
    parser.add_argument("--figures-only", action="store_true", help="only copy the figures of docs/benchmarks.md")
    chosen = parser.parse_args()
    texts = {"figures": table()}
    if not chosen.figures_only:
        told = stories((layer2_lab.KILLED, layer2_lab.DEAFENED))
        texts |= {f"timeline: {name}": text for name, text in told.items()}
    for name, text in texts.items():
        print(f"{name}\n{text}\n", flush=True)
    if not chosen.print_only:
        page = PAGE.read_text()
        for name, text in texts.items():
            page = replaced(page, name, text)
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
