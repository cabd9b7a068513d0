"""The gossip as a whole, in time that the test moves: joins, deaths, partitions, stops, recordings, strangers."""

import itertools

import hypothesis
import pytest
from hypothesis import strategies

from frr_adapter import secret
from speaker import settings
from speaker.boundary import gossip, heartbeats, roster
from tests import gossip_world as gossips

OTHER_SECRET = secret.Secret("the-secret-of-another-cluster")


@pytest.mark.parametrize(("count", "most"), [(3, 0.45), (10, 0.45), pytest.param(30, 0.6, marks=pytest.mark.long)])
def test_a_death_is_known_to_all_soon_and_nobody_else_is_missed(count, most):
    world = gossips.cluster(count, loss=0.01)
    began = world.now
    world.kill("n2")
    world.run(1.5)
    deaths = world.deaths(began)
    assert {(who, whom) for _, who, whom in deaths} == {(each.name, "n2") for each in world.speakers.values()}
    assert max(when for when, _, _ in deaths) - began < most


def test_load_does_not_grow_with_the_cluster():
    rates = []
    for count in (6, 18):
        world = gossips.cluster(count)
        before = sum(each.sent for each in world.speakers.values())
        world.run(1)
        rates.append((sum(each.sent for each in world.speakers.values()) - before) / count)
    assert rates[1] < rates[0] * 1.25


@pytest.mark.parametrize("names", [(), ("n1",), ("n1", "n2", "n3")])
def test_alone(names):
    world = gossips.World()
    world.add("n1")
    world.introduce(*names)
    world.run(2)
    assert world["n1"].live == {"n1"}
    assert world["n1"].is_fenced(world.now) is (len(names) == 3)


def test_one_known_address_is_enough_to_meet_all():
    """The Kubernetes API is down: each new speaker knows one other."""
    world = gossips.World()
    names = [f"n{number}" for number in range(1, 9)]
    world.add(*names)
    for before, name in itertools.pairwise(names):
        world[name].beats.set_peers({before: gossips.address(before)}, world.now)
    assert world.run_until(lambda: world.agrees(*names), 3) < 1.5


def test_a_leaving_speaker_is_gone_within_a_round_trip():
    world = gossips.cluster(10)
    began = world.now
    world.send(world["n3"], world["n3"].beats.leave(world.now))
    took = world.run_until(lambda: all("n3" not in each.live for each in world.speakers.values()), 1)
    assert took < 0.02
    world.run_until(world["n3"].beats.has_left, 0.02)
    world.kill("n3")
    world.run(3)
    assert {whom for _, _, whom in world.deaths(began)} == {"n3"}


def test_a_leaving_speaker_is_heard_in_spite_of_losses():
    world = gossips.cluster(6, loss=0.2)
    world.send(world["n3"], world["n3"].beats.leave(world.now))
    assert world.run_until(world["n3"].beats.has_left, 1) < 0.5


@pytest.mark.parametrize("generation", [2, 1, 0], ids=["later", "same clock", "clock went back"])
@pytest.mark.parametrize("pause", [0.01, 2.0], ids=["at once", "after its death was seen"])
@pytest.mark.parametrize("leaves", [False, True])
def test_a_restarted_speaker_is_back_at_once(generation, pause, leaves):
    world = gossips.cluster(5)
    if leaves:
        world.send(world["n2"], world["n2"].beats.leave(world.now))
        world.run(0.05)
    world.kill("n2")
    world.run(pause)
    world.add("n2", generation=generation)
    world["n2"].beats.set_metadata(b"again", world.now)
    names = [f"n{number}" for number in range(1, 6)]
    world["n2"].beats.set_peers({name: gossips.address(name) for name in names}, world.now)
    took = world.run_until(
        lambda: world.agrees(*names) and all(each.metadata("n2") == b"again" for each in world.speakers.values()), 4
    )
    assert took < 0.5
    assert world["n2"].beats.roster.clashes == 0


def test_metadata_is_known_to_all_within_a_round_trip():
    world = gossips.cluster(10)
    world.send(world["n4"], world["n4"].beats.set_metadata(b"eth0,eth1", world.now))
    took = world.run_until(lambda: all(each.metadata("n4") == b"eth0,eth1" for each in world.speakers.values()), 1)
    assert took < 0.02
    assert world["n4"].beats.set_metadata(b"eth0,eth1", world.now) == []


def test_metadata_reaches_whom_the_nudge_missed():
    world = gossips.cluster(5)
    world["n4"].beats.set_metadata(b"eth0", world.now)  # and every nudge is lost
    world.run_until(lambda: all(each.metadata("n4") == b"eth0" for each in world.speakers.values()), 1)


