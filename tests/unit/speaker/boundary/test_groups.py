"""Which multicast groups are joined while addresses and interfaces come and go."""

import dataclasses
import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from speaker import links, values
from speaker.boundary import groups
from speaker.core import gratuitous, layer2
from tests.fakes import frames

V6 = ipaddress.IPv6Address
ETH0, ETH1 = (
    links.Interface(
        2 + number, f"eth{number}", mac=links.parse_mac(f"02:00:00:00:00:0{number}"), link_local=V6("fe80::1")
    )
    for number in range(2)
)
C6, D6, SAME_GROUP = V6("fd00:99::200"), V6("fd00:99::201"), V6("fd00:98::200")
A = ipaddress.IPv4Address("10.99.0.200")


def made(*interfaces: links.Interface) -> tuple[groups.Groups, frames.MemoryWire]:
    wire = frames.MemoryWire()
    found = groups.Groups(wire, layer2.Rules())
    found.interfaces_changed(interfaces)
    return found, wire


def settle(found: groups.Groups) -> int:
    """Steps until nothing is left to do."""
    steps = 0
    while found.step():
        steps += 1
    return steps


def test_a_group_is_joined_at_once_and_left_with_its_last_address():
    found, wire = made(ETH0, ETH1)
    assert found.listen(values.L2Entry(A)) == 0
    assert found.listen(values.L2Entry(C6)) > found.listen(values.L2Entry(SAME_GROUP)) == 0
    assert {each.interface for each in wire.joined} == {2, 3}
    found.forget(C6)
    settle(found)
    assert len(wire.joined) == 2
    found.forget(SAME_GROUP)
    settle(found)
    assert wire.joined == set()


def test_the_same_entry_again_is_no_work():
    found, wire = made(ETH0)
    entry = values.L2Entry(C6)
    found.listen_soon(entry)
    assert wire.joined == set()
    assert settle(found) == 1
    found.listen(entry)
    found.listen_soon(entry)
    assert settle(found) == 0
    assert wire.joins == 1


def test_what_failed_is_tried_again_when_an_interface_changes():
    found, wire = made(ETH0)
    wire.gone.add(2)
    found.listen(values.L2Entry(C6))
    assert wire.joined == set()
    wire.gone.clear()
    found.interfaces_changed([ETH0])
    settle(found)
    assert {each.interface for each in wire.joined} == {2}


def test_an_interface_that_is_back_before_its_groups_were_left_has_them_again():
    """The kernel forgets memberships together with an interface."""
    found, wire = made(ETH0)
    found.listen(values.L2Entry(C6))
    found.interfaces_changed([])
    wire.joined.clear()
    found.interfaces_changed([ETH0])
    settle(found)
    assert wire.joins == 2
    assert {each.interface for each in wire.joined} == {2}


entries = st.builds(
    values.L2Entry, st.sampled_from([A, C6, D6, SAME_GROUP]), st.sampled_from([frozenset(), frozenset({"eth1"})])
)
interfaces = st.lists(
    st.sampled_from([ETH0, ETH1, dataclasses.replace(ETH1, name="eth9")]), unique_by=lambda each: each.index
)
changes = st.one_of(entries, st.sampled_from([A, C6, D6, SAME_GROUP]), interfaces, st.integers(1, 3))


@given(st.lists(changes, max_size=20), st.booleans())
def test_whatever_happens_the_groups_are_those_of_what_is_wanted(happened, is_soon):
    found, wire = made(ETH0)
    wanted, present = {}, [ETH0]
    for each in happened:
        match each:
            case values.L2Entry():
                wanted[each.address] = each
                (found.listen_soon if is_soon else found.listen)(each)
            case list():
                present = each
                found.interfaces_changed(each)
            case int():
                for _ in range(each):
                    found.step()
            case gone:
                wanted.pop(gone, None)
                found.forget(gone)
    settle(found)
    assert wire.joined == gratuitous.memberships(wanted, present)
    found.close()
    assert wire.joined == set()
