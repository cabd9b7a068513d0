"""The announcer of layer 2: claims addresses on the wire before it speaks for them, and yields to who holds them.

Driven by `speaker.wire`, which says what is wanted; stands before `speaker.boundary.layer2`, which answers only for what is held. The
decisions are `ports.Holder`'s; here are the clock, the timer and the order of things. It must never answer while the fence is
closed, not even a frame that waited in a socket while this process did not run: the fence is looked at before every frame, answers
and announcements alike. No change of one address may cost more the more addresses there are.
"""

import asyncio
import collections
from collections.abc import Callable, Iterable

from frr_adapter import addresses
from frr_adapter.boundary import logs
from speaker import links, values
from speaker.boundary import layer2, ports, turns

_log = logs.get_logger()

_TOLD_AT_ONCE = 256
"""At most so many addresses are told of in one call."""


def _open() -> bool:
    return False


def _worth(actions: links.Actions) -> int:
    """In steps of a turn."""
    return 1 + len(actions.ask) + len(actions.taken)


def _unknown(_address: addresses.Address, _mac: links.Mac) -> links.Standing:
    return links.Standing.UNKNOWN


class Claimant:
    """All methods belong to one event loop. None lasts: what concerns many addresses goes on by turns.

    `is_fenced` says whether this node knows too little about the others to answer; `standing` who has that
    link-layer address, where the address is concerned; `changed` is called when a rival appeared, `changed_held` with what was won
    and lost, in this order, `taken` with what is answered for from now on, `moved` with all interfaces when one of them changed. With
    `proxies` the kernel answers where it can, even while this process does not run: no fence stops it then.
    """

    def __init__(
        self,
        followed: ports.Links,
        wire: ports.Wire,
        rules: ports.Layer2Rules,
        *,
        is_fenced: Callable[[], bool] = _open,
        standing: Callable[[addresses.Address, links.Mac], links.Standing] = _unknown,
        changed: Callable[[], None] = lambda: None,
        changed_held: Callable[[values.Held], None] = lambda _held: None,
        taken: Callable[[tuple[addresses.Address, ...]], None] = lambda _addresses: None,
        moved: Callable[[Iterable[links.Interface]], None] = lambda _interfaces: None,
        proxies: ports.Proxies | None = None,
    ) -> None:
        self._rules = rules
        self._is_fenced = is_fenced
        self._standing = standing
        self._changed = changed
        self._changed_held = changed_held
        self._taken = taken
        self._turns = turns.Turns()
        self._mouth = layer2.Layer2Announcer(
            followed, wire, rules, self._turns, self._overheard, moved, proxies, self._watch_fence
        )
        self._was_fenced = is_fenced()
        self._holder = rules.holder(is_fenced=self._was_fenced)
        self._entries: dict[addresses.Address, values.L2Entry] = {}
        self._coming: collections.deque[tuple[addresses.Address, bool]] = collections.deque()
        self._news: collections.deque[values.Held] = collections.deque()
        self._timer: asyncio.TimerHandle | None = None
        self._rivals = rules.rivals()
        self._is_running = False
        self._is_due = False
        for source in (self._tell, self._go_on, self._claim):
            self._turns.add(source)

    async def start(self) -> None:
        """Follows the interfaces and claims what is wanted from now on; raises OSError when the kernel allows no raw sockets or netlink."""
        await self._mouth.start()
        self._is_running = True
        self._turns.go()

    def change(self, change: values.L2Change) -> None:
        """What is gone is silent when this returns; what comes is claimed as soon as there is time. Entries that are known change nothing."""
        for address in change.gone:
            self._entries.pop(address, None)
        if change.gone:
            self._rivals.keep(self._entries)
            self._do(self._holder.change(change.gone, {}, self._now()))
            for address in change.gone:
                self._mouth.forget(address)
        for entry in change.come:
            before = self._entries.get(entry.address)
            if before != entry:
                self._entries[entry.address] = entry
                has_moved = before is not None and before.candidates != entry.candidates
                self._coming.append((entry.address, has_moved))
        if self._is_running:
            self._turns.go()

    def entry(self, address: addresses.Address) -> values.L2Entry | None:
        """What is wanted of the address now."""
        return self._entries.get(address)

    def held(self) -> frozenset[addresses.Address]:
        """The addresses that are answered for now; takes the longer the more there are."""
        return self._holder.held

    def rivals(self) -> tuple[links.Rival, ...]:
        """Stations that are no speakers and claim addresses that are wanted, sorted by address and link-layer address."""
        return self._rivals.found(self._now())

    def counts(self) -> links.Counts:
        """Everything counted since start; takes milliseconds where thousands of addresses were seen."""
        return self._mouth.counts()

    def fresh_counts(self, most: int) -> links.Counts:
        """The same, with at most so many of the addresses whose numbers changed since they were given here last."""
        return self._mouth.fresh_counts(most)

    def members_changed(self) -> None:
        """The cluster changed: the fence may have, and what others held may be free."""
        if self._is_running and not self._watch_fence():
            self._do(self._holder.look_again(self._now()))

    def take(self, given: Iterable[addresses.Address]) -> frozenset[addresses.Address]:
        """Takes addresses over from a holder that fell silent for it; gives those that are held now."""
        wanted = tuple(given)
        self._do(self._holder.take(wanted, self._now()))
        return frozenset(address for address in wanted if self._holder.is_held(address))

    def release(self) -> frozenset[addresses.Address]:
        """Falls silent about everything, for good; gives what was held, to be handed over."""
        held = self._holder.held
        self._is_running = False
        self._mouth.clear()
        self._note((), tuple(held))
        self._holder = self._rules.holder(is_fenced=True)
        self._entries.clear()
        self._coming.clear()
        self._turns.go()
        return held

    async def stop(self) -> None:
        """Closes everything and sends nothing: the next owner's announcements do the takeover."""
        self._is_running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._mouth.stop()
        self._turns.stop()

    def _claim(self) -> int:
        """See `speaker.boundary.turns.Source`: carries out what is wanted of one address."""
        if not self._coming or not self._is_running:
            return 0
        address, has_moved = self._coming.popleft()
        entry = self._entries.get(address)
        if entry is None:  # it went again meanwhile
            return 1
        now = self._now()
        was_held = self._holder.is_held(address)
        actions = self._holder.change((), {address: entry.wish}, now)
        worth = _worth(actions)
        if was_held:
            self._mouth.hold((entry,))
        elif self._holder.is_wanted(address):
            worth += self._mouth.listen(entry)  # before it is asked for, or the answer may not be heard
        else:
            self._mouth.forget(address)
        self._do(actions)
        if has_moved:  # whoever had it may not have it any more
            self._do(self._holder.look_again(now, (address,)))
        return worth

    def _watch_fence(self) -> bool:
        """Whether the fence was moved; what follows from it is done."""
        is_fenced = self._is_fenced()
        if is_fenced is self._was_fenced:
            return False
        self._was_fenced = is_fenced
        _log.warning("layer 2 is fenced: too few other speakers are heard" if is_fenced else "layer 2 is open again")
        if is_fenced:
            dropped = self._holder.fence(self._now()).dropped
            self._mouth.clear()
            self._note((), dropped)
            self._turns.go()
        else:
            self._do(self._holder.unfence(self._now()))
        return True

    def _overheard(self, frame: bytes) -> None:
        self._watch_fence()
        heard = self._rules.heard(frame, self._mouth.own_macs)
        if heard is None:
            return
        now = self._now()
        if not self._holder.is_wanted(heard.address):
            if heard.claim is links.Claim.ANSWER:  # it may have been handed over to us, to be wanted in a moment
                self._holder.heard(heard.address, heard.claim, heard.mac, now, links.Standing.UNKNOWN)
            return
        standing = self._standing(heard.address, heard.mac)
        is_held = self._holder.is_held(heard.address)
        if heard.claim is links.Claim.ANSWER and self._rivals.heard(
            heard.address, heard.mac, standing, now, is_held=is_held
        ):
            _log.warning("another station claims an address", ip=str(heard.address), mac=links.format_mac(heard.mac))
            self._changed()
        self._do(self._holder.heard(heard.address, heard.claim, heard.mac, now, standing))
        if not self._holder.is_wanted(heard.address):
            self._mouth.forget(heard.address)
            self._turns.go()

    def _tick(self) -> None:
        self._timer = None
        self._is_due = True
        self._turns.go()

    def _go_on(self) -> int:
        """See `speaker.boundary.turns.Source`: asks, and takes what nobody answered for."""
        if not self._is_due:
            return 0
        self._is_due = False
        if self._watch_fence():
            return 1
        actions = self._holder.tick(self._now())
        self._do(actions)
        return _worth(actions)

    def _do(self, actions: links.Actions) -> None:
        self._arm()  # first: whatever fails below, the holder goes on
        if actions.dropped:  # before anything else: it may not be answered for a moment longer
            self._mouth.drop(actions.dropped)
        if actions.taken:
            self._mouth.hold(self._entries[address] for address in actions.taken)
            self._taken(actions.taken)
        self._note(actions.taken, actions.dropped)
        self._mouth.ask(self._entries[address] for address in actions.ask)
        if actions.defended:
            self._mouth.insist(actions.defended)
        for loss in actions.lost:
            _log.warning("address yielded", ip=str(loss.address), to=links.format_mac(loss.rival))
        self._turns.go()

    def _arm(self) -> None:
        """A timer that is early does no harm."""
        due = self._holder.next_at
        if due is None or (self._timer is not None and self._timer.when() <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due, self._tick)

    def _note(self, gained: tuple[addresses.Address, ...], lost: tuple[addresses.Address, ...]) -> None:
        for at in range(0, max(len(gained), len(lost)), _TOLD_AT_ONCE):
            lot = slice(at, at + _TOLD_AT_ONCE)
            self._news.append(values.Held(gained[lot], lost[lot]))

    def _tell(self) -> int:
        """See `speaker.boundary.turns.Source`."""
        if not self._news:
            return 0
        held = self._news.popleft()
        self._changed_held(held)
        return 1 + (len(held.gained) + len(held.lost)) // 8

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
