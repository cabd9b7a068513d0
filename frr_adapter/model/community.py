"""BGP communities as values. Sources: RFC 1997 (standard), RFC 8092 (large)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StandardCommunity:
    """`high:low`, 16 bits each."""

    high: int
    low: int

    @property
    def sort_key(self) -> tuple[int, int, int]:
        """Standard communities count as one 32-bit number before large ones."""
        return (self.high << 16 | self.low, 0, 0)

    def __str__(self) -> str:
        return f"{self.high}:{self.low}"


@dataclass(frozen=True, slots=True)
class LargeCommunity:
    """`global:local1:local2`, 32 bits each."""

    administrator: int
    data1: int
    data2: int

    @property
    def sort_key(self) -> tuple[int, int, int]:
        """Compared number by number."""
        return (self.administrator, self.data1, self.data2)

    def __str__(self) -> str:
        return f"{self.administrator}:{self.data1}:{self.data2}"


Community = StandardCommunity | LargeCommunity


@dataclass(frozen=True, slots=True)
class CommunityAlias:
    """One `name: value` pair of a Community object, not yet parsed."""

    name: str
    value: str


def parse(text: str) -> Community:
    """Parses `a:b` or `large:a:b:c`. Raises ValueError whose text names what was found and what is allowed."""
    parts = text.split(":")
    if len(parts) == 2:
        high, low = (_section(text, part, 0xFFFF) for part in parts)
        return StandardCommunity(high, low)
    if len(parts) == 4:
        if parts[0] != "large":
            raise ValueError(
                f"invalid community value: invalid marker for large community: {text}: expected community to be of format large:a:b:c"
            )
        administrator, data1, data2 = (_section(text, part, 0xFFFFFFFF) for part in parts[1:])
        return LargeCommunity(administrator, data1, data2)
    raise ValueError(f"invalid community format: {text}")


def _section(text: str, part: str, highest: int) -> int:
    if part.isascii() and part.isdigit() and int(part) <= highest:
        return int(part)
    raise ValueError(
        f'invalid community value: invalid section "{part}" of community {text}: 0 to {highest} is allowed'
    )
