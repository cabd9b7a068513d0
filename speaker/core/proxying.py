"""Which addresses the kernel may answer for by itself, on which interfaces, and which questions it leaves to the raw responder.

Called through `speaker.core.layer2` by `speaker.boundary.delegation`. Only what was measured counts as working (docs/layer2.md): an
entry that the kernel does not answer from would leave an address silent. Sources: net/ipv4/arp.c and net/ipv6/ndisc.c of Linux.
"""

import ipaddress
from collections.abc import Iterable, Mapping

from frr_adapter import addresses, errors
from speaker import links
from speaker.core import arp, ndp

MOST = 1024
"""At most so many entries of one node: the kernel keeps them in lists and walks one for each question and each change."""

_NOBODY = ipaddress.IPv4Address(0)
_ARP = arp.ETHERTYPE.to_bytes(2, "big")


def choose(
    table: links.Table,
    interfaces: Iterable[links.Interface],
    answering: Mapping[int, links.Answering],
    routes: Mapping[addresses.Address, int | None],
) -> links.Delegated:
    """What the kernel answers for, and why the raw responder answers for the rest.

    `answering` is by index of interface, `routes` says through which interface packets to an IPv4 address leave.
    """
    present = tuple(interfaces)
    found: set[links.Target] = set()
    reasons: set[links.RawBecause] = set()
    for address, entry in table.items():
        family = addresses.family_of(address)
        for interface in present:
            if not (interface.answers(family) and entry.is_on(interface.name)):
                continue
            why = why_raw(interface, family, answering.get(interface.index, links.Answering()))
            if why is None and family is addresses.Family.IPV4 and routes.get(address) in (None, interface.index):
                why = "the route to the address does not leave by another interface"
            if why is None:
                found.add(links.Target(interface.index, address))
            else:
                reasons.add(links.RawBecause(interface.name, family, why))
    if len(found) > MOST:
        found = set(
            sorted(found, key=lambda target: (target.address.version, int(target.address), target.interface))[:MOST]
        )
        reasons.add(links.RawBecause("", None, f"the kernel answers for {MOST} addresses at most"))
    return links.Delegated(frozenset(found), frozenset(reasons))


def why_raw(interface: links.Interface, family: addresses.Family, answering: links.Answering) -> str | None:
    """What keeps the kernel from answering for addresses of the family on the interface at once; None when nothing does."""
    name = interface.name
    needed: tuple[tuple[bool, str], ...]
    if family is addresses.Family.IPV4:
        needed = (
            (answering.forwards_ipv4, f"net.ipv4.conf.{name}.forwarding is not 1"),
            (answering.delay_ipv4 == 0, f"net.ipv4.neigh.{name}.proxy_delay is not 0"),
        )
    else:
        needed = (
            (answering.forwards_ipv6, f"net.ipv6.conf.{name}.forwarding is not 1"),
            (answering.proxies_ipv6, f"net.ipv6.conf.{name}.proxy_ndp is not 1"),
            (answering.delay_ipv6 == 0, f"net.ipv6.neigh.{name}.proxy_delay is not 0"),
        )
    return next((why for is_so, why in needed if not is_so), None)


def is_left_to_us(question: bytes, answering: links.Answering) -> bool:
    """Whether the kernel does not answer this question from its entries, though it answers others about the same address.

    IPv4: probes from 0.0.0.0, by which other speakers ask whether the address is free. IPv6: solicitations to the address itself,
    by which clients confirm what they know; the kernel treats them as packets to forward, unless it proxies everywhere.
    """
    try:
        if question[12:14] == _ARP:
            return arp.decode(question).sender_address == _NOBODY
        message = ndp.decode(question)
    except errors.FrameError:
        return True
    is_direct = isinstance(message, ndp.Solicitation) and message.receiver == message.target
    return is_direct and not answering.takes_direct_ipv6
