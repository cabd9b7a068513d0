"""Who comes before whom for one entry: as the election says for the Service's first address."""

import ipaddress
import itertools

from speaker import values
from speaker.core import election, precedence

A, B = ipaddress.ip_address("10.99.0.200"), ipaddress.ip_address("fd00:99::200")
NODES = frozenset({"n1", "n2", "n3", "n4"})


def test_the_order_is_that_of_the_address_that_elects_and_of_preferences():
    for entry, elects in (
        (values.L2Entry(A, candidates=NODES), A),
        (values.L2Entry(B, candidates=NODES, elected=A), A),
        (values.L2Entry(B, candidates=NODES, scores=(("n3", 5),)), B),
    ):
        wanted = election.order(NODES, elects, dict(entry.scores))
        for first, second in itertools.combinations(wanted, 2):
            assert precedence.precedes(entry, first, second)
            assert not precedence.precedes(entry, second, first)
        for node in NODES:
            heir = next(each for each in wanted if each != node)
            assert precedence.heirs([entry], node) == {heir: (entry.address,)}


def test_who_went_since_the_plan_was_made_gets_nothing():
    entry = values.L2Entry(A, candidates=NODES)
    first, second, *_ = (node for node in election.order(NODES, A, {}) if node != "n1")
    assert precedence.heirs([entry], "n1", frozenset({first})) == {second: (A,)}
    assert precedence.heirs([entry], "n1", NODES) == {}


def test_both_families_of_a_service_go_to_one_heir_and_nobody_gets_what_nobody_can_have():
    both = [values.L2Entry(A, candidates=NODES), values.L2Entry(B, candidates=NODES, elected=A)]
    (given,) = precedence.heirs(both, "n1").values()
    assert given == (A, B)
    assert precedence.heirs([values.L2Entry(A, candidates=frozenset({"n1"}))], "n1") == {}
