"""A received frame and the table of announced addresses -> the answer, or the named reason for silence.

Called for every ARP request and neighbor solicitation that arrives (through `speaker.core.layer2`). Must never raise, whatever
the bytes are, and must answer only for addresses in the table on interfaces that their entries allow.
"""

import ipaddress

from frr_adapter import addresses, errors
from speaker import links
from speaker.core import arp, ndp

_ETHERTYPE = slice(12, 14)
_ARP = arp.ETHERTYPE.to_bytes(2, "big")
_IPV6 = ndp.ETHERTYPE.to_bytes(2, "big")


def answer(frame: bytes, interface: links.Interface, table: links.Table) -> links.Answer | links.Refused:
    """Decides one frame that arrived on the interface; the answer leaves through the same interface."""
    try:
        match frame[_ETHERTYPE]:
            case kind if kind == _ARP:
                return _answer_arp(arp.decode(frame), interface, table)
            case kind if kind == _IPV6:
                return _answer_ndp(ndp.decode(frame), interface, table)
            case _:
                return links.Refused(links.Refusal.OTHER_PROTOCOL)
    except errors.FrameError:
        return links.Refused(links.Refusal.MALFORMED)


def _refusal(address: addresses.Address, interface: links.Interface, table: links.Table) -> links.Refused | None:
    entry = table.get(address)
    if entry is None:
        return links.Refused(links.Refusal.NOT_ANNOUNCED)
    if not entry.is_on(interface.name):
        return links.Refused(links.Refusal.OTHER_INTERFACE)
    return None


def _answer_arp(request: arp.ArpFrame, interface: links.Interface, table: links.Table) -> links.Answer | links.Refused:
    """Unicast to the requester. Its address is not checked: probes from 0.0.0.0 (RFC 5227) are answered too."""
    own = interface.mac
    if own is None or not interface.answers_arp:
        return links.Refused(links.Refusal.NOT_SERVED)
    if request.operation is not arp.Operation.REQUEST:
        return links.Refused(links.Refusal.NOT_A_REQUEST)
    if request.destination not in (own, links.BROADCAST) or request.sender_mac == own:
        return links.Refused(links.Refusal.NOT_FOR_US)
    refused = _refusal(request.target_address, interface, table)
    if refused is not None:
        return refused
    if request.is_announcement:  # another station announces our address: answering its announcement helps nobody
        return links.Refused(links.Refusal.CLAIMED_BY_OTHER)
    if _is_group(request.sender_mac):  # an answer there would reach the whole segment
        return links.Refused(links.Refusal.MALFORMED)
    reply = arp.ArpFrame(
        destination=request.sender_mac,
        source=own,
        operation=arp.Operation.REPLY,
        sender_mac=own,
        sender_address=request.target_address,
        target_mac=request.sender_mac,
        target_address=request.sender_address,
    )
    return links.Answer(request.target_address, arp.encode(reply))


def _answer_ndp(message: ndp.Message, interface: links.Interface, table: links.Table) -> links.Answer | links.Refused:
    """Solicited, without override and router flag: the answer of a node that speaks for an address it does not hold."""
    own, link_local = interface.mac, interface.link_local
    if own is None or link_local is None or not interface.answers_ndp:
        return links.Refused(links.Refusal.NOT_SERVED)
    if not isinstance(message, ndp.Solicitation):
        return links.Refused(links.Refusal.NOT_A_REQUEST)
    if not (message.destination == own or _is_group(message.destination)) or message.source == own:
        return links.Refused(links.Refusal.NOT_FOR_US)
    refused = _refusal(message.target, interface, table)
    if refused is not None:
        return refused
    link_layer = message.source_link_layer
    if link_layer is None:  # duplicate address detection comes this way; the address is not ours to defend
        return links.Refused(links.Refusal.NO_SOURCE_LINK_LAYER)
    if _is_group(link_layer):
        return links.Refused(links.Refusal.MALFORMED)
    reply = _advertisement(message, own, link_local, link_layer)
    return links.Answer(message.target, ndp.encode(reply))


def _advertisement(
    question: ndp.Solicitation, own: links.Mac, link_local: ipaddress.IPv6Address, link_layer: links.Mac
) -> ndp.Advertisement:
    return ndp.Advertisement(
        destination=link_layer,
        source=own,
        sender=link_local,
        receiver=question.sender,
        target=question.target,
        is_solicited=True,
        target_link_layer=own,
    )


def _is_group(mac: links.Mac) -> bool:
    return bool(mac[0] & 1)
