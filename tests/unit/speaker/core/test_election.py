"""The vectors are shared with other speakers of the same segment: they may never change."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frr_adapter import addresses
from speaker.core import election

ORDERS = [
    ("L80 none", (), "10.0.0.1", {}, ()),
    ("L81 one", ("node-a",), "10.0.0.1", {}, ("node-a",)),
    ("L82", ("node-a", "node-b", "node-c"), "10.0.0.1", {}, ("node-b", "node-a", "node-c")),
    ("L83", ("node-a", "node-b", "node-c"), "10.0.0.2", {}, ("node-b", "node-c", "node-a")),
    (
        "L84",
        ("edge-a", "edge-b", "worker-a", "worker-b"),
        "10.20.30.1",
        {"edge-a": 100},
        ("edge-a", "edge-b", "worker-a", "worker-b"),
    ),
    ("L85", ("node-a", "node-b"), "10.20.30.1", {"node-a": 100, "node-b": 100}, ("node-b", "node-a")),
    (
        "L86",
        ("edge-a", "edge-b", "worker-a"),
        "10.20.30.1",
        {"edge-a": 100, "edge-b": 100},
        ("edge-b", "edge-a", "worker-a"),
    ),
    ("iris .1", ("iris1", "iris2"), "10.20.30.1", {}, ("iris2", "iris1")),
    ("iris .2", ("iris1", "iris2"), "10.20.30.2", {}, ("iris1", "iris2")),
    ("edges", ("edge-a", "edge-b"), "10.20.30.1", {}, ("edge-b", "edge-a")),
    ("workers", ("worker-a", "worker-b"), "10.20.30.1", {}, ("worker-a", "worker-b")),
    ("v4", ("node1", "node2", "node3"), "192.168.1.240", {}, ("node3", "node1", "node2")),
    ("v6 ULA", ("node1", "node2", "node3"), "fc00::1", {}, ("node3", "node1", "node2")),
    ("v6", ("node1", "node2", "node3"), "2001:db8::10", {}, ("node1", "node2", "node3")),
]


@pytest.mark.parametrize(
    ("candidates", "ip", "scores", "expected"), [row[1:] for row in ORDERS], ids=[r[0] for r in ORDERS]
)
def test_order_for_every_input_order(candidates, ip, scores, expected):
    address = addresses.parse_address(ip)
    for permutation in itertools.permutations(candidates):
        assert election.order(permutation, address, scores) == expected
        winners = [node for node in candidates if election.is_owner(node, permutation, address, scores)]
        assert winners == list(expected[:1])


def test_digest_is_sha256_of_name_and_canonical_text():
    assert election.digest("node1", addresses.parse_address("192.168.1.240"))[:8].hex() == "bee60cd4c62ee63e"
    long_form = addresses.parse_address("FC00:0:0:0:0:0:0:1")
    assert election.digest("node1", long_form) == election.digest("node1", addresses.parse_address("fc00::1"))


NAMES = st.lists(st.text("abcn-123", min_size=1, max_size=6), min_size=1, max_size=8, unique=True)
IPS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(NAMES, IPS, st.dictionaries(st.text("abcn-123", min_size=1, max_size=6), st.integers(0, 3)), st.randoms())
def test_exactly_one_owner_whatever_the_order_and_all_agree(names, ip, scores, random):
    owners = []
    for node in names:
        random.shuffle(shuffled := list(names))
        if election.is_owner(node, shuffled, ip, scores):
            owners.append(node)
        assert election.order(shuffled, ip, scores)[0] == election.order(names, ip, scores)[0]
    assert owners == [election.order(names, ip, scores)[0]]


@given(NAMES, IPS)
def test_a_loser_that_leaves_moves_nothing(names, ip):
    first, *others = election.order(names, ip, {})
    for gone in others:
        assert election.order([name for name in names if name != gone], ip, {})[0] == first
