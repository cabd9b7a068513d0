"""Holding an address: one node, and several nodes on one simulated wire."""

import heapq
import ipaddress
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker import links
from speaker.core import holding
from speaker.links import Claim
from speaker.values import Wish

IP = ipaddress.ip_address("192.0.2.1")
OTHER = ipaddress.ip_address("2001:db8::1")
RIVAL = links.parse_mac("02:00:00:00:00:09")
STEP = holding.PROBE_PAUSE
BEFORE, BEHIND, STRANGER = links.Standing.BEFORE_US, links.Standing.BEHIND_US, links.Standing.STRANGER


class Holder(holding.Holder):
    """Takes whole sets of wishes, as tests think of them."""

    def __init__(self, *, is_fenced=False):
        super().__init__(is_fenced=is_fenced)
        self.wishes = {}

    def want(self, wishes, now):
        before, self.wishes = self.wishes, dict(wishes)
        gone = [address for address in before if address not in wishes]
        return self.change(gone, {a: wish for a, wish in wishes.items() if before.get(a) is not wish}, now)


def taken(holder, wishes, now=0.0):
    """The wishes are carried out on a silent wire; the time afterwards."""
    holder.want(wishes, now)
    while holder.next_at is not None:
        now = max(now, holder.next_at)
        holder.tick(now)
    return now


def test_an_address_is_asked_for_before_it_is_taken():
    holder = Holder()
    asked = [(0.0, holder.want({IP: Wish.TAKE}, 0.0))]
    while holder.next_at is not None:
        asked.append((holder.next_at, holder.tick(holder.next_at)))
    assert [now for now, did in asked if did.ask == (IP,)] == pytest.approx([0, STEP, 2 * STEP])
    assert asked[-1] == (pytest.approx(holding.TAKEOVER_SECONDS), links.Actions(taken=(IP,)))
    assert holder.held == {IP}


def test_the_same_wishes_again_do_nothing():
    holder = Holder()
    now = taken(holder, {IP: Wish.TAKE, OTHER: Wish.TAKE})
    assert holder.want({IP: Wish.TAKE, OTHER: Wish.TAKE}, now) == links.NO_ACTIONS
    assert holder.want({IP: Wish.KEEP, OTHER: Wish.TAKE}, now) == links.NO_ACTIONS
    assert holder.held == {IP, OTHER}
    assert holder.next_at is None


def test_who_answers_keeps_it_and_is_asked_again_later():
    holder = Holder()
    holder.want({IP: Wish.TAKE}, 0.0)
    assert not holder.heard(IP, Claim.ANSWER, RIVAL, 0.01, BEHIND)
    assert holder.next_at == pytest.approx(0.01 + holding.STANDBY_PAUSES[0])
    assert holder.tick(STEP) == links.NO_ACTIONS
    pauses = []
    for _ in range(7):
        now = holder.next_at
        assert holder.tick(now).ask == (IP,)
        holder.heard(IP, Claim.ANSWER, RIVAL, now, BEHIND)
        pauses.append(holder.next_at - now)
    assert pauses == pytest.approx([0.5, 1, 2, 5, 5, 5, 5])
    assert not holder.held


def test_a_free_address_is_taken_in_standby():
    holder = Holder()
    holder.want({IP: Wish.TAKE}, 0.0)
    holder.heard(IP, Claim.ANSWER, RIVAL, 0.01, BEFORE)
    assert holder.look_again(1.0).ask == (IP,)
    now = 1.0
    while holder.next_at is not None:
        now = holder.next_at
        holder.tick(now)
    assert now == pytest.approx(1.0 + holding.TAKEOVER_SECONDS)
    assert holder.held == {IP}


@pytest.mark.parametrize(("refusals", "questions"), [(1, 3), (2, 3), (3, 10), (6, 10)])
def test_who_is_refused_again_and_again_asks_for_longer(refusals, questions):
    """Nothing changed: an owner that is slow for a moment must not lose the address."""
    holder = Holder()
    holder.want({IP: Wish.TAKE}, 0.0)
    now = 0.0
    for _ in range(refusals):
        holder.heard(IP, Claim.ANSWER, RIVAL, now, STRANGER)
        now = holder.next_at
        holder.tick(now)
    asked = 1
    while not holder.held:
        now = holder.next_at
        asked += len(holder.tick(now).ask)
    assert asked == questions


