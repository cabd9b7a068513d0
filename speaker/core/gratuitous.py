"""Which gratuitous ARP frames and unsolicited neighbor advertisements an address needs, and what makes them due.

Called through `speaker.core.layer2` when the plan or an interface changes. Level-triggered: an unchanged plan on unchanged
interfaces is never due. When they are sent is the business of `speaker.bursts`.
"""

import ipaddress
from collections.abc import Iterable, Mapping

from frr_adapter import addresses
from speaker import links
from speaker.core import arp, ndp

DIRECTED_NEIGHBORS = 64
"""At most so many neighbors of one interface are told about one address by unicast."""

DIRECTED_FRAMES = 2048
"""At most so many unicast frames leave on one interface for one takeover."""


def burst(address: addresses.Address, interface: links.Interface) -> tuple[bytes, ...]:
    """The frames of one burst: two for IPv4, one for IPv6, none where the interface does not announce the family.

    IPv4: the reply form with the own address as target hardware address, and the request form with an empty one. Linux takes
    both at once; it ignores a reply whose target hardware address is broadcast for a second after an entry was confirmed.
    IPv6: to all nodes, with override, not solicited (RFC 4861 section 7.2.6).
    """
    match address:
        case ipaddress.IPv4Address():
            if interface.mac is None or not interface.answers_arp:
                return ()
            return (
                arp.encode(_arp(address, interface.mac, links.BROADCAST, arp.Operation.REPLY, interface.mac)),
                arp.encode(_arp(address, interface.mac, links.BROADCAST, arp.Operation.REQUEST, links.UNSPECIFIED)),
            )
        case ipaddress.IPv6Address():
            return _advertisement(address, interface, ndp.ALL_NODES, ndp.group_mac(ndp.ALL_NODES))


def receivers(
    count: int, interface: links.Interface, neighbors: Iterable[links.Neighbor]
) -> Mapping[addresses.Family, tuple[links.Neighbor, ...]]:
    """Who is told by unicast about each of so many addresses: the most recently used neighbors of its family.

    For segments that lose or limit broadcasts: whoever this node has spoken with learns of the takeover anyway. Bounded by
    `DIRECTED_NEIGHBORS` per address and `DIRECTED_FRAMES` in all.
    """
    own = interface.mac
    share = min(DIRECTED_NEIGHBORS, DIRECTED_FRAMES // max(count, 1))
    if own is None or not share:
        return dict.fromkeys(addresses.Family, ())
    known = sorted(
        (neighbor for neighbor in neighbors if neighbor.mac != own and not neighbor.mac[0] & 1),
        key=lambda neighbor: (neighbor.age, neighbor.address.version, int(neighbor.address)),
    )
    return {
        family: tuple(neighbor for neighbor in known if neighbor.address.version == family)[:share]
        for family in addresses.Family
    }


def directed(address: addresses.Address, interface: links.Interface, neighbor: links.Neighbor) -> tuple[bytes, ...]:
    """The announcement by unicast to one neighbor; none where it is of the other family or the interface does not announce this one."""
    match address, neighbor.address:
        case ipaddress.IPv4Address(), ipaddress.IPv4Address():
            if interface.mac is None or not interface.answers_arp:
                return ()
            return (arp.encode(_arp(address, interface.mac, neighbor.mac, arp.Operation.REPLY, interface.mac)),)
        case ipaddress.IPv6Address(), ipaddress.IPv6Address() as receiver:
            return _advertisement(address, interface, receiver, neighbor.mac)
        case _:
            return ()


def gained_by_plan(
    old: links.Table, new: links.Table, interfaces: Iterable[links.Interface]
) -> frozenset[links.Target]:
    """What the new table announces and the old one did not, on the interfaces that are there. Parts of tables will do."""
    present = tuple(interfaces)
    return frozenset(
        links.Target(interface.index, address)
        for address, entry in new.items()
        if (before := old.get(address)) is not entry and before != entry
        for interface in present
        if interface.answers(addresses.family_of(address))
        and entry.is_on(interface.name)
        and not (before is not None and before.is_on(interface.name))
    )


def gained_by_interface(
    old: links.Interface | None, new: links.Interface, table: links.Table
) -> frozenset[links.Target]:
    """What must be announced on an interface because it appeared, or its name, its link-layer address or its carrier changed."""
    if not new.has_carrier:
        return frozenset()
    is_same = old is not None and old.has_carrier and (old.mac, old.name) == (new.mac, new.name)
    return frozenset(
        links.Target(new.index, address)
        for address, entry in table.items()
        if new.answers(family := addresses.family_of(address))
        and entry.is_on(new.name)
        and not (is_same and old is not None and old.answers(family))
    )


def memberships(table: links.Table, interfaces: Iterable[links.Interface]) -> frozenset[links.Membership]:
    """The solicited-node groups in which the interfaces must listen, so that switches deliver the solicitations."""
    present = tuple(interface for interface in interfaces if interface.answers_ndp)
    return frozenset(
        links.Membership(interface.index, ndp.solicited_node_group(address))
        for address, entry in table.items()
        if isinstance(address, ipaddress.IPv6Address)
        for interface in present
        if entry.is_on(interface.name)
    )


def _arp(
    address: ipaddress.IPv4Address, own: links.Mac, to: links.Mac, operation: arp.Operation, target_mac: links.Mac
) -> arp.ArpFrame:
    return arp.ArpFrame(to, own, operation, own, address, target_mac, address)


def _advertisement(
    address: ipaddress.IPv6Address, interface: links.Interface, receiver: ipaddress.IPv6Address, to: links.Mac
) -> tuple[bytes, ...]:
    if interface.mac is None or interface.link_local is None or not interface.answers_ndp:
        return ()
    advertisement = ndp.Advertisement(
        destination=to,
        source=interface.mac,
        sender=interface.link_local,
        receiver=receiver,
        target=address,
        is_override=True,
        target_link_layer=interface.mac,
    )
    return (ndp.encode(advertisement),)
