import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from speaker import bursts, links


def target(last: int, interface: int = 2) -> links.Target:
    return links.Target(interface, ipaddress.IPv4Address(f"10.99.0.{last}"))


def due(under_way: bursts.Bursts, now: float) -> list[links.Target]:
    """Everything that is due."""
    found = []
    while (one := under_way.next(now)) is not None:
        found.append(one)
    return found


def run(under_way: bursts.Bursts, until: float) -> list[tuple[float, list[links.Target]]]:
    """Sends whatever is due exactly when it is due."""
    sent = []
    while (now := under_way.next_at) is not None and now <= until:
        if found := due(under_way, now):
            sent.append((round(now, 3), found))
    return sent


def started(*starts: tuple[float, links.Target]) -> bursts.Bursts:
    made = bursts.Bursts()
    for now, one in starts:
        made.start([one], now)
    return made


def test_five_bursts_in_five_seconds():
    both = [target(1), target(2)]
    under_way = started((100.0, target(1)), (100.0, target(2)))
    assert run(under_way, 1000.0) == [(100.0, both), (101.1, both), (102.2, both), (103.3, both), (104.4, both)]


def test_nothing_started_is_never_due():
    under_way = bursts.Bursts()
    under_way.start([], 1.0)
    assert under_way.next_at is None
    assert under_way.next(5.0) is None


def test_a_target_taken_over_again_starts_again():
    under_way = started((0.0, target(1)), (0.0, target(2)))
    run(under_way, 2.5)
    under_way.start([target(1)], 2.5)
    assert run(under_way, 9.0) == [
        (2.5, [target(1)]),
        (3.3, [target(2)]),
        (3.6, [target(1)]),
        (4.4, [target(2)]),
        (4.7, [target(1)]),
        (5.8, [target(1)]),
        (6.9, [target(1)]),
    ]
    assert under_way.next_at is None


def test_a_late_caller_sends_one_burst():
    under_way = started((0.0, target(1)))
    assert due(under_way, 3.5) == [target(1)]
    assert under_way.next_at == 4.4
    assert due(under_way, 60.0) == [target(1)]
    assert under_way.next_at is None


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 20)), max_size=8))
def test_every_target_ends_and_none_is_sent_more_than_five_times_after_its_last_start(starts):
    under_way = bursts.Bursts()
    clock, sent = 0.0, {}
    for last, wait in starts:
        for _, found in run(under_way, clock + wait):
            for one in found:
                sent[one] += 1
        clock += wait
        for one in due(under_way, clock):
            sent[one] += 1
        under_way.start([target(last)], clock)
        sent[target(last)] = 0
    for _, found in run(under_way, clock + 100):
        for one in found:
            sent[one] += 1
    assert all(1 <= count <= 5 for count in sent.values())
    assert under_way.next_at is None


def test_one_target_more_costs_the_same_however_many_are_under_way():
    under_way = bursts.Bursts()
    under_way.start([links.Target(2, ipaddress.IPv4Address(number)) for number in range(10_000)], 0.0)
    assert len(due(under_way, 0.0)) == 10_000
    under_way.start([target(1)], 0.5)
    assert due(under_way, 0.6) == [target(1)]
    assert under_way.next_at == 1.1