def test_only_what_changed_is_asked_for_again():
    holder = Holder()
    holder.want({IP: Wish.TAKE, OTHER: Wish.TAKE}, 0.0)
    for each in (IP, OTHER):
        holder.heard(each, Claim.ANSWER, RIVAL, 0.01, STRANGER)
    assert holder.look_again(0.02, {OTHER}).ask == (OTHER,)


def test_looking_again_disturbs_no_questions_under_way():
    holder = Holder()
    holder.want({IP: Wish.TAKE}, 0.0)
    assert holder.look_again(0.01) == links.NO_ACTIONS
    assert holder.next_at == pytest.approx(STEP)


def test_an_address_that_is_given_needs_no_questions():
    holder = Holder()
    holder.want({IP: Wish.TAKE}, 0.0)
    assert holder.take([IP], 0.01) == links.Actions(taken=(IP,))
    assert holder.take([IP], 0.02) == links.NO_ACTIONS
    assert holder.held == {IP}


def test_an_address_that_is_given_may_be_wanted_a_moment_later():
    holder = Holder()
    assert holder.take([IP, OTHER], 0.0) == links.NO_ACTIONS
    assert holder.want({IP: Wish.TAKE}, 0.1) == links.Actions(taken=(IP,))
    assert holder.want({IP: Wish.TAKE, OTHER: Wish.TAKE}, holding.GRANT_SECONDS + 0.1).ask == (OTHER,)


def test_one_that_may_keep_may_be_given():
    holder = Holder()
    holder.want({IP: Wish.KEEP}, 0.0)
    assert holder.take([IP], 0.1) == links.Actions(taken=(IP,))
    assert holder.held == {IP}


def test_what_somebody_else_announced_meanwhile_is_not_taken_as_given():
    holder = Holder()
    holder.take([IP], 0.0)
    holder.heard(IP, Claim.ANSWER, RIVAL, 0.01, BEHIND)
    assert holder.want({IP: Wish.TAKE}, 0.1).ask == (IP,)


def test_what_is_no_longer_wanted_is_dropped_at_once():
    holder = Holder()
    now = taken(holder, {IP: Wish.TAKE, OTHER: Wish.TAKE})
    assert holder.want({OTHER: Wish.TAKE}, now) == links.Actions(dropped=(IP,))
    assert holder.held == {OTHER}


def test_one_that_may_only_keep_takes_nothing():
    holder = Holder()
    assert holder.want({IP: Wish.KEEP}, 0.0) == links.NO_ACTIONS
    assert holder.next_at is None
    holder.want({OTHER: Wish.TAKE}, 0.0)
    holder.want({OTHER: Wish.KEEP}, 0.01)  # before it was held
    assert holder.next_at is None


def test_of_two_holders_the_later_one_in_the_order_yields():
    holder = Holder()
    now = taken(holder, {IP: Wish.TAKE})
    assert holder.heard(IP, Claim.ANSWER, RIVAL, now, BEHIND) == links.Actions(defended=(IP,))
    assert holder.heard(IP, Claim.ANSWER, RIVAL, now, BEFORE) == links.Actions(
        dropped=(IP,), lost=(links.Loss(IP, RIVAL),)
    )
    assert not holder.held


@pytest.mark.parametrize("standing", holding.DEFENCE_PAUSES)
def test_an_address_is_defended_once_in_a_while_however_often_it_is_claimed(standing):
    holder = Holder()
    taken(holder, {IP: Wish.TAKE, OTHER: Wish.TAKE})
    times = [1 + number / 16 for number in range(320)]
    defended = [at for at in times if holder.heard(IP, Claim.ANSWER, RIVAL, at, standing).defended]
    pause = holding.DEFENCE_PAUSES[standing]
    assert defended == [1 + number * pause for number in range(int(20 / pause))]
    assert holder.held == {IP, OTHER}
    assert holder.heard(OTHER, Claim.ANSWER, RIVAL, 1.0, standing).defended == (OTHER,)


