"""What the two processes tell each other arrives as it was sent."""

import dataclasses
import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from speaker import links, messages, values

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
NAMES = st.text("abcn123-", min_size=1, max_size=8)
ENTRIES = st.builds(
    values.L2Entry,
    ADDRESSES,
    st.frozensets(NAMES, max_size=3),
    st.sampled_from(values.Wish),
    st.frozensets(NAMES, max_size=4),
    st.none() | ADDRESSES,
    st.dictionaries(NAMES, st.integers(-100, 100), max_size=3).map(lambda found: tuple(sorted(found.items()))),
)


def through(message):
    data = messages.encode(message)
    return (messages.to_wire if isinstance(message, messages.ToWire) else messages.from_wire)(data)


@given(st.lists(ADDRESSES, max_size=300), st.lists(ENTRIES, max_size=20), st.integers(1, 20))
def test_a_change_arrives_whole_in_lots(gone, come, times):
    change = values.L2Change(tuple(gone), tuple(come * times))
    lots = [through(message) for message in messages.changes(change)]
    assert all(len(lot.gone) + len(lot.come) <= messages.LOT for lot in lots)
    arrived = [messages.l2_change(lot) for lot in lots]
    assert sum((each.gone for each in arrived), ()) == change.gone
    assert sum((each.come for each in arrived), ()) == change.come


@given(st.lists(ADDRESSES, max_size=5), st.lists(ADDRESSES, max_size=5))
def test_what_is_held(gained, lost):
    message = through(messages.holding(values.Held(tuple(gained), tuple(lost))))
    assert (messages.unpacked(message.gained), messages.unpacked(message.lost)) == (tuple(gained), tuple(lost))


def test_company_rivals_and_everything_else():
    live = {"n1": None, "n2": frozenset({"eth0", "eth1"}), "n3": frozenset()}
    told = through(messages.company(live, {"n5", "n4"}))
    assert (messages.known_live(told), told.gone) == (live, ("n4", "n5"))
    rivals = (
        links.Rival(ipaddress.ip_address("10.99.0.200"), links.parse_mac("02:00:00:00:00:01"), 7),
        links.Rival(ipaddress.ip_address("fd00::1"), links.parse_mac("02:00:00:00:00:02"), 1, is_present=False),
    )
    assert messages.known_rivals(through(messages.rivals(rivals))) == rivals
    for message in (
        messages.Alive(),
        messages.Stop(),
        messages.LogLevel("debug"),
        messages.Peers({"n1": "10.0.0.1"}),
        messages.Failed("no netlink"),
        messages.Ready(),
        messages.TookOver(3, 0.5),
        messages.Interfaces(("eth0",)),
        messages.Gossip(True, 2, 3, 4, 5, 6, 7, {"stranger": 8}),
    ):
        assert through(message) == message


ROWS = st.dictionaries(ADDRESSES, st.tuples(*[st.integers(0, 9)] * 3), max_size=6).map(
    lambda found: tuple(
        links.AddressCounts(address, *found[address])
        for address in sorted(found, key=lambda each: (each.version, int(each)))
    )
)
COUNTS = st.builds(
    links.Counts,
    ROWS,
    st.dictionaries(st.sampled_from(links.Refusal), st.integers(1, 9)).map(lambda found: tuple(sorted(found.items()))),
    st.integers(0, 9),
    st.integers(0, 9),
)


@given(st.lists(COUNTS, min_size=1, max_size=5))
def test_counts_are_told_by_what_changed(looks):
    """Addresses that were counted once are counted for ever."""
    rows, before = {}, links.Counts()
    for look in looks:
        known = {each.address: each for each in (*before.addresses, *look.addresses)}
        after = links.Counts(
            tuple(known[each] for each in sorted(known, key=lambda each: (each.version, int(each)))),
            look.refusals,
            look.send_errors,
            look.netlink_restarts,
        )
        fresh = dataclasses.replace(after, addresses=tuple(set(after.addresses) - set(before.addresses)))
        message = through(messages.counted(fresh))
        told = messages.rows(message)
        assert told == fresh.addresses
        rows.update({each.address: each for each in told})
        assert messages.counts(rows, message) == after
        before = after
