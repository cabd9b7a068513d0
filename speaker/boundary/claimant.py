"""The announcer that the loop drives: claims addresses on the wire before it speaks for them, and yields to who holds them.

Stands between the plan and `speaker.boundary.layer2`, which answers only for what is held. The decisions are `ports.Holder`'s; here
are the clock, the timer and the frames. It must never answer while the fence is closed, not even a frame that waited in a socket
while this process did not run: the fence is looked at before every frame, answers and announcements alike.
"""

import asyncio
from collections.abc import Callable, Iterable

from frr_adapter import addresses
from frr_adapter.boundary import logs
from speaker import links, values
from speaker.boundary import layer2, ports

_log = logs.get_logger()


def _open() -> bool:
    return False


def _unknown(_address: addresses.Address, _mac: links.Mac) -> links.Standing:
    return links.Standing.UNKNOWN


class Claimant:
    """`ports.Announcer`.

    `is_fenced` says whether this node knows too little about the others to answer; `standing` who has that
    link-layer address, where the address is concerned; `changed` is called when what is held changed or a rival appeared, `taken` with
    what is answered for from now on, `moved` with all interfaces when one of them changed. With `proxies` the kernel answers where it can, even while this process does not run: no
    fence stops it then.
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
        taken: Callable[[tuple[addresses.Address, ...]], None] = lambda _addresses: None,
        moved: Callable[[Iterable[links.Interface]], None] = lambda _interfaces: None,
        proxies: ports.Proxies | None = None,
    ) -> None:
        self._links = followed
        self._rules = rules
        self._is_fenced = is_fenced
        self._standing = standing
        self._changed = changed
        self._taken = taken
        self._mouth = layer2.Layer2Announcer(followed, wire, rules, self._overheard, moved, proxies, self._watch_fence)
        self._was_fenced = is_fenced()
        self._holder = rules.holder(is_fenced=self._was_fenced)
        self._plan = values.L2Plan()
        self._held: frozenset[addresses.Address] = frozenset()
        self._timer: asyncio.TimerHandle | None = None
        self._rivals = rules.rivals()
        self._is_running = False

    async def start(self) -> None:
        """See `ports.Announcer`. A plan that was set before is claimed now."""
        await self._mouth.start()
        self._is_running = True
        self._want(values.L2Plan())

    def set_plan(self, plan: values.L2Plan) -> None:
        """See `ports.Announcer`."""
        if plan == self._plan:
            return
        before, self._plan = self._plan, plan
        if self._is_running:
            self._want(before)

    def held(self) -> frozenset[addresses.Address]:
        """See `ports.Announcer`."""
        return self._held

    def rivals(self) -> tuple[links.Rival, ...]:
        """See `ports.Announcer`."""
        return self._rivals.found(self._now())

    def known_interfaces(self) -> frozenset[str]:
        """See `ports.Announcer`."""
        return self._mouth.known_interfaces()

    def counts(self) -> links.Counts:
        """See `ports.Announcer`."""
        return self._mouth.counts()

    def members_changed(self) -> None:
        """The cluster changed: the fence may have, and what others held may be free."""
        if self._is_running and not self._watch_fence():
            self._do(self._holder.look_again(self._now()))

    def take(self, given: Iterable[addresses.Address]) -> frozenset[addresses.Address]:
        """Takes addresses over from a holder that fell silent for it; gives those that are held now."""
        wanted = frozenset(given)
        self._do(self._holder.take(wanted, self._now()))
        return wanted & self._held

    def release(self) -> frozenset[addresses.Address]:
        """Falls silent about everything, for good; gives what was held, to be handed over."""
        held = self._held
        self._is_running = False
        self._do(self._holder.want({}, self._now()))
        return held

    async def stop(self) -> None:
        """See `ports.Announcer`."""
        self._is_running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._mouth.stop()

    def _want(self, before: values.L2Plan) -> None:
        self._show()  # the mouth must know on which interfaces to ask
        wishes = {entry.address: entry.wish for entry in self._plan.entries}
        self._rivals.keep(wishes)
        self._do(self._holder.want(wishes, self._now()))
        others = {entry.address: entry.candidates for entry in before.entries}
        moved = {
            each.address for each in self._plan.entries if others.get(each.address, each.candidates) != each.candidates
        }
        if moved:  # whoever had one of them may not have it any more
            self._do(self._holder.look_again(self._now(), moved))

    def _watch_fence(self) -> bool:
        """Whether the fence was moved; what follows from it is done."""
        is_fenced = self._is_fenced()
        if is_fenced is self._was_fenced:
            return False
        self._was_fenced = is_fenced
        _log.warning("layer 2 is fenced: too few other speakers are heard" if is_fenced else "layer 2 is open again")
        now = self._now()
        self._do(self._holder.fence(now) if is_fenced else self._holder.unfence(now))
        return True

    def _overheard(self, frame: bytes) -> None:
        self._watch_fence()
        heard = self._rules.heard(frame, self._mouth.own_macs)
        if heard is None or not self._holder.is_wanted(heard.address):
            return
        standing, now = self._standing(heard.address, heard.mac), self._now()
        is_held = heard.address in self._held
        if heard.claim is links.Claim.ANSWER and self._rivals.heard(
            heard.address, heard.mac, standing, now, is_held=is_held
        ):
            _log.warning("another station claims an address", ip=str(heard.address), mac=links.format_mac(heard.mac))
            self._changed()
        self._do(self._holder.heard(heard.address, heard.claim, heard.mac, now, standing))

    def _tick(self) -> None:
        self._timer = None
        if not self._watch_fence():
            self._do(self._holder.tick(self._now()))

    def _do(self, actions: links.Actions) -> None:
        if actions.taken or actions.dropped:
            self._held = self._holder.held
            self._show()  # before anything else: what was dropped may not be answered for a moment longer
            self._changed()
            self._taken(actions.taken)
        self._mouth.ask(actions.ask)
        self._mouth.insist(actions.defended)
        for loss in actions.lost:
            _log.warning("address yielded", ip=str(loss.address), to=links.format_mac(loss.rival))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._holder.next_at is not None:
            self._timer = asyncio.get_running_loop().call_at(self._holder.next_at, self._tick)

    def _show(self) -> None:
        entries = self._plan.entries
        held = entries if len(self._held) == len(entries) else tuple(e for e in entries if e.address in self._held)
        self._mouth.set_plan(values.L2Plan(held))
        asked = tuple(each for each in entries if each.wish is values.Wish.TAKE or each.address in self._held)
        self._mouth.listen_for(self._plan if len(asked) == len(entries) else values.L2Plan(asked))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
