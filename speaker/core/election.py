"""The one owner of an address among the candidates. Stateless: every node computes the same answer from the same names.

Called by `speaker.core.l2_plan`. Must stay bit-compatible with other speakers on the same segment: the order is by descending
preference, then by the SHA-256 digest of `<node>#<address>`, where address is the canonical text of the first ingress address.
"""

import hashlib
from collections.abc import Iterable, Mapping

from frr_adapter import addresses


def digest(node: str, address: addresses.Address) -> bytes:
    """The rank of a node for an address: the smallest digest wins."""
    return _digest(node, str(address))


def _digest(node: str, text: str) -> bytes:
    return hashlib.sha256(f"{node}#{text}".encode()).digest()


def order(candidates: Iterable[str], address: addresses.Address, scores: Mapping[str, int]) -> tuple[str, ...]:
    """Candidates with the owner first, whatever order they came in; a node without a score has 0."""
    text = str(address)  # once: it takes longer than the digest
    return tuple(sorted(candidates, key=lambda node: (-scores.get(node, 0), _digest(node, text))))


def is_owner(node: str, candidates: Iterable[str], address: addresses.Address, scores: Mapping[str, int]) -> bool:
    """Whether `node` is first in `order`. Stops at the first better candidate, so losing costs a few digests only.

    The caller has checked that the node is a candidate.
    """
    own_score = scores.get(node, 0)
    text = str(address)
    own_digest = _digest(node, text)
    for candidate in candidates:
        if candidate == node:
            continue
        score = scores.get(candidate, 0)
        if score > own_score or (score == own_score and _digest(candidate, text) < own_digest):
            return False
    return True


def rank(node: str, address: addresses.Address, scores: Mapping[str, int]) -> tuple[int, bytes]:
    """What `order` orders by."""
    return (-scores.get(node, 0), digest(node, address))


def precedes(other: str, node: str, address: addresses.Address, scores: Mapping[str, int]) -> bool:
    """Whether `other` comes before `node` in `order`, were both candidates."""
    return rank(other, address, scores) < rank(node, address, scores)
