"""The mouth of layer 2: answers for addresses on every interface that allows it, and announces those that are new.

Driven by `speaker.boundary.claimant`, which says what this node holds; stands on `ports.Links`, `ports.Wire` and the pure
`ports.Layer2Rules`. Decides nothing itself. Dropping sends nothing: an address that is not held is no longer answered for, that is all.
What one address costs must not depend on how many there are.
"""

import asyncio
import collections
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

import structlog

from frr_adapter import addresses
from speaker import links, values
from speaker.boundary import announcing, delegation, groups, ports, tally, turns

_log = structlog.get_logger()

_REOPEN_SECONDS = 1.0
"""Wait before a tap that could not be opened is tried again."""

_SURVEYED = 16
"""So many addresses are looked at in one step when an interface has changed."""

_TapKey = tuple[int, addresses.Family]
_Survey = tuple[links.Interface | None, links.Interface, frozenset[addresses.Family], Iterator[addresses.Address]]
"""What an interface was and is, for which families, and the addresses that may have to be announced there."""


class Layer2Announcer:
    """Answers and announces. All methods belong to one event loop; `overhear` is called with every frame before it is answered,
    `reconsider` before every announcement (what it makes us drop is not announced), `moved` with all interfaces when one of them
    changed. What may take long is left to `turn`.
    """

    def __init__(
        self,
        followed: ports.Links,
        wire: ports.Wire,
        rules: ports.Layer2Rules,
        turn: turns.Turns,
        overhear: Callable[[bytes], None],
        moved: Callable[[Iterable[links.Interface]], None] = lambda _interfaces: None,
        proxies: ports.Proxies | None = None,
        reconsider: Callable[[], object] = lambda: None,
    ) -> None:
        self._delegation = delegation.Delegation(proxies, rules)
        self._overhear = overhear
        self._moved = moved
        self._links = followed
        self._wire = wire
        self._rules = rules
        self._turns = turn
        self._counted = tally.Tally()
        self._groups = groups.Groups(wire, rules)
        self._announcing = announcing.Announcing(followed, rules, self._may_send, reconsider, self._counted, turn)
        self._table: dict[addresses.Address, values.L2Entry] = {}
        self._macs: frozenset[links.Mac] = frozenset()
        self._interfaces: Mapping[int, links.Interface] = MappingProxyType({})
        self._taps: dict[_TapKey, announcing.Opened] = {}
        self._gained: collections.deque[tuple[values.L2Entry | None, values.L2Entry]] = collections.deque()
        self._surveys: collections.deque[_Survey] = collections.deque()
        self._reopening: asyncio.TimerHandle | None = None
        self._is_running = False
        for source in (self._announcing.step, self._look_at_gained, self._survey, self._groups.step):
            turn.add(source)

    async def start(self) -> None:
        """Follows the interfaces. What was held before is announced now."""
        self._is_running = True
        await self._links.start(self._links_changed)
        self._links_changed()

    def listen(self, entry: values.L2Entry) -> int:
        """Hears questions about the address from now on, and who claims it. Gives what it was worth in steps of a turn."""
        return self._groups.listen(entry)

    def forget(self, address: addresses.Address) -> None:
        """Nobody needs to hear about it any more, from the next turn on."""
        self._groups.forget(address)

    def hold(self, entries: Iterable[values.L2Entry]) -> None:
        """Answers for these from now on, and announces them where that is new."""
        for entry in entries:
            before = self._table.get(entry.address)
            self._table[entry.address] = entry
            self._groups.listen_soon(entry)
            if self._is_running:
                self._gained.append((before, entry))
        self._settle()

    def drop(self, dropped: Iterable[addresses.Address]) -> None:
        """Answers for these no longer, and announces nothing about them that is still under way."""
        for address in dropped:
            self._table.pop(address, None)
        self._settle()

    def clear(self) -> None:
        """Answers for nothing, at once, however much that was."""
        self._table = {}
        self._gained.clear()
        self._surveys.clear()
        self._announcing.clear()
        self._settle()

    def ask(self, asked: Iterable[values.L2Entry]) -> None:
        """Asks the segment who holds these, on every interface that shall serve them."""
        for entry in asked:
            wanted = addresses.family_of(entry.address)
            for (index, family), (tap, interface) in self._taps.items():
                if family is wanted and entry.is_on(interface.name):
                    frames = self._rules.probe(entry.address, self._interfaces.get(index, interface))
                    self._counted.failed(sum(not self._send(tap, frame) for frame in frames))

    def insist(self, claimed: Iterable[addresses.Address]) -> None:
        """Announces addresses once more that another station claimed (RFC 5227 section 2.4 c)."""
        self._announcing.once(
            links.Target(index, address)
            for address in claimed
            if address in self._table
            for index, family in self._taps
            if family is addresses.family_of(address)
        )
        self._turns.go()

    @property
    def own_macs(self) -> frozenset[links.Mac]:
        """All link-layer addresses of this machine's interfaces."""
        return self._macs

    def counts(self) -> links.Counts:
        """Everything counted since start."""
        return self._counted.counts(self._links.restarts)

    def fresh_counts(self, most: int) -> links.Counts:
        """The same, with at most so many of the addresses whose numbers changed since they were given here last."""
        return self._counted.fresh(most, self._links.restarts)

    async def stop(self) -> None:
        """Closes everything and sends nothing."""
        self._is_running = False
        self._delegation.stop()
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None
        self._gained.clear()
        self._surveys.clear()
        await self._announcing.stop()
        for tap, _ in self._taps.values():
            tap.close()
        self._taps.clear()
        self._groups.close()
        await self._links.stop()

    # Interfaces

    def _links_changed(self) -> None:
        """Opens and closes taps, then announces on interfaces that appeared, came back or changed their address."""
        if not self._is_running:
            return
        before, self._interfaces = self._interfaces, self._links.interfaces()
        self._moved(self._interfaces.values())
        self._macs = frozenset(each.mac for each in self._interfaces.values() if each.mac is not None)
        self._settle()
        self._open_taps()
        self._groups.interfaces_changed(self._interfaces.values())
        for index, interface in self._interfaces.items():
            if (old := before.get(index)) != interface:
                self._surveys.append((old, interface, frozenset(addresses.Family), iter(tuple(self._table))))
        self._turns.go()

    def _open_taps(self) -> None:
        """One tap per served interface and family; a socket stays bound to its interface through renames."""
        wanted = {
            (interface.index, family): interface
            for interface in self._interfaces.values()
            for family in addresses.Family
            if interface.answers(family)
        }
        for key in sorted(self._taps.keys() - wanted.keys()):
            self._taps.pop(key)[0].close()
        has_failed = False
        for key, interface in wanted.items():
            if key in self._taps:
                self._taps[key] = (self._taps[key][0], interface)
                continue
            try:
                self._taps[key] = (self._wire.open(interface, key[1], self._receiver(key)), interface)
            except OSError as error:
                has_failed = True
                _log.warning("interface cannot be served", interface=interface.name, error=str(error))
        if has_failed and self._reopening is None:
            self._reopening = asyncio.get_running_loop().call_later(_REOPEN_SECONDS, self._reopen)

    def _reopen(self) -> None:
        """Tries again what failed; what was opened now has missed its announcements."""
        self._reopening = None
        before = frozenset(self._taps)
        self._open_taps()
        for index, family in sorted(self._taps.keys() - before):
            self._surveys.append((None, self._interfaces[index], frozenset({family}), iter(tuple(self._table))))
        self._turns.go()

    def _survey(self) -> int:
        """See `speaker.boundary.turns.Source`."""
        if not self._surveys:
            return 0
        old, new, families, rest = self._surveys[0]
        lot = tuple(itertools.islice(rest, _SURVEYED))
        if not lot:
            self._surveys.popleft()
            return 1
        part = {
            each: self._table[each] for each in lot if each in self._table and addresses.family_of(each) in families
        }
        self._announcing.start(self._rules.gained_by_interface(old, new, part))
        return 1 + len(part) // 4

    # Answers

    def _receiver(self, key: _TapKey) -> ports.Received:
        def received(frame: bytes, is_for_us: bool) -> None:
            self._receive(key, frame, is_for_us=is_for_us)

        return received

    def _receive(self, key: _TapKey, frame: bytes, *, is_for_us: bool) -> None:
        opened = self._taps.get(key)
        if opened is None:
            return
        tap, interface = opened
        if not is_for_us:
            self._counted.refused(links.Refusal.NOT_FOR_US)
            return
        self._overhear(frame)
        match self._rules.answer(frame, interface, self._table):
            case links.Answer(address, reply):
                self._counted.asked(address)
                if self._delegation.answers(links.Target(key[0], address), frame):
                    self._counted.refused(links.Refusal.BY_KERNEL)
                elif self._send(tap, reply):
                    self._counted.answered(address)
                else:
                    self._counted.failed()  # the requester asks again
            case links.Refused(reason):
                self._counted.refused(reason)

    def _send(self, tap: ports.Tap, frame: bytes) -> bool:
        try:
            return tap.send(frame)
        except OSError:  # the device went away under us; netlink tells the rest
            return False

    # What is held

    def _settle(self) -> None:
        """The kernel's entries are in place before anything is announced, and gone before an address is silent."""
        if self._is_running:
            self._delegation.settle(self._table, self._interfaces)

    def _look_at_gained(self) -> int:
        """See `speaker.boundary.turns.Source`: announces one address where it was not served before."""
        if not self._gained:
            return 0
        before, entry = self._gained.popleft()
        old = {} if before is None else {before.address: before}
        self._announcing.start(self._rules.gained_by_plan(old, {entry.address: entry}, self._interfaces.values()))
        return 1

    def _may_send(self, target: links.Target) -> announcing.Opened | None:
        opened = self._taps.get((target.interface, addresses.family_of(target.address)))
        entry = self._table.get(target.address)
        return opened if opened is not None and entry is not None and entry.is_on(opened[1].name) else None
