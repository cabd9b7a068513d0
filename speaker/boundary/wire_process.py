"""The wire process as the planning one sees it: takes plans, and remembers what it was told of what is held, heard and counted.

`ports.Announcer` for the loop, and the other end of `speaker.wire`. Gives values only and never waits for an answer: a cycle works with
what is known. It must never be silent for long, as the other process takes that for a death.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import NoReturn, assert_never

from frr_adapter import addresses, errors
from frr_adapter.boundary import layer2_metrics, logs
from speaker import links, messages, values
from speaker.boundary import channel, forking

_log = logs.get_logger()

ALIVE_SECONDS = 1.0

PATIENCE = 20
"""So many such pauses of our own the other process may be silent; then this one ends, to be started again whole."""

GRACE_SECONDS = 3.0
"""So long after the start, speakers that were not heard yet count as alive: at a start of the whole cluster nobody takes what
another one will have a moment later."""

_LEAVING_SECONDS = 2.0
_START_SECONDS = 20.0


class WireProcess:
    """One per program. `changed` is called when a cycle is due for what was told; `took_over` with seconds, for each address;
    `happened` with a line for people.
    """

    def __init__(
        self,
        forked: forking.Forked,
        *,
        has_membership: bool,
        changed: Callable[[], None],
        took_over: Callable[[float], None] = lambda _seconds: None,
        happened: Callable[[str], None] = lambda _line: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._forked = forked
        self._has_membership = has_membership
        self._changed = changed
        self._took_over = took_over
        self._happened = happened
        self._clock = clock
        self._talk: channel.Channel | None = None
        self._started = clock()
        self._plan = values.L2Plan()
        self._peers: frozenset[str] = frozenset()
        self._held: set[addresses.Address] = set()
        self._shown_held: frozenset[addresses.Address] | None = None
        self._interfaces: frozenset[str] = frozenset()
        self._rivals: tuple[links.Rival, ...] = ()
        self._live: values.Live = {}
        self._gone: frozenset[str] = frozenset()
        self._rows: dict[addresses.Address, links.AddressCounts] = {}
        self._counted = messages.Counted((), {}, 0, 0)
        self._gossip = messages.Gossip(is_fenced=has_membership, live=0, expected=0)
        self._failure = ""
        self._is_ready = False
        self._unheard = 0

    async def start(self) -> None:
        """See `ports.Announcer`. Returns when the other process answers; raises LinkError with its reason when it cannot."""
        self._talk = await channel.Channel.over(self._forked.end)
        self._started = self._clock()
        self._tell(messages.Alive())
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not self._is_ready and await self._hear():
                    pass
        except TimeoutError:
            self._failure = f"the process that answers is not ready after {_START_SECONDS:.0f} s"
        if not self._is_ready:
            raise errors.LinkError(f"layer 2: {self._failure or 'the process that answers has ended'}")
        if self._has_membership:
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._changed)

    async def run(self) -> NoReturn:
        """Hears what it tells, and shows it that we live. Raises LinkError when it is gone: then nobody answers any more."""
        self._show_life()
        while await self._hear():
            pass
        raise errors.LinkError(f"layer 2: {self._failure or 'the process that answers has ended'}")

    def let_go(self) -> None:
        """The other process hands over now, whatever has to be brought to an end here before `stop`. No plan counts any more."""
        self._tell(messages.Stop())

    async def stop(self) -> None:
        """See `ports.Announcer`: the other process hands over, then it ends. Returns when it has."""
        if self._talk is None:
            return
        self._tell(messages.Stop())
        try:
            async with asyncio.timeout(_LEAVING_SECONDS):
                while await self._hear():
                    pass
        except TimeoutError:
            _log.warning("layer 2 does not end; it ends with this process")
        self._talk.close()
        self._talk = None
        await self._forked.ended()

    # What is wanted

    def set_plan(self, plan: values.L2Plan) -> None:
        """See `ports.Announcer`."""
        if plan.entries is self._plan.entries:
            return
        told = [messages.encode(each) for each in messages.changes(difference(self._plan, plan))]
        self._plan = plan  # not before everything can be told: what fails is tried again with the next plan
        for each in told:
            self._send(each)

    def set_peers(self, peers: Mapping[str, addresses.Address]) -> None:
        """The speakers that there should be: running pods by node name."""
        self._peers = frozenset(peers)
        self._tell(messages.Peers({name: str(address) for name, address in peers.items()}))

    def set_log_level(self, level: logs.Level) -> None:
        """From which level on to log."""
        self._tell(messages.LogLevel(str(level)))

    # What is known

    def held(self) -> frozenset[addresses.Address]:
        """See `ports.Announcer`. The very same set until it changes."""
        if self._shown_held is None:
            self._shown_held = frozenset(self._held)
        return self._shown_held

    def rivals(self) -> tuple[links.Rival, ...]:
        """See `ports.Announcer`."""
        return self._rivals

    def known_interfaces(self) -> frozenset[str]:
        """See `ports.Announcer`."""
        return self._interfaces

    @property
    def is_fenced(self) -> bool:
        """Whether this node hears too few other speakers to answer for anything; true until it has heard them."""
        return self._gossip.is_fenced

    def counts(self) -> links.Counts:
        """See `ports.Announcer`. Half a second old at most."""
        return messages.counts(self._rows, self._counted)

    def live(self) -> values.Live | None:
        """Nodes whose speaker lives, with their interfaces; None when nobody watches that."""
        if not self._has_membership:
            return None
        is_in_grace = self._clock() - self._started < GRACE_SECONDS
        unheard = self._peers - self._gone if is_in_grace else frozenset[str]()
        return {**dict.fromkeys(unheard), **self._live}

    def measure(self, counted: layer2_metrics.Layer2Metrics) -> None:
        """Shows what the metrics say about layer 2."""
        found = self._gossip
        counted.set_fenced(fenced=found.is_fenced)
        counted.set_rivals((str(each.address), links.format_mac(each.mac), each.claims) for each in self._rivals)
        if self._has_membership:
            counted.set_members(found.live, found.expected)
            counted.set_gossip(found.sent, found.received, found.send_errors, found.clashes, found.refused)

    # The channel

    def _tell(self, message: messages.ToWire) -> None:
        self._send(messages.encode(message))

    def _send(self, message: bytes) -> None:
        if self._talk is not None:
            self._talk.send(message)

    def _show_life(self) -> None:
        """And counts silence, in pauses between which this process heard whatever there was."""
        self._tell(messages.Alive())
        self._unheard += 1
        if self._unheard > PATIENCE and self._talk is not None:
            self._failure = "the process that answers hangs"
            self._talk.abort()
            return
        asyncio.get_running_loop().call_later(ALIVE_SECONDS, self._show_life)

    async def _hear(self) -> bool:
        """Takes one message in; False when there will be no more."""
        data = await self._talk.receive() if self._talk is not None else None
        if data is None:
            return False
        self._unheard = 0
        message = messages.from_wire(data)
        match message:
            case messages.Alive():
                pass
            case messages.Holding(gained, lost):
                self._held.update(messages.unpacked(gained))
                self._held.difference_update(messages.unpacked(lost))
                self._shown_held = None
                self._changed()
            case messages.Interfaces(names):
                self._interfaces = frozenset(names)
                self._changed()
            case messages.Company():
                self._live, self._gone = messages.known_live(message), frozenset(message.gone)
                self._changed()
            case messages.Rivals():
                self._hear_rivals(messages.known_rivals(message))
            case messages.TookOver(number, seconds):
                for _ in range(number):
                    self._took_over(seconds)
            case messages.Counted():
                self._rows.update({row.address: row for row in messages.rows(message)})
                self._counted = message
            case messages.Gossip():
                self._hear_gossip(message)
            case messages.Failed(reason):
                self._failure = reason
            case messages.Ready():
                self._is_ready = True
            case unknown:
                assert_never(unknown)
        return True

    def _hear_gossip(self, found: messages.Gossip) -> None:
        if found.is_fenced and not self._gossip.is_fenced:
            self._happened(
                f"fenced: {found.live} of {found.expected} speakers are heard, no layer-2 address is answered for"
            )
        elif self._gossip.is_fenced and not found.is_fenced:
            self._happened(f"not fenced: {found.live} of {found.expected} speakers are heard")
        self._gossip = found

    def _hear_rivals(self, found: tuple[links.Rival, ...]) -> None:
        """Claims are counted all the time; people are told of who is there."""
        before = {(each.address, each.mac, each.is_present) for each in self._rivals}
        after = {(each.address, each.mac, each.is_present) for each in found}
        self._rivals = found
        for address, mac, is_present in sorted(after - before, key=str):
            if is_present:
                self._happened(f"rival: {links.format_mac(mac)} claims {address}")
        for address, mac, was_present in sorted(before - after, key=str):
            if was_present:
                self._happened(f"rival gone: {links.format_mac(mac)} no longer claims {address}")
        if before != after:
            self._changed()


def difference(before: values.L2Plan, after: values.L2Plan) -> values.L2Change:
    """What leads from one plan to the other."""
    known = {entry.address: entry for entry in before.entries}
    come = []
    for entry in after.entries:
        old = known.pop(entry.address, None)
        if old is not entry and old != entry:
            come.append(entry)
    return values.L2Change(tuple(known), tuple(come))
