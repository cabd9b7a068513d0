"""Links, addresses and neighbor entries of the kernel through pyroute2, followed by events; nothing is polled.

Used by `speaker.boundary.layer2` through the port `Links`. Changes nothing in the kernel and needs no capability.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import pyroute2
import structlog
from pyroute2.netlink import rtnl

from speaker import exclusion, links
from speaker.boundary import neighbors

_log = structlog.get_logger()

# include/uapi/linux/if.h
_IFF_UP = 0x1
_IFF_BROADCAST = 0x2
_IFF_NOARP = 0x80
_IFF_LOWER_UP = 0x10000
# include/uapi/linux/if_addr.h
_TENTATIVE = 0x40
_DAD_FAILED = 0x08
_OPTIMISTIC = 0x04
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Link:
    """One link message, or the removal of a link."""

    interface: links.Interface
    is_gone: bool


@dataclass(frozen=True, slots=True)
class _LinkLocal:
    """One link-local address on an interface, or its removal; `is_usable` is false until it passed detection."""

    index: int
    address: ipaddress.IPv6Address
    is_usable: bool


def decode_link(message: Any) -> _Link | None:
    """A link message of pyroute2 as a value; None when it is not about a link as such.

    Bridges speak about their ports in link messages of their own family, where "deleted" means "left the bridge".
    """
    if message["family"] != socket.AF_UNSPEC:
        return None
    flags = int(message["flags"])
    try:
        mac = links.parse_mac(message.get_attr("IFLA_ADDRESS") or "")
    except ValueError:
        mac = None
    interface = links.Interface(
        index=int(message["index"]),
        name=str(message.get_attr("IFLA_IFNAME") or ""),
        mac=None if mac == links.UNSPECIFIED else mac,
        is_up=bool(flags & _IFF_UP),
        has_carrier=bool(flags & _IFF_LOWER_UP),
        has_broadcast=bool(flags & _IFF_BROADCAST),
        is_noarp=bool(flags & _IFF_NOARP),
        master=message.get_attr("IFLA_MASTER") or None,
    )
    return _Link(interface, message["header"]["type"] == rtnl.RTM_DELLINK)


def decode_address(message: Any) -> _LinkLocal | None:
    """An address message of pyroute2 as a value; None unless it is about an IPv6 link-local address."""
    if message["family"] != socket.AF_INET6:
        return None
    address = ipaddress.IPv6Address(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS"))
    if not address.is_link_local:
        return None
    flags = int(message.get_attr("IFA_FLAGS") or message["flags"])
    is_tentative = bool(flags & _TENTATIVE) and not flags & _OPTIMISTIC
    is_usable = message["header"]["type"] == rtnl.RTM_NEWADDR and not is_tentative and not flags & _DAD_FAILED
    return _LinkLocal(int(message["index"]), address, is_usable)


class _Picture:
    """Links and link-local addresses as the messages left them, put together into interfaces."""

    def __init__(self, excluded: exclusion.Exclusion) -> None:
        self._excluded = excluded
        self._links: dict[int, links.Interface] = {}
        self._link_locals: dict[int, set[ipaddress.IPv6Address]] = {}

    def take(self, message: Any) -> None:
        """Takes one message of any type; those about something else change nothing."""
        match message["header"]["type"]:
            case rtnl.RTM_NEWLINK | rtnl.RTM_DELLINK:
                self._take_link(decode_link(message))
            case rtnl.RTM_NEWADDR | rtnl.RTM_DELADDR:
                self._take_address(decode_address(message))
            case _:
                return

    def _take_link(self, link: _Link | None) -> None:
        if link is None:
            return
        index = link.interface.index
        if link.is_gone:
            self._link_locals.pop(index, None)
        if link.is_gone or self._excluded.matches(link.interface.name):  # a rename can exclude, too
            self._links.pop(index, None)
        else:
            self._links[index] = link.interface

    def _take_address(self, found: _LinkLocal | None) -> None:
        if found is None:
            return
        if found.is_usable:
            self._link_locals.setdefault(found.index, set()).add(found.address)
        else:
            self._link_locals.get(found.index, set()).discard(found.address)

    def interfaces(self) -> Mapping[int, links.Interface]:
        """All that are not excluded, by index in ascending order; of several link-local addresses the smallest is used."""
        return MappingProxyType(
            {
                index: replace(link, link_local=min(self._link_locals.get(index, ()), default=None))
                for index, link in sorted(self._links.items())
            }
        )


class KernelLinks:
    """`ports.Links` on the network namespace of this process."""

    def __init__(self, excluded: exclusion.Exclusion) -> None:
        self._excluded = excluded
        self._interfaces: Mapping[int, links.Interface] = MappingProxyType({})
        self._events: Any = None
        self._task: asyncio.Task[None] | None = None
        self.restarts = 0

    async def start(self, changed: Callable[[], None]) -> None:
        """See `ports.Links`."""
        self._events, picture = await self._listed()
        self._interfaces = picture.interfaces()
        self._task = asyncio.create_task(self._follow(picture, changed), name="netlink events")

    async def _listed(self) -> tuple[Any, _Picture]:
        """A socket that already receives events, and the picture listed after it was opened: nothing falls between."""
        events = pyroute2.AsyncIPRoute()
        try:
            await events.bind(groups=rtnl.RTMGRP_LINK | rtnl.RTMGRP_IPV6_IFADDR)
            picture = _Picture(self._excluded)
            async with pyroute2.AsyncIPRoute() as query:
                async for message in await query.get_links():
                    picture.take(message)
                async for message in await query.get_addr(family=socket.AF_INET6):
                    picture.take(message)
        except BaseException:
            events.close()
            raise
        return events, picture

    async def _follow(self, picture: _Picture, changed: Callable[[], None]) -> None:
        """Runs until cancelled. When the kernel dropped events (a full socket), everything is listed anew."""
        while True:
            try:
                self._publish(picture, changed)
                async for message in self._events.get():
                    picture.take(message)
            except Exception as error:
                _log.warning("netlink events were lost; listing all interfaces anew", error=repr(error))
                picture = await self._relisted()

    async def _relisted(self) -> _Picture:
        self._events.close()
        while True:
            self.restarts += 1
            try:
                self._events, picture = await self._listed()
            except Exception as error:
                _log.warning("interfaces cannot be listed; trying again", seconds=_RETRY_SECONDS, error=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return picture

    def _publish(self, picture: _Picture, changed: Callable[[], None]) -> None:
        found = picture.interfaces()
        if found != self._interfaces:
            self._interfaces = found
            changed()

    def interfaces(self) -> Mapping[int, links.Interface]:
        """See `ports.Links`."""
        return self._interfaces

    async def neighbors(self, interface: int) -> tuple[links.Neighbor, ...]:
        """See `ports.Links`. One dump of the table; only stations in use or recently confirmed."""
        try:
            return await neighbors.known(interface)
        except OSError as error:  # unicast hints are dispensable
            _log.warning("neighbor table cannot be read", interface=interface, error=str(error))
            return ()

    async def stop(self) -> None:
        """See `ports.Links`."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._events is not None:  # here and not in the task, which may be cancelled before its first step
            self._events.close()
            self._events = None
