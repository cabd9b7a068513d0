"""The wire process: answers and announces on layer 2, and hears the other speakers, while another process plans.

Wiring only, and the other end of `speaker.boundary.wire_process`. Kept apart so that planning thousands of Services never delays an answer
or a sign of life. It must go on with what it was told while the planning process is busy, and never for longer than that one lives.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import assert_never

from frr_adapter import addresses, errors
from frr_adapter.boundary import logs, memory
from speaker import company, exclusion, links, messages, settings
from speaker.boundary import channel, claimant, delegation, membership, netlink, ports, proxies, sockets
from speaker.core import layer2, precedence

_log = logs.get_logger()

TAKEOVER_SECONDS = 10.0
"""Addresses that are taken so soon after a speaker was lost count as taken over from it."""

TELL_SECONDS = 0.5
"""Between two looks at what was counted."""

MORE_SECONDS = 0.02
"""The same, while there is more than one message takes."""

SETTLE_SECONDS = 5.0

SECOND = 1.0

PATIENCE = 20
"""So many seconds of our own the planning process may be silent; then others shall have our addresses."""


def run(chosen: settings.Settings, end: socket.socket) -> int:
    """The whole life of the process; gives its exit status."""
    return asyncio.run(_serve(chosen, end))


async def _serve(chosen: settings.Settings, end: socket.socket) -> int:
    talk = await channel.Channel.over(end)
    memory.collect_by_clock()
    asyncio.get_running_loop().call_later(SETTLE_SECONDS, memory.settle)
    with contextlib.closing(proxies.KernelProxies()) as kernel:
        delegation.clear(kernel)  # the entries of a killed speaker answer on, whatever the flags say now
        if (
            await talk.receive() is None
        ):  # before the other process says so, nobody shall take this speaker for one that works
            return 0
        try:
            members = _membership(chosen)
            followed = netlink.KernelLinks(_exclusion(Path(chosen.exclude_interfaces_file)))
            side = WireSide(
                chosen.node_name,
                talk,
                company.Company(members, chosen.timing),
                followed,
                sockets.RawWire(),
                kernel if chosen.l2_kernel_proxy else None,
            )
            await side.start()
        except (OSError, errors.FrrAdapterError) as error:
            talk.send(messages.encode(messages.Failed(str(error))))
            await talk.flushed()
            return 1
        await side.run()
        await side.stop()
        return 0


class WireSide:
    """One per process: what is told, carried out, and what happens, told."""

    def __init__(
        self,
        node: str,
        talk: channel.Channel,
        others: company.Company,
        followed: ports.Links,
        wire: ports.Wire,
        kernel: ports.Proxies | None,
        patience: float = PATIENCE,
    ) -> None:
        self._node = node
        self._talk = talk
        self._others = others
        self._patience = patience
        self._claimant = claimant.Claimant(
            followed,
            wire,
            layer2.Rules(),
            is_fenced=others.is_fenced,
            standing=self._standing,
            changed=self._tell_rivals,
            changed_held=lambda held: self._tell(messages.holding(held)),
            taken=self._taken,
            moved=self._moved,
            proxies=kernel,
        )
        others.connect(self._others_changed, self._claimant.take)
        self._counted = messages.Counted((), {}, 0, 0)
        self._rivals: tuple[links.Rival, ...] = ()
        self._gossip: messages.Gossip | None = None
        self._names: frozenset[str] | None = None
        self._unheard = 0
        self._telling: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Talks to other speakers, serves the interfaces, and says so. Raises OSError where one of them cannot be."""
        await self._others.start()
        await self._claimant.start()
        self._tell_company()
        self._tell_counts()
        self._tell(messages.Ready())
        asyncio.get_running_loop().call_later(SECOND, self._show_life)

    async def run(self) -> None:
        """Carries out what it is told, until it is told to stop, or nobody is there any more. Then the addresses go to others."""
        while (data := await self._talk.receive()) is not None:
            self._unheard = 0
            match messages.to_wire(data):
                case messages.Change() as change:
                    self._claimant.change(messages.l2_change(change))
                case messages.Peers(peers):
                    self._others.set_peers({name: addresses.parse_address(text) for name, text in peers.items()})
                case messages.LogLevel(level):
                    logs.set_level(logs.Level(level))
                case messages.Alive():
                    pass
                case messages.Stop():
                    break
                case unknown:
                    assert_never(unknown)
            await asyncio.sleep(0)  # requests that came meanwhile
        await self._hand_over()

    async def stop(self) -> None:
        """Closes everything."""
        if self._telling is not None:
            self._telling.cancel()
        await self._claimant.stop()
        await self._others.stop()
        await self._talk.flushed()
        self._talk.close()

    async def _hand_over(self) -> None:
        """Heirs are found while we still answer: for thousands of addresses that takes longer than clients shall wait."""
        heirs: dict[str, list[addresses.Address]] = {}
        known = [each for address in self._claimant.held() if (each := self._claimant.entry(address)) is not None]
        for at in range(0, len(known), messages.LOT):
            found = precedence.heirs(known[at : at + messages.LOT], self._node, self._others.gone())
            for name, given in found.items():
                heirs.setdefault(name, []).extend(given)
            await asyncio.sleep(0)
        held = self._claimant.release()  # what was lost meanwhile is not ours to give
        await self._others.hand_over({name: tuple(each for each in heirs[name] if each in held) for name in heirs})

    # Who is who

    def _standing(self, address: addresses.Address, mac: links.Mac) -> links.Standing:
        if not self._others.is_watching:
            return links.Standing.UNKNOWN
        node = self._others.node_of(mac)
        if node is None:
            return links.Standing.STRANGER
        entry = self._claimant.entry(address)
        is_before = entry is not None and precedence.precedes(entry, node, self._node)
        return links.Standing.BEFORE_US if is_before else links.Standing.BEHIND_US

    # What happens

    def _tell(self, message: messages.FromWire) -> None:
        self._talk.send(messages.encode(message))

    def _taken(self, won: tuple[addresses.Address, ...]) -> None:
        since = self._others.since_loss(TAKEOVER_SECONDS)
        if since is not None and won:
            self._tell(messages.TookOver(len(won), since))

    def _moved(self, interfaces: Iterable[links.Interface]) -> None:
        found = tuple(interfaces)
        self._others.say_interfaces(found)
        names = frozenset(each.name for each in found)
        if names != self._names:
            self._names = names
            self._tell(messages.Interfaces(tuple(sorted(names))))

    def _others_changed(self) -> None:
        self._tell_company()
        self._claimant.members_changed()

    def _tell_company(self) -> None:
        if self._others.is_watching:
            self._tell(messages.company(self._others.live(), self._others.gone()))

    def _tell_rivals(self) -> None:
        found = self._claimant.rivals()
        if found != self._rivals:
            self._rivals = found
            self._tell(messages.rivals(found))

    def _tell_counts(self) -> None:
        """One lot of addresses at a time: counts are for people, questions come first."""
        self._telling = asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell_counts)
        if self._unheard >= self._patience:
            return  # nobody reads it
        self._tell_rivals()  # claims are counted all the time, and rivals go
        before, self._counted = self._counted, messages.counted(self._claimant.fresh_counts(messages.LOT))
        if self._counted != before:
            self._tell(self._counted)
        gossip = self._others.measured()
        if gossip != self._gossip:
            self._gossip = gossip
            self._tell(gossip)
        if len(self._counted.rows) == messages.LOT:
            self._telling.cancel()
            self._telling = asyncio.get_running_loop().call_later(MORE_SECONDS, self._tell_counts)

    def _show_life(self) -> None:
        """And counts silence, in seconds that this process ran: a machine that stood still has nobody to blame."""
        self._tell(messages.Alive())
        self._unheard += 1
        if self._unheard < self._patience or not self._others.is_watching:  # without others nobody else would answer
            asyncio.get_running_loop().call_later(SECOND, self._show_life)
            return
        _log.error("the planning process hangs; other speakers shall answer", seconds=self._unheard)
        self._talk.abort()  # it reads nothing any more, so that nothing may wait until it does


def _membership(chosen: settings.Settings) -> membership.Membership | None:
    if not chosen.has_membership:
        return None
    endpoint = (chosen.ml_bindaddr, chosen.ml_bindport)
    return membership.Membership(chosen.node_name, endpoint, Path(chosen.ml_secret_key_path), chosen.timing)


def _exclusion(path: Path) -> exclusion.Exclusion:
    return exclusion.parse(path.read_text(encoding="utf-8")) if path.exists() else exclusion.Exclusion()
