"""Which prefix of a change can tell when neighbors hear of it, and what bgpd says about that prefix. Pure.

Called by `speaker.boundary.measuring`.
"""

import bisect
import ipaddress
from dataclasses import dataclass

import msgspec

from frr_adapter import addresses
from frr_adapter.frr import config, show

_LINES = 500
"""A change of thousands of prefixes is not searched to its end."""


@dataclass(frozen=True, slots=True)
class NewPrefix:
    """A prefix that a change brought; `family` is `ipv4` or `ipv6`."""

    vrf: str
    family: str
    prefix: addresses.Network

    @property
    def question(self) -> str:
        """To bgpd."""
        vrf = "" if self.vrf == show.DEFAULT_VRF else f"vrf {self.vrf} "
        return f"show bgp {vrf}{self.family} unicast {self.prefix} json"


def new_prefix(before: config.FrrConfig, lines: tuple[str, ...]) -> NewPrefix | None:
    """The first of the lines of an `ApplyReport` that originates what `before` did not; None when there is none.

    A prefix that only moved between classes says nothing: its neighbors were told of it long ago. Nor do lines of the user's own that
    spell a prefix otherwise than FRR prints it.
    """
    for line in lines[:_LINES]:
        router, _, rest = line.partition(" / ")
        block, _, statement = rest.partition(" / ")
        words = statement.split()
        if words[:1] != ["network"] or not block.startswith("address-family "):
            continue
        where = router.split()  # router bgp ASN [vrf NAME]
        prefix = _prefix(words[1:])
        if prefix is None:
            continue
        found = NewPrefix(where[4] if len(where) > 4 else show.DEFAULT_VRF, block.split()[1], prefix)
        if not _is_originated(before, found):
            return found
    return None


def _prefix(words: list[str]) -> addresses.Network | None:
    try:
        return ipaddress.ip_network(words[0]) if words else None
    except ValueError:
        return None


def _is_originated(settings: config.FrrConfig, item: NewPrefix) -> bool:
    for router in settings.routers:
        for family in router.families:
            if ((router.vrf or show.DEFAULT_VRF), family.name) != (item.vrf, item.family):
                continue
            # Thousands of prefixes, in order.
            place = bisect.bisect_left(family.originations, item.prefix, key=lambda each: each.prefix)
            if any(each.prefix == item.prefix for each in family.originations[place : place + 1]):
                return True
    return False


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    advertised_to: dict[str, msgspec.Raw] = {}


def neighbors(text: str) -> tuple[str, ...]:
    """Whom bgpd has told the prefix, sorted; from the answer to `NewPrefix.question`. ValueError for text of another shape."""
    return tuple(sorted(msgspec.json.decode(text, type=_Answer).advertised_to))
