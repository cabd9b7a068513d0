"""Asking a segment who holds an address, and hearing who says so: frames <-> claims. Sources: RFC 5227, RFC 4862, RFC 4861.

Called through `speaker.core.layer2`. The questions are such that every speaker answers them that holds the address, and that
another speaker which is about to take it recognizes them as such.
"""

import ipaddress
from collections.abc import Container

from frr_adapter import addresses, errors
from speaker import links
from speaker.core import arp, ndp

_NOBODY = ipaddress.IPv4Address(0)
_UNSPECIFIED = ipaddress.IPv6Address(0)
_ARP = arp.ETHERTYPE.to_bytes(2, "big")


def probe(address: addresses.Address, interface: links.Interface) -> tuple[bytes, ...]:
    """The frames of one question; none where the interface does not serve the family.

    IPv4: an ARP probe (RFC 5227 section 1.1). IPv6: a solicitation that wants an answer, and one from the unspecified address, as in
    duplicate address detection, which tells others that are about to take the address the same thing; holders keep silent about it.
    """
    own = interface.mac
    if own is None or not interface.answers(addresses.family_of(address)):
        return ()
    match address:
        case ipaddress.IPv4Address():
            frame = arp.ArpFrame(links.BROADCAST, own, arp.Operation.REQUEST, own, _NOBODY, links.UNSPECIFIED, address)
            return (arp.encode(frame),)
        case ipaddress.IPv6Address():
            if interface.link_local is None:
                return ()
            group = ndp.solicited_node_group(address)
            to = ndp.group_mac(group)
            return (
                ndp.encode(ndp.Solicitation(to, own, interface.link_local, group, address, own)),
                ndp.encode(ndp.Solicitation(to, own, _UNSPECIFIED, group, address)),
            )


def heard(frame: bytes, own: Container[links.Mac]) -> links.Heard | None:
    """What the frame claims about an address; None when it claims nothing, comes from ourselves (`own` are all our link-layer
    addresses), or is not well-formed. Never raises.
    """
    try:
        found = _arp(arp.decode(frame)) if frame[12:14] == _ARP else _ndp(ndp.decode(frame))
    except errors.FrameError:
        return None
    return None if found is None or found.mac in own else found


def _arp(frame: arp.ArpFrame) -> links.Heard | None:
    if frame.sender_address != _NOBODY:
        return links.Heard(frame.sender_address, links.Claim.ANSWER, frame.sender_mac)
    if frame.operation is arp.Operation.REQUEST:
        return links.Heard(frame.target_address, links.Claim.PROBE, frame.sender_mac)
    return None


def _ndp(message: ndp.Message) -> links.Heard | None:
    match message:
        case ndp.Advertisement():
            return links.Heard(message.target, links.Claim.ANSWER, message.target_link_layer or message.source)
        case ndp.Solicitation(sender=sender) if sender == _UNSPECIFIED:
            return links.Heard(message.target, links.Claim.PROBE, message.source)
        case ndp.Solicitation():
            return links.Heard(message.sender, links.Claim.ANSWER, message.source_link_layer or message.source)
