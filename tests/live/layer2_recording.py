"""What a station on a segment heard while it asked for addresses, and the judgement of it: who answered, how long nobody did, and
whether two did at once.

Filled by `tests.live.layer2_lab` with the lines of `tests.live.drivers.layer2_ear`.
"""

import itertools
import json
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

ALONE = 0.1
"""Nobody takes an address before it asked for it for so many seconds, and somewhat longer, without an answer."""


class Heard(NamedTuple):
    """A frame: see `tests.live.drivers.layer2_ear`. `time` in seconds of the wall clock."""

    time: float
    what: str
    address: str
    station: str
    number: int


def until(what: str, look: Callable[[], Any], seconds: float = 20.0, pause: float = 0.005) -> Any:
    """Polls until `look` finds something true, and gives it."""
    limit = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > limit:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)


class Recording:
    """What the station heard, while it goes on. `node_of` names the node of a link-layer address."""

    def __init__(self, node_of: Callable[[str], str]) -> None:
        self._heard: list[Heard] = []
        self._answers: dict[str, list[Heard]] = {}
        self._node_of = node_of
        self.lost_frames = 0

    def add(self, line: str) -> None:
        heard = Heard(*json.loads(line))
        if heard.what in {"answer", "claim", "probe"}:
            heard = heard._replace(station=self._node_of(heard.station))
        if heard.what == "answer":
            self._answers.setdefault(heard.address, []).append(heard)
        if heard.what == "over":
            self.lost_frames = int(heard.address)
        self._heard.append(heard)

    @property
    def heard(self) -> tuple[Heard, ...]:
        return tuple(self._heard)

    def all(self, what: str, address: str = "") -> tuple[Heard, ...]:
        """Frames of a kind, about one address or all."""
        return tuple(each for each in self._heard if each.what == what and (not address or each.address == address))

    def answers(self, address: str) -> tuple[Heard, ...]:
        return tuple(self._answers.get(address, ()))

    def count(self, address: str) -> int:
        """Answers so far."""
        return len(self._answers.get(address, ()))

    def owner(self, address: str) -> str:
        """Who answered last; empty before the first answer."""
        answers = self._answers.get(address)
        return answers[-1].station if answers else ""

    def owners(self, address: str) -> tuple[str, ...]:
        """Who answered, in order, each named when it is another one than before."""
        found: list[str] = []
        for each in self.answers(address):
            if not found or found[-1] != each.station:
                found.append(each.station)
        return tuple(found)

    def silence(self, address: str) -> float:
        """The longest time without an answer, in milliseconds."""
        times = [each.time for each in self.answers(address)]
        return max((after - before for before, after in itertools.pairwise(times)), default=math.inf) * 1000

    def change(self, address: str) -> tuple[Heard, Heard]:
        """The last answer of the first node, and the first answer of another one."""
        answers = self.answers(address)
        new = next(each for each in answers if each.station != answers[0].station)
        return max(each for each in answers if each.station == answers[0].station and each.time < new.time), new

    def double(self, address: str) -> int:
        """Answers of a former owner while another node answers: moments with two answering nodes.

        Who asked the wire and heard nobody for `ALONE` may have it back: that is a move, and no such moment.
        """
        former: set[str] = set()
        last, count = None, 0
        for each in self.answers(address):
            if last is not None and each.station != last.station:
                if each.station in former and each.time - last.time < ALONE:
                    count += 1
                    continue
                former = (former | {last.station}) - {each.station}
            last = each
        return count

    def late_claims(self, address: str) -> tuple[Heard, ...]:
        """Announcements of a former owner while another node answers: they would lead clients back to it."""
        found, answers = [], self.answers(address)
        for claim in self.all("claim", address):
            before = [each for each in answers if each.time <= claim.time]
            owners = {each.station for each in before}
            if before and before[-1].station != claim.station and claim.station in owners:
                is_alone = claim.time - before[-1].time > ALONE
                found += [] if is_alone else [claim]
        return tuple(found)

    def moved(self, address: str, owner: str) -> None:
        """Waits until another node answers."""
        until(f"another node than {owner} answers for {address}", lambda: self.owner(address) != owner)

    def delays(self, address: str) -> tuple[tuple[float, float], ...]:
        """When a question was asked, and the seconds until its answer; unanswered ones are left out."""
        found, waiting = [], {}
        for each in sorted(self._heard, key=lambda heard: heard.time):
            if each.address == address and each.what == "asked":
                waiting[each.number] = each.time
            elif each.address == address and each.what == "answer" and each.number in waiting:
                asked = waiting.pop(each.number)
                found.append((asked, each.time - asked))
        return tuple(found)

    def more(self, address: str, count: int) -> None:
        """Waits for so many more answers."""
        wanted = self.count(address) + count
        until(f"{count} more answers for {address}", lambda: self.count(address) >= wanted)