def test_messages_arrive_once_and_are_confirmed():
    world = gossips.cluster(3, loss=0.2)
    numbers = []
    for body in (b"one", b"two", b"three"):
        number, outgoing = world["n1"].beats.post("n2", body, world.now)
        numbers.append(number)
        world.send(world["n1"], outgoing)
    confirmed = [heartbeats.Confirmed(number) for number in numbers]
    world.run_until(lambda: [each for each in world["n1"].beats.events if each in confirmed] == confirmed, 2)
    world.run(2)
    assert world["n2"].beats.events == [heartbeats.Delivered("n1", each) for each in (b"one", b"two", b"three")]
    assert world["n3"].beats.events == []


def test_what_cannot_be_sent_is_refused():
    world = gossips.cluster(2)
    with pytest.raises(KeyError):
        world["n1"].beats.post("n9", b"", world.now)
    with pytest.raises(ValueError, match="513 bytes"):
        world["n1"].beats.post("n2", b"x" * 513, world.now)


class Watch:
    """Looks after each event whether a node answers while another one may have taken its addresses over."""

    def __init__(self, world: gossips.World) -> None:
        self.world = world
        self.takers: dict[tuple[str, str], float] = {}
        self.violations: list[tuple[float, str, str]] = []
        world.watch = self.look

    def look(self) -> None:
        now = self.world.now
        for one in self.world.speakers.values():
            if now < one.frozen_until or one.is_fenced(now):
                continue
            for other in self.world.speakers.values():
                key = (other.name, one.name)
                if one.name in other.live or other is one:
                    self.takers.pop(key, None)
                    continue
                since = self.takers.setdefault(key, now)
                may_answer = now - since >= self.world.timing.takeover_after and not other.is_fenced(now)
                if may_answer and now >= other.frozen_until:
                    self.violations.append((now, one.name, other.name))


@hypothesis.settings(max_examples=8)
@hypothesis.given(
    strategies.integers(3, 6), strategies.data(), strategies.integers(0, 10_000), strategies.sampled_from([0, 0.02])
)
def test_no_two_sides_of_a_cut_answer_and_all_meet_again(size, data, seed, loss):
    world = gossips.cluster(size, seed=seed, loss=loss)
    names = [f"n{number}" for number in range(1, size + 1)]
    side = {gossips.address(name) for name in data.draw(strategies.sets(strategies.sampled_from(names), max_size=size))}
    watch = Watch(world)
    world.passes = lambda source, target: (source in side) == (target in side)
    world.run(1.5)
    majority = [one for one in names if len(world[one].live) * 2 > size]
    assert all(not world[one].is_fenced(world.now) for one in majority)
    assert all(world[one].is_fenced(world.now) for one in names if one not in majority)
    world.passes = lambda _source, _target: True
    world.run_until(lambda: world.agrees(*names), 2)
    world.run(0.5)
    assert not any(each.is_fenced(world.now) for each in world.speakers.values())
    assert watch.violations == []


@pytest.mark.parametrize("outward", [True, False], ids=["is not heard", "does not hear"])
@pytest.mark.parametrize("size", [3, 5])
def test_a_link_that_works_one_way_fences_before_others_take_over(size, outward):
    world = gossips.cluster(size)
    watch = Watch(world)
    lonely = gossips.address("n1")
    world.passes = lambda source, target: (source if outward else target) != lonely
    world.run(2)
    assert world["n1"].is_fenced(world.now)
    assert all("n1" not in each.live for each in world.speakers.values() if each.name != "n1")
    assert watch.violations == []


def test_two_that_do_not_hear_each_other_are_no_deaths_while_a_third_hears_both():
    world = gossips.cluster(5)
    began, apart = world.now, {gossips.address("n1"), gossips.address("n2")}
    world.passes = lambda source, target: {source, target} != apart
    world.run(5)
    assert world.deaths(began) == []
    assert not any(each.is_fenced(world.now) for each in world.speakers.values())


@pytest.mark.parametrize("seconds", [0.6, 5])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_process_that_stood_still_accuses_nobody_and_answers_nobody(size, seconds):
    world = gossips.cluster(size)
    watch = Watch(world)
    began = world.now
    world.freeze("n1", seconds)
    world.run(seconds - 0.01)
    assert all("n1" not in each.live for each in world.speakers.values() if each.name != "n1")
    world.run(0.011)
    assert world["n1"].is_fenced(world.now)
    world.run(1)
    assert {who for _, who, _ in world.deaths(began)} == {each.name for each in world.speakers.values()} - {"n1"}
    assert not world["n1"].is_fenced(world.now)
    assert watch.violations == []