def test_a_keeper_that_yields_forgets_the_address():
    holder = Holder()
    now = taken(holder, {IP: Wish.TAKE})
    holder.want({IP: Wish.KEEP}, now)
    assert holder.heard(IP, Claim.ANSWER, RIVAL, now, BEFORE).dropped == (IP,)
    assert holder.next_at is None


def test_of_two_that_ask_the_first_in_the_order_goes_on():
    for standing in (BEFORE, BEHIND):
        holder = Holder()
        holder.want({IP: Wish.TAKE}, 0.0)
        holder.heard(IP, Claim.PROBE, RIVAL, 0.01, standing)
        assert holder.next_at == pytest.approx(0.01 + holding.STANDBY_PAUSES[0] if standing is BEFORE else STEP)


def test_a_question_does_not_move_a_holder():
    holder = Holder()
    now = taken(holder, {IP: Wish.TAKE})
    assert holder.heard(IP, Claim.PROBE, RIVAL, now, BEFORE) == links.NO_ACTIONS
    assert holder.held == {IP}


def test_behind_the_fence_nothing_is_held_and_everything_is_asked_for_afterwards():
    holder = Holder()
    now = taken(holder, {IP: Wish.TAKE})
    assert holder.fence(now) == links.Actions(dropped=(IP,))
    assert holder.fence(now) == links.NO_ACTIONS
    assert holder.next_at is None
    assert holder.tick(now + 10) == links.NO_ACTIONS
    assert holder.take([IP], now + 10) == links.NO_ACTIONS
    assert holder.want({IP: Wish.TAKE, OTHER: Wish.TAKE}, now + 10) == links.NO_ACTIONS
    assert not holder.held
    assert holder.unfence(now + 20).ask == (IP, OTHER)
    assert not holder.held
    assert holder.next_at == pytest.approx(now + 20 + STEP)


def test_a_process_that_did_not_run_asks_anew():
    holder = Holder()
    holder.want({IP: Wish.TAKE}, 0.0)
    holder.tick(STEP)
    holder.tick(2 * STEP)
    late = 3 * STEP + holding.LATE_SECONDS + 0.01
    assert holder.tick(late) == links.Actions(ask=(IP,))
    assert holder.next_at == pytest.approx(late + STEP)


MANY = [ipaddress.IPv4Address(0x0A630000 + number) for number in range(3000)]


def test_many_questions_leave_in_lots_and_what_was_begun_is_brought_to_an_end_first():
    holder, now, asked, taken_at = Holder(), 0.0, 0, {}
    actions = holder.want(dict.fromkeys(MANY, Wish.TAKE), now)
    while True:
        assert len(actions.ask) + len(actions.taken) <= holding.ASKED_AT_ONCE
        asked += len(actions.ask)
        taken_at |= dict.fromkeys(actions.taken, now)
        if holder.next_at is None:
            break
        now = max(now, holder.next_at)
        actions = holder.tick(now)
    assert asked == len(MANY) * holding.PROBES
    assert holder.held == set(MANY)
    assert taken_at[MANY[0]] == pytest.approx(holding.TAKEOVER_SECONDS, abs=0.01)
    assert taken_at[MANY[0]] < taken_at[MANY[-1]] / 2


def test_a_process_that_did_not_run_in_the_middle_of_many_questions_asks_all_of_them_anew():
    """Also those that are put off when it runs again: the answers to what it asked before wait in its sockets."""
    holder, now = Holder(), 0.0
    begun = MANY[: 20 * holding.ASKED_AT_ONCE]
    holder.want(dict.fromkeys(begun, Wish.TAKE), now)
    while holder.next_at < holding.TAKEOVER_SECONDS - 0.005:
        now = max(now, holder.next_at)
        holder.tick(now)
    assert not holder.held
    resumed, asked, taken_at = now + 10, [], []
    while holder.next_at is not None:
        now = max(resumed, holder.next_at)
        actions = holder.tick(now)
        asked += actions.ask
        taken_at += [now] * len(actions.taken)
    assert min(taken_at) >= resumed + holding.TAKEOVER_SECONDS - 1e-9
    assert len(asked) == len(begun) * holding.PROBES
    assert holder.held == set(begun)


