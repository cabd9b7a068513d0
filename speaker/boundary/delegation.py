"""Leaves answering to the kernel where it works: keeps its proxy entries equal to what this node holds, and knows which are in place.

Used by `speaker.boundary.layer2`, which tells every change before it announces anything, and asks before it answers. Without
`ports.Proxies` (the default) it does nothing. It must never leave an entry for an address that this node does not hold, and never
let an address go unanswered because an entry or a sysctl vanished: each question is a reason to look, once a second.
"""

import asyncio
import ipaddress
from collections.abc import Mapping
from types import MappingProxyType

from frr_adapter import addresses
from frr_adapter.boundary import logs
from speaker import links
from speaker.boundary import ports

_log = logs.get_logger()

_LOOK_SECONDS = 0.5
"""A question about an address makes us look after its entry unless that was done so short a time ago. Clients ask again after 1 s."""

_RETRY_SECONDS = 1.0
"""Wait before a change that the kernel refused is tried again."""

_NOTHING: frozenset[links.Target] = frozenset()


def clear(proxies: ports.Proxies) -> None:
    """Removes all entries that are ours. To be called before anything else: a killed speaker leaves them, and the kernel answers on."""
    try:
        proxies.keep(_NOTHING)
    except OSError as error:
        _log.warning("neighbor proxies of an earlier speaker may be left and cannot be removed", error=str(error))


class Delegation:
    """All methods belong to one event loop and take effect before they return."""

    def __init__(self, proxies: ports.Proxies | None, rules: ports.Layer2Rules) -> None:
        self._proxies = proxies
        self._rules = rules
        self._table: links.Table = MappingProxyType({})
        self._interfaces: Mapping[int, links.Interface] = MappingProxyType({})
        self._answering: Mapping[int, links.Answering] = MappingProxyType({})
        self._routes: Mapping[addresses.Address, int | None] = MappingProxyType({})
        self._in_place = _NOTHING
        self._is_unsure = True  # an earlier speaker may have left entries
        self._reasons: frozenset[links.RawBecause] = frozenset()
        self._looked: dict[links.Target, float] = {}
        self._retry: asyncio.TimerHandle | None = None

    def settle(self, table: links.Table, interfaces: Mapping[int, links.Interface]) -> None:
        """These addresses are held and these interfaces are there from now on."""
        if self._proxies is None:
            return
        self._table, self._interfaces = table, interfaces
        self._cancel()
        wanted = self._chosen(self._proxies)
        if not (wanted or self._in_place or self._is_unsure):
            return
        self._looked = {target: at for target, at in self._looked.items() if target in wanted}
        try:
            self._in_place = self._proxies.keep(wanted)
            self._is_unsure = False
        except OSError as error:
            self._is_unsure = True
            self._in_place = wanted & self._in_place
            _log.warning("neighbor proxies cannot be changed; trying again", error=str(error), seconds=_RETRY_SECONDS)
            self._retry = asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._again)

    def answers(self, target: links.Target, question: bytes) -> bool:
        """Whether the kernel answers this question, so that nobody else may."""
        if target not in self._in_place or self._proxies is None:
            return False
        if self._rules.is_left_to_us(question, self._answering[target.interface]):
            return False
        now = asyncio.get_running_loop().time()
        if now - self._looked.get(target, now - _LOOK_SECONDS) < _LOOK_SECONDS:
            return True
        self._looked[target] = now
        if self._is_still_so(self._proxies, target):
            return True
        _log.warning("a neighbor proxy was removed or no longer answers", ip=str(target.address))
        self._again()
        return False

    def stop(self) -> None:
        """Removes every entry: nobody would remove it later."""
        self._cancel()
        if self._proxies is not None and (self._in_place or self._is_unsure):
            self._in_place = _NOTHING
            clear(self._proxies)

    def _again(self) -> None:
        self.settle(self._table, self._interfaces)

    def _cancel(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _chosen(self, proxies: ports.Proxies) -> frozenset[links.Target]:
        if not self._table:
            return _NOTHING
        self._answering = {
            index: proxies.answering(interface) for index, interface in self._interfaces.items() if interface.is_served
        }
        is_routed = any(each.forwards_ipv4 for each in self._answering.values())
        four = (address for address in self._table if isinstance(address, ipaddress.IPv4Address))
        self._routes = {address: proxies.leaves_by(address) for address in four} if is_routed else {}
        found = self._rules.delegated(self._table, self._interfaces.values(), self._answering, self._routes)
        for each in sorted(found.raw - self._reasons, key=str):
            _log.info("the kernel does not answer here; raw sockets do", interface=each.interface, why=each.why)
        self._reasons = found.raw
        return found.kernel

    def _is_still_so(self, proxies: ports.Proxies, target: links.Target) -> bool:
        if not proxies.stands(target):
            return False
        if proxies.answering(self._interfaces[target.interface]) != self._answering[target.interface]:
            return False
        address = target.address
        return isinstance(address, ipaddress.IPv6Address) or proxies.leaves_by(address) == self._routes[address]