def test_a_program_whose_loop_stands_still_is_left_for_dead_and_comes_back():
    world = gossips.cluster(3)
    world["n1"].is_stalled = True
    world.run(settings.LAN.stall_after - 0.1)
    assert world["n2"].live == {"n1", "n2", "n3"}
    world.run(0.8)
    assert world["n2"].live == {"n2", "n3"}
    assert world["n1"].is_fenced(world.now)
    world["n1"].is_stalled = False
    world.run_until(lambda: world.agrees("n1", "n2", "n3"), 1)


def test_recordings_change_nothing_later():
    world = gossips.cluster(3)
    world.recorded = []
    world.send(world["n2"], world["n2"].beats.leave(world.now))
    world.run(1)
    world.kill("n2")
    world.add("n2", generation=2)
    world.introduce()
    world.run(2)
    recorded, world.recorded = world.recorded, None
    world.kill("n3")
    world.run(1)
    assert world.agrees("n1", "n2")
    began, before = world.now, [world["n1"].beats.roster.members(), world["n2"].beats.roster.members()]
    for _ in range(2):
        for datagram, source, target in recorded:
            world.inject(datagram, source, target)
            world.inject(datagram, ("10.0.0.99", gossips.PORT), target)
            world.run(0.001)
    world.run(1)
    assert [each for each in world.seen if each[0] > began] == []
    assert [world["n1"].beats.roster.members(), world["n2"].beats.roster.members()] == before
    refusals = world["n1"].beats.refusals
    assert refusals[gossip.Refusal.REPLAYED] > 100
    assert not any(each.is_fenced(world.now) for each in world.speakers.values())


def test_recordings_of_a_former_process_are_heard_a_few_times_a_second():
    world = gossips.cluster(2)
    world.recorded = []
    world.run(20)
    recorded = [each for each in world.recorded if each[2][0] == gossips.address("n1")]
    world.recorded = None
    world.kill("n1")
    world.kill("n2")
    world.add("n1", "n2", generation=2)
    world.introduce()
    world.run(1)
    sent = world["n1"].sent
    for datagram, source, target in recorded[:300]:
        world.inject(datagram, source, target)
        world.run(0.001)
    refusals = world["n1"].beats.refusals
    assert refusals[gossip.Refusal.TOO_OFTEN] > 80
    assert refusals[gossip.Refusal.UNASKED] > 80
    assert world["n1"].sent - sent < 60
    assert world.agrees("n1", "n2")


def test_two_clusters_on_one_segment_never_meet():
    world = gossips.World()
    world.add("n1", "n2", "n3")
    world.add("n4", "n5", shared=OTHER_SECRET)
    world.introduce()
    world.run(3)
    assert world.agrees("n1", "n2", "n3")
    assert world["n4"].live == {"n4", "n5"}
    assert world["n1"].beats.refusals[gossip.Refusal.STRANGER] > 10


def test_a_stranger_that_takes_over_the_address_of_a_member_is_no_member():
    world = gossips.cluster(3)
    world.kill("n2")
    world.add("n2", shared=OTHER_SECRET, generation=9)
    world.introduce()
    world.run(2)
    assert world["n1"].live == {"n1", "n3"}


def test_a_new_address_is_learnt_from_the_speaker_itself():
    world = gossips.cluster(3)
    world.kill("n2")
    world.add("n2", generation=2, at="10.0.0.77")
    moved = world.speakers["10.0.0.77"]
    moved.beats.set_peers({"n1": gossips.address("n1"), "n3": gossips.address("n3")}, world.now)
    world.run_until(lambda: world["n1"].beats.roster.peers["n2"].address == "10.0.0.77", 1)
    world.run(2)
    assert world["n1"].live == world["n3"].live == moved.live == {"n1", "n2", "n3"}


def test_two_speakers_with_one_name_are_named():
    world = gossips.cluster(3)
    world.add("n2", generation=7, at="10.0.0.77")
    world.speakers["10.0.0.77"].beats.set_peers({"n1": gossips.address("n1"), "n3": gossips.address("n3")}, world.now)
    world.run(3)
    clashing = world["n2"], world.speakers["10.0.0.77"]
    assert all(each.beats.roster.clashes > 0 for each in clashing)
    told = {event.address for each in clashing for event in each.beats.events if isinstance(event, heartbeats.Clash)}
    assert told & {"10.0.0.2", "10.0.0.77"}