def test_who_is_slow_with_many_questions_does_not_begin_them_anew():
    """Only a process that did not run is late; one that was busy asking is not, and would never end."""
    holder, now = Holder(), 0.0
    asked = len(holder.want(dict.fromkeys(MANY, Wish.TAKE), now).ask)
    while holder.next_at is not None:
        now = max(now, holder.next_at) + 0.02
        asked += len(holder.tick(now).ask)
    assert asked == len(MANY) * holding.PROBES


def test_after_the_fence_and_when_the_cluster_changes_many_are_asked_for_in_lots_too():
    holder = Holder()
    now = taken(holder, dict.fromkeys(MANY, Wish.TAKE))
    assert len(holder.fence(now).dropped) == len(MANY)
    assert len(holder.unfence(now + 1).ask) == holding.ASKED_AT_ONCE
    for each in MANY:
        holder.heard(each, Claim.ANSWER, RIVAL, now + 1, STRANGER)
    assert not holder.held
    assert holder.tick(now + 1.002) == links.NO_ACTIONS
    assert len(holder.look_again(now + 1.1).ask) == holding.ASKED_AT_ONCE
    now += 1.1
    while holder.next_at is not None:
        now = max(now, holder.next_at)
        holder.tick(now)
    assert holder.held == set(MANY)


def test_what_went_while_it_waited_is_neither_asked_for_nor_taken():
    holder = Holder()
    holder.want(dict.fromkeys(MANY, Wish.TAKE), 0.0)
    holder.want({OTHER: Wish.TAKE}, 0.0)
    now, asked = 0.0, []
    while holder.next_at is not None:
        now = max(now, holder.next_at)
        asked += holder.tick(now).ask
    assert set(asked) == {OTHER}
    assert holder.held == {OTHER}


def test_of_two_epochs_only_the_last_one_counts():
    holder = Holder()
    now = taken(holder, {IP: Wish.TAKE})
    holder.fence(now)
    holder.want({OTHER: Wish.TAKE}, now)
    holder.want({IP: Wish.KEEP, OTHER: Wish.TAKE}, now)
    assert holder.unfence(now + 1).ask == (OTHER,)
    holder.fence(now + 1.01)
    assert holder.unfence(now + 1.02).ask == (OTHER,)
    assert holder.next_at == pytest.approx(now + 1.02 + STEP)


# ---- Several nodes on one wire ----


