import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from speaker import bursts, links


def target(last: int, interface: int = 2) -> links.Target:
    return links.Target(interface, ipaddress.IPv4Address(f"10.99.0.{last}"))


def run(schedule: bursts.Schedule, until: float) -> list[tuple[float, tuple[links.Target, ...]]]:
    """Sends whatever is due exactly when it is due."""
    sent = []
    while schedule.next_at is not None and schedule.next_at <= until:
        now = schedule.next_at
        due, schedule = schedule.due(now)
        sent.append((round(now, 3), due))
    return sent


def test_five_bursts_in_five_seconds():
    schedule = bursts.Schedule().started(frozenset({target(1), target(2)}), 100.0)
    both = (target(1), target(2))
    assert run(schedule, 1000.0) == [(100.0, both), (101.1, both), (102.2, both), (103.3, both), (104.4, both)]


def test_nothing_started_is_never_due():
    schedule = bursts.Schedule()
    assert schedule.started(frozenset(), 1.0) is schedule
    assert schedule.next_at is None
    assert schedule.due(5.0) == ((), schedule)


def test_a_target_taken_over_again_starts_again():
    schedule = bursts.Schedule().started(frozenset({target(1), target(2)}), 0.0)
    _, schedule = schedule.due(2.5)
    schedule = schedule.started(frozenset({target(1)}), 2.5)
    assert [(at, due) for at, due in run(schedule, 9.0) if target(1) in due] == [
        (2.5, (target(1),)),
        (3.6, (target(1),)),
        (4.7, (target(1),)),
        (5.8, (target(1),)),
        (6.9, (target(1),)),
    ]
    assert [at for at, due in run(schedule, 9.0) if target(2) in due] == [3.3, 4.4]


def test_a_late_caller_sends_one_burst():
    schedule = bursts.Schedule().started(frozenset({target(1)}), 0.0)
    due, schedule = schedule.due(3.5)
    assert due == (target(1),)
    assert schedule.next_at == 4.4
    due, schedule = schedule.due(60.0)
    assert due == (target(1),)
    assert schedule == bursts.Schedule()


def test_withdrawn_targets_are_not_due():
    schedule = bursts.Schedule().started(frozenset({target(1), target(2)}), 0.0).without(frozenset({target(1)}))
    assert schedule.due(0.0)[0] == (target(2),)
    assert schedule.without(frozenset({target(2)})) == bursts.Schedule()


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 20)), max_size=8))
def test_every_target_ends_and_none_is_sent_more_than_five_times_after_its_last_start(starts):
    schedule = bursts.Schedule()
    clock, sent = 0.0, {}
    for last, wait in starts:
        for _, due in run(schedule, clock + wait):
            for one in due:
                sent[one] = sent.get(one, 0) + 1
        _, schedule = schedule.due(clock + wait)
        clock += wait
        schedule = schedule.started(frozenset({target(last)}), clock)
        sent[target(last)] = 0
    for _, due in run(schedule, clock + 100):
        for one in due:
            sent[one] = sent.get(one, 0) + 1
    assert all(1 <= count <= 5 for count in sent.values())
    assert schedule.due(clock + 100)[1] == bursts.Schedule()
