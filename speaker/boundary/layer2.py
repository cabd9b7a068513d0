"""The mouth of layer 2: answers for the addresses of the plan on every interface that allows it, and announces those that are new.

Driven by `speaker.boundary.claimant`, which says what this node holds; stands on `ports.Links`, `ports.Wire` and the pure
`ports.Layer2Rules`. Decides nothing itself. Withdrawing sends nothing: an address that left the plan is no longer answered for, that is all.
"""

import asyncio
import collections
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import structlog

from frr_adapter import addresses
from speaker import bursts, links, values
from speaker.boundary import delegation, ports

_log = structlog.get_logger()

_STEPS_PER_TURN = 256
"""So many steps of announcing (composing or sending) before the event loop may answer requests again."""

_BUSY_SECONDS = 0.005
"""Wait when a device takes no more frames."""

_REOPEN_SECONDS = 1.0
"""Wait before a tap that could not be opened is tried again."""

_NO_ENTRIES: links.Table = MappingProxyType({})
_TapKey = tuple[int, addresses.Family]
_Outgoing = tuple[links.Target, bytes | None]
"""A frame about a target; None stands for the frames of a burst, which are composed when their turn comes."""


class Layer2Announcer:
    """Answers and announces. All methods belong to one event loop; `overhear` is called with every frame before it is answered,
    `reconsider` before every announcement (what it makes the plan lose is not announced), `moved` with all interfaces when one of
    them changed.
    """

    def __init__(
        self,
        followed: ports.Links,
        wire: ports.Wire,
        rules: ports.Layer2Rules,
        overhear: Callable[[bytes], None],
        moved: Callable[[Iterable[links.Interface]], None] = lambda _interfaces: None,
        proxies: ports.Proxies | None = None,
        reconsider: Callable[[], object] = lambda: None,
    ) -> None:
        self._reconsider = reconsider
        self._delegation = delegation.Delegation(proxies, rules)
        self._overhear = overhear
        self._moved = moved
        self._links = followed
        self._wire = wire
        self._rules = rules
        self._plan = values.L2Plan()
        self._table = _NO_ENTRIES
        self._wanted = values.L2Plan()
        self._wanted_table = _NO_ENTRIES
        self._macs: frozenset[links.Mac] = frozenset()
        self._interfaces: Mapping[int, links.Interface] = MappingProxyType({})
        self._taps: dict[_TapKey, tuple[ports.Tap, links.Interface]] = {}
        self._schedule = bursts.Schedule()
        self._timer: asyncio.TimerHandle | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._outgoing: collections.deque[_Outgoing] = collections.deque()
        self._pump: asyncio.Handle | None = None
        self._undirected: set[links.Target] = set()
        self._directing: asyncio.Task[None] | None = None
        self._is_running = False
        self._requests: collections.Counter[addresses.Address] = collections.Counter()
        self._responses: collections.Counter[addresses.Address] = collections.Counter()
        self._gratuitous: collections.Counter[addresses.Address] = collections.Counter()
        self._refusals: collections.Counter[links.Refusal] = collections.Counter()
        self._send_errors = 0

    async def start(self) -> None:
        """See `ports.Announcer`. A plan that was set before is announced now."""
        self._is_running = True
        await self._links.start(self._links_changed)
        self._links_changed()

    def listen_for(self, wanted: values.L2Plan) -> None:
        """The addresses whose groups are joined: those of the plan, and those that others are asked about."""
        if wanted == self._wanted:
            return
        self._wanted, self._wanted_table = wanted, self._rules.table(wanted)
        if self._is_running:
            self._join()

    def set_plan(self, plan: values.L2Plan) -> None:
        """Answers for these addresses from now on, and announces those that are new. An equal plan does nothing."""
        if plan == self._plan:
            return
        before, self._plan, self._table = self._table, plan, self._rules.table(plan)
        if self._is_running:
            self._delegation.settle(self._table, self._interfaces)
            self._announce(self._rules.gained_by_plan(before, self._table, self._interfaces.values()))

    def ask(self, asked: Iterable[addresses.Address]) -> None:
        """Asks the segment who holds these, on every interface that shall serve them."""
        for address in asked:
            entry = self._wanted_table.get(address)
            if entry is None:
                continue
            for (index, family), (tap, interface) in self._taps.items():
                if family is addresses.family_of(address) and entry.is_on(interface.name):
                    frames = self._rules.probe(address, self._interfaces.get(index, interface))
                    self._send_errors += sum(not self._send(tap, frame) for frame in frames)

    def insist(self, claimed: Iterable[addresses.Address]) -> None:
        """Announces addresses once more that another station claimed (RFC 5227 section 2.4 c)."""
        wanted = frozenset(claimed)
        self._outgoing.extend(
            (links.Target(index, address), None)
            for address in wanted & self._table.keys()
            for index, family in self._taps
            if family is addresses.family_of(address)
        )
        self._flush()

    @property
    def own_macs(self) -> frozenset[links.Mac]:
        """All link-layer addresses of this machine's interfaces."""
        return self._macs

    def _join(self) -> None:
        self._wire.join(self._rules.memberships(self._wanted_table, self._interfaces.values()))

    def known_interfaces(self) -> frozenset[str]:
        """See `ports.Announcer`."""
        return frozenset(interface.name for interface in self._links.interfaces().values())

    def counts(self) -> links.Counts:
        """See `ports.Announcer`."""
        seen = sorted(
            self._requests.keys() | self._responses.keys() | self._gratuitous.keys(),
            key=lambda address: (address.version, int(address)),
        )
        return links.Counts(
            addresses=tuple(
                links.AddressCounts(ip, self._requests[ip], self._responses[ip], self._gratuitous[ip]) for ip in seen
            ),
            refusals=tuple(sorted(self._refusals.items())),
            send_errors=self._send_errors,
            netlink_restarts=self._links.restarts,
        )

    async def stop(self) -> None:
        """See `ports.Announcer`."""
        self._is_running = False
        self._delegation.stop()
        for pending in (self._timer, self._reopening, self._pump):
            if pending is not None:
                pending.cancel()
        self._timer = self._reopening = self._pump = None
        self._outgoing.clear()
        if self._directing is not None:
            self._directing.cancel()
            await asyncio.gather(self._directing, return_exceptions=True)
            self._directing = None
        for tap, _ in self._taps.values():
            tap.close()
        self._taps.clear()
        self._wire.close()
        await self._links.stop()

    # Interfaces

    def _links_changed(self) -> None:
        """Opens and closes taps, then announces on interfaces that appeared, came back or changed their address."""
        if not self._is_running:
            return
        before, self._interfaces = self._interfaces, self._links.interfaces()
        self._moved(self._interfaces.values())
        self._macs = frozenset(each.mac for each in self._interfaces.values() if each.mac is not None)
        self._delegation.settle(self._table, self._interfaces)
        self._open_taps()
        self._join()
        self._announce(
            frozenset(
                target
                for index, interface in self._interfaces.items()
                if (old := before.get(index)) != interface
                for target in self._rules.gained_by_interface(old, interface, self._table)
            )
        )

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
        fresh = self._taps.keys() - before
        self._announce(
            frozenset(
                target
                for index, family in fresh
                for target in self._rules.gained_by_interface(None, self._interfaces[index], self._table)
                if addresses.family_of(target.address) is family
            )
        )

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
            self._refusals[links.Refusal.NOT_FOR_US] += 1
            return
        self._overhear(frame)
        match self._rules.answer(frame, interface, self._table):
            case links.Answer(address, reply):
                self._requests[address] += 1
                if self._delegation.answers(links.Target(key[0], address), frame):
                    self._refusals[links.Refusal.BY_KERNEL] += 1
                elif self._send(tap, reply):
                    self._responses[address] += 1
                else:
                    self._send_errors += 1  # the requester asks again
            case links.Refused(reason):
                self._refusals[reason] += 1

    def _send(self, tap: ports.Tap, frame: bytes) -> bool:
        try:
            return tap.send(frame)
        except OSError:  # the device went away under us; netlink tells the rest
            return False

    # Announcements

    def _announce(self, targets: frozenset[links.Target]) -> None:
        if not targets:
            return
        self._schedule = self._schedule.started(targets, asyncio.get_running_loop().time())
        self._burst()
        self._undirected |= targets
        if self._directing is None or self._directing.done():
            self._directing = asyncio.create_task(self._direct(), name="directed announcements")

    def _burst(self) -> None:
        loop = asyncio.get_running_loop()
        due, self._schedule = self._schedule.due(loop.time())
        self._outgoing.extend((target, None) for target in due)
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self._schedule.next_at is None else loop.call_at(self._schedule.next_at, self._burst)

    async def _direct(self) -> None:
        """Tells the stations that the kernel knows, one interface after the other, until nothing is left to tell."""
        while self._undirected:
            index = min(target.interface for target in self._undirected)
            known = await self._links.neighbors(index)
            targets = {target for target in self._undirected if target.interface == index}
            self._undirected -= targets
            interface = self._interfaces.get(index)
            if not known or interface is None:
                continue
            taken = sorted(
                (target.address for target in targets if self._is_announced(target, interface)),
                key=lambda address: (address.version, int(address)),
            )
            frames = self._rules.directed(taken, interface, known)
            self._outgoing.extend((links.Target(index, address), frame) for address, frame in frames)
            self._flush()

    def _is_announced(self, target: links.Target, interface: links.Interface) -> bool:
        entry = self._table.get(target.address)
        return entry is not None and entry.is_on(interface.name)

    def _flush(self) -> None:
        """Sends what waits, a turn at a time, so that requests are answered in between."""
        if self._pump is not None:
            return
        loop = asyncio.get_running_loop()
        for _ in range(_STEPS_PER_TURN):
            self._reconsider()  # a burst that was due while this process did not run may not go out behind the fence
            if not self._outgoing:
                return
            if not self._send_next(*self._outgoing.popleft()):
                self._pump = loop.call_later(_BUSY_SECONDS, self._continue)
                return
        self._pump = loop.call_soon(self._continue)

    def _continue(self) -> None:
        self._pump = None
        self._flush()

    def _send_next(self, target: links.Target, frame: bytes | None) -> bool:
        """False when the device is busy; the frame then waits. What is no longer ours, or has no interface, is dropped."""
        opened = self._taps.get((target.interface, addresses.family_of(target.address)))
        if opened is None or not self._is_announced(target, opened[1]):
            return True
        tap, interface = opened
        if frame is None:
            frames = self._rules.burst(target.address, interface)
            self._outgoing.extendleft((target, each) for each in reversed(frames))
            return True
        try:
            is_sent = tap.send(frame)
        except OSError:
            self._send_errors += 1
            return True
        if is_sent:
            self._gratuitous[target.address] += 1
        else:
            self._outgoing.appendleft((target, frame))
        return is_sent