class Wire:
    """Nodes that hear each other within `delay` seconds. Node 0 comes first in the order, then node 1, and so on."""

    def __init__(self, seed, nodes, delay):
        self.chance = random.Random(seed)
        self.delay = delay
        self.now = 0.0
        self.nodes = [Holder() for _ in range(nodes)]
        self.alive = [True] * nodes
        self.queue = []
        self.numbers = itertools.count()
        self.moves = []

    def later(self, seconds, what, *arguments):
        heapq.heappush(self.queue, (self.now + seconds, next(self.numbers), what, arguments))

    def do(self, node, actions):
        for _ in actions.ask:
            self.broadcast(node, Claim.PROBE)
        for _ in (*actions.taken, *actions.defended):
            self.broadcast(node, Claim.ANSWER)
        if actions.taken:
            self.moves.append((self.now, node))
        holder = self.nodes[node]
        if holder.next_at is not None:
            self.later(max(holder.next_at - self.now, 0), self.tick, node, holder.next_at)

    def tick(self, node, at):
        if self.alive[node] and self.nodes[node].next_at == at:
            self.do(node, self.nodes[node].tick(self.now))

    def broadcast(self, node, claim):
        for other in range(len(self.nodes)):
            if other != node:
                self.later(self.chance.uniform(0, self.delay), self.hear, other, node, claim)

    def hear(self, node, sender, claim):
        if not self.alive[node]:
            return
        if claim is Claim.PROBE and self.nodes[node].is_held(IP):
            self.later(self.chance.uniform(0, self.delay), self.hear, sender, node, Claim.ANSWER)
        self.do(node, self.nodes[node].heard(IP, claim, RIVAL, self.now, BEFORE if sender < node else BEHIND))

    def see(self, node, live):
        """The node learns who lives; the first of them shall have the address, and who has it keeps it."""
        if not self.alive[node]:
            return
        holder = self.nodes[node]
        wish = Wish.TAKE if min(live) == node else Wish.KEEP
        wishes = {IP: wish} if wish is Wish.TAKE or holder.is_held(IP) else {}
        self.do(node, holder.want(wishes, self.now))
        self.do(node, holder.look_again(self.now))

    def cluster_changes(self, lag):
        live = {node for node, is_alive in enumerate(self.alive) if is_alive}
        for node in live:
            self.later(self.chance.uniform(0, lag), self.see, node, live)

    def run(self, until):
        while self.queue and self.queue[0][0] <= until:
            self.now, _, what, arguments = heapq.heappop(self.queue)
            what(*arguments)
            holders = [node for node, each in enumerate(self.nodes) if self.alive[node] and each.is_held(IP)]
            assert len(holders) <= 1, f"{holders} hold the address at {self.now}"
        self.now = until

    def holder(self):
        return next((node for node, each in enumerate(self.nodes) if self.alive[node] and each.is_held(IP)), None)


@settings(max_examples=60)
@given(seed=st.integers(0, 1 << 32), nodes=st.integers(2, 7))
def test_no_two_nodes_hold_an_address_and_a_healthy_holder_keeps_it(seed, nodes):
    wire = Wire(seed, nodes, delay=STEP * 0.4)
    wire.cluster_changes(lag=0.3)
    wire.run(3.0)
    holder = wire.holder()
    assert holder == 0
    for _ in range(12):
        node = wire.chance.randrange(nodes)
        if wire.alive[node] and sum(wire.alive) > 1:
            wire.alive[node] = False
        else:
            wire.alive[node] = True
            wire.nodes[node] = Holder()
        wire.moves.clear()
        wire.cluster_changes(lag=0.3)
        wire.run(wire.now + 8.0)
        if wire.alive[holder] and node != holder:
            assert wire.holder() == holder
            assert not wire.moves
        holder = wire.holder()
        assert holder is not None


def test_a_takeover_on_a_silent_wire_lasts_as_long_as_the_questions():
    wire = Wire(1, 3, delay=0.005)
    wire.cluster_changes(lag=0.0)
    wire.run(2.0)
    wire.alive[0] = False
    wire.moves.clear()
    wire.cluster_changes(lag=0.0)
    wire.run(4.0)
    assert wire.moves == [(pytest.approx(2.0 + holding.TAKEOVER_SECONDS), 1)]


@pytest.mark.parametrize("among", [None, (IP,)], ids=["whoever was lost", "its candidates changed"])
def test_patient_questions_that_are_under_way_become_three_new_ones_when_something_changes(among):
    """Else one death in ten would take three times as long: so often the first by the order asks patiently."""
    holder = Holder()
    holder.want({IP: Wish.TAKE}, 0.0)
    now = 0.0
    for _ in range(holding.IMPATIENT_REFUSALS + 1):
        holder.heard(IP, Claim.ANSWER, RIVAL, now, BEHIND)
        now = holder.next_at
        assert holder.tick(now).ask == (IP,)
    for _ in range(4):
        now = holder.next_at
        assert holder.tick(now).ask == (IP,)  # the fifth: three would have done
    now += STEP / 2
    asked = [now for _ in holder.look_again(now, among).ask]
    while not holder.held:
        at = holder.next_at
        asked += [at for _ in holder.tick(at).ask]
    assert len(asked) == holding.PROBES
    assert at - now <= STEP + holding.TAKEOVER_SECONDS