def test_the_secret_is_replaced_while_all_go_on():
    world = gossips.cluster(3)
    began = world.now
    for name in ("n1", "n2", "n3"):
        world[name].sealer.rotate(OTHER_SECRET, world.now)
        world.run(3)
    assert world.deaths(began) == []
    assert not any(each.is_fenced(world.now) for each in world.speakers.values())
    world.run(1)
    refused = sum(each.beats.refusals[gossip.Refusal.STRANGER] for each in world.speakers.values())
    assert refused == 0
    world.add("n4", shared=OTHER_SECRET)
    world.introduce()
    world.run_until(lambda: world.agrees("n1", "n2", "n3", "n4"), 1)


def test_who_was_only_heard_of_is_forgotten_in_the_end():
    world = gossips.cluster(3, timing=settings.Timing(forget_after=5))
    world.introduce("n1", "n2")
    world.run(1)
    assert "n3" in world["n1"].live
    world.kill("n3")
    world.run(4)
    assert "n3" in world["n1"].beats.roster.peers
    world.run(3)
    assert "n3" not in world["n1"].beats.roster.peers
    assert world["n1"].beats.roster.hearing().expected == {"n2"}


def test_members_are_bounded():
    world = gossips.World()
    world.add("n1")
    world["n1"].beats.set_peers({f"n{number}": gossips.address(f"n{number}") for number in range(2, 1200)}, world.now)
    assert len(world["n1"].beats.roster.peers) == roster.MOST_MEMBERS
    mad = gossip.Sealer(gossips.SECRET)
    ping = gossip.Ping("n5000", 1, mad.newest)
    assert world["n1"].beats.receive(mad.seal(ping, mad.newest), ("10.0.0.9", gossips.PORT), world.now) == []
    assert world["n1"].beats.refusals[gossip.Refusal.TOO_MANY_MEMBERS] == 1
    world.run(0.5)


@hypothesis.settings(max_examples=20)
@hypothesis.given(
    strategies.lists(strategies.tuples(strategies.integers(0, 255), strategies.binary(max_size=80)), max_size=20)
)
def test_mad_members_break_nothing(noise):
    """Whoever has the secret may say anything well-formed."""
    world = gossips.cluster(2)
    mad = gossip.Sealer(gossips.SECRET)
    for number, text in noise:
        record = gossip.Record(f"n{number % 4 + 1}", number, number << 50, address=text.hex()[:45], metadata=text)
        for said in (
            gossip.Ack(number, mad.newest, record, text, (record, record)),
            gossip.Ping(record.name, number, mad.newest, text[:6], (), (number,)),
            gossip.Nudge(record.name, text[:4].ljust(4)),
        ):
            world.inject(mad.seal(said, mad.newest), ("10.0.0.9", gossips.PORT), ("10.0.0.1", gossips.PORT))
    world.run(0.3)
    assert {"n1", "n2"} <= world["n1"].live | {"n2"}
    world.run_until(lambda: world["n1"].live == {"n1", "n2"}, 2)


def test_the_longest_answer_fits_one_datagram():
    world = gossips.World()
    name = "n" * 253
    mine, theirs = (
        heartbeats.Heartbeats(
            each,
            (f"2001:db8::{each[:1] * 3}".replace("n", "a").replace("m", "b"), gossips.PORT),
            gossip.Sealer(gossips.SECRET),
            settings.LAN,
            world.dice,
            world.now,
            1,
        )
        for each in (name, "m" * 253)
    )
    mine.set_metadata(b"\xff" * gossip.LONGEST_METADATA, world.now)
    for number in range(300):
        mine.roster.learn(
            gossip.Record(f"{number:0253}", 1, 1, metadata=b"x" * 256, address="::"), world.now, world.now
        )
    theirs.set_peers({name: "2001:db8::aaa"}, world.now)
    pings = theirs.step(world.now)
    source = ("2001:db8::bbb", gossips.PORT)
    answers = mine.receive(pings[0][0], source, world.now)
    mine.post("m" * 253, b"x" * gossip.LONGEST_BODY, world.now)
    told = 0
    for _ in range(15):
        assert max(len(datagram) for datagram, _ in answers) <= gossip.LONGEST_DATAGRAM
        asked = theirs.receive(answers[0][0], ("2001:db8::aaa", gossips.PORT), world.now)
        if not asked:
            break
        told += 1
        answers = mine.receive(asked[0][0], source, world.now)
    assert told > 2
    assert theirs.events == [heartbeats.Delivered(name, b"x" * gossip.LONGEST_BODY)]
    assert len(theirs.roster.peers) > 5
