"""Layer-2 addresses in a whole lab while nodes die, hang, stop, come back, or hear only part of the others; a station on the segment
asks for them every 10 ms.

Bounds on time are generous, for busy machines; the figures are in docs/benchmarks.md. Strict is what must never happen: an answer
or an announcement of a node from which another one has taken over.
"""

import hashlib
import json
import time

import pytest

from speaker.core import holding
from tests.live import layer2_lab, layer2_recording, second_cluster
from tests.live.layer2_lab import DEAFENED, FAULTS, FROZEN, KILLED, PULLED, STOPPED
from tests.live.layer2_recording import until

pytestmark = [pytest.mark.live, pytest.mark.frr]

SLOWEST = 5000.0
"""Milliseconds without an answer that are still believed of a machine with better things to do."""

SERVICES = "/api/v1/namespaces/default/services"
PODS = "/api/v1/namespaces/metallb-system/pods"


@pytest.fixture(scope="module")
def cluster(lab_factory):
    return lab_factory(3, False, True)


@pytest.fixture(scope="module")
def lab(cluster):
    made = layer2_lab.Watched(cluster.places, 3)
    made.plug()
    return made


@pytest.fixture(scope="module")
def addresses(cluster):
    """One IPv4 and one IPv6 address of one Service."""
    cluster.apply(*layer2_lab.layer2_objects("10.99.0.200-10.99.0.219", "fd00:99::200-fd00:99::219"))
    cluster.apply(layer2_lab.layer2_service("web"))
    return addresses_of(cluster, "web")


def addresses_of(cluster, name: str) -> tuple[str, ...]:
    def given() -> tuple[str, ...]:
        status = cluster.call("GET", f"{SERVICES}/{name}")["status"].get("loadBalancer", {})
        return tuple(each["ip"] for each in status.get("ingress", []))

    return cluster.until(f"{name} has addresses", given)


def check(done: layer2_lab.Failover, addresses) -> None:
    """One node after the other, nobody twice, nobody beside another one; and it did not take for ever."""
    for address in addresses:
        seen = done.recording
        assert seen.owners(address)[0] == done.owner
        assert seen.double(address) == 0
        assert seen.late_claims(address) == ()
        assert seen.silence(address) < SLOWEST


def test_the_judge_sees_what_must_never_happen():
    """Two that answer, and an announcement of the former owner, are found in a made-up recording; nothing in a clean one."""
    clean = [
        (1.0, "answer", "n1"),
        (1.01, "claim", "n1"),
        (1.6, "claim", "n2"),
        (1.61, "answer", "n2"),
        (2.0, "answer", "n2"),
    ]
    wrongs = [
        ((1.65, "answer", "n1"), (1, 0)),
        ((1.62, "claim", "n1"), (0, 1)),
        ((2.5, "answer", "n1"), (0, 0)),
        (None, (0, 0)),
    ]
    for wrong, found in wrongs:
        judged = layer2_recording.Recording(str)
        for at, what, node in sorted([*clean, *([wrong] if wrong else [])]):
            judged.add(json.dumps([at, what, "10.99.0.200", node, 0]))
        assert (judged.double("10.99.0.200"), len(judged.late_claims("10.99.0.200"))) == found
    assert judged.owners("10.99.0.200") == ("n1", "n2")
    assert judged.silence("10.99.0.200") == pytest.approx(610)
    assert [each.time for each in judged.change("10.99.0.200")] == [1.0, 1.61]


@pytest.mark.parametrize("fault", [FROZEN, PULLED], ids=lambda fault: fault.name)
def test_another_node_takes_over_and_keeps_it_when_the_first_one_returns(lab, addresses, fault):
    done = layer2_lab.fail_over(lab, fault, addresses)
    check(done, addresses)
    for address in addresses:
        assert done.recording.owners(address) == (done.owner, done.heir)


def test_who_stops_in_order_hands_over_and_nobody_has_to_ask(lab, addresses):
    done = layer2_lab.fail_over(lab, STOPPED, addresses)
    check(done, addresses)
    (told,) = lab.said("addresses handed over", done.started)
    assert (told.node, told.fields["heirs"], told.fields["unconfirmed"]) == (done.owner, [done.heir], 0)
    for address in addresses:
        first = done.recording.change(address)[1]
        asked = [each for each in done.recording.all("probe", address) if done.started < each.time < first.time]
        # Who waits for an address asks for it now and then; what was not handed over is asked for three times.
        assert len([each for each in asked if each.station == done.heir]) < holding.PROBES


def test_an_address_of_the_dead_is_taken_when_the_wire_was_asked_three_times(lab, addresses):
    done = layer2_lab.fail_over(lab, KILLED, addresses)
    check(done, addresses)
    # Who waits for an address asks for it now and then: what counts is asked when the death is known.
    (known, *_) = (each for each in lab.said("speaker lost", done.started, (done.heir,)))
    for address in addresses:
        first = done.recording.change(address)[1]
        asked = [each for each in done.recording.all("probe", address) if known.time <= each.time < first.time]
        assert [each.station for each in asked] == [done.heir] * holding.PROBES


def test_an_owner_that_hears_nobody_falls_silent_before_another_node_answers(lab, addresses):
    """Only the gossip is lost: the wire would say that the owner lives, so it must silence itself."""
    done = layer2_lab.fail_over(lab, DEAFENED, addresses)
    check(done, addresses)
    fenced = lab.fenced(done.owner, done.started)
    assert fenced is not None
    for address in addresses:
        last, first = done.recording.change(address)
        assert last.time <= fenced + 0.002  # logs know milliseconds
        assert fenced < first.time


def test_another_node_that_hears_nobody_changes_nothing(lab, addresses):
    lab.settle()
    with lab.recording(*addresses) as seen:
        for address in addresses:
            seen.more(address, 10)
        owner = seen.owner(addresses[0])
        alone = next(node for node in lab.nodes if node != owner)
        started = time.time()
        layer2_lab.deafen(lab, alone)
        try:
            until(f"{alone} is fenced", lambda: lab.fenced(alone, started))
            until(
                f"the others miss {alone}",
                lambda: (
                    {each.node for each in lab.said("speaker lost", started) if each.fields["member"] == alone}
                    >= set(lab.nodes) - {alone}
                ),
            )
            for address in addresses:
                seen.more(address, 50)
        finally:
            layer2_lab.undeafen(lab, alone)
        lab.settle()
        for address in addresses:
            seen.more(address, 50)
    for address in addresses:
        assert alone not in seen.owners(address)
        assert set(seen.owners(address)) == {owner}
        assert seen.double(address) == 0
        assert seen.late_claims(address) == ()
        assert seen.silence(address) < SLOWEST


def test_two_nodes_that_do_not_hear_each_other_hear_of_each_other(lab, addresses):
    lab.settle()
    one, two = lab.nodes[:2]
    with lab.recording(*addresses) as seen:
        for address in addresses:
            seen.more(address, 10)
        started = time.time()
        layer2_lab.deafen(lab, one, two)
        try:
            for address in addresses:
                seen.more(address, 150)  # three times as long as it takes to hold somebody for dead
        finally:
            layer2_lab.undeafen(lab, one)
    assert lab.said("speaker lost", started) == ()
    assert {each: len(seen.owners(each)) for each in addresses} == dict.fromkeys(addresses, 1)


def test_when_nobody_hears_anybody_all_are_silent_and_then_one_answers(lab, addresses):
    """The price of never having two: without gossip there is no majority, though everybody lives."""
    lab.settle()
    with lab.recording(*addresses) as seen:
        for address in addresses:
            seen.more(address, 10)
        started = time.time()
        for node in lab.nodes:
            layer2_lab.deafen(lab, node)
        try:
            until("everybody is fenced", lambda: all(lab.fenced(node, started) for node in lab.nodes))
            silent_from = max(lab.fenced(node, started) for node in lab.nodes) + 0.002
            asked = len(seen.all("asked"))
            until("100 more questions", lambda: len(seen.all("asked")) > asked + 100)
            # Only about these: kernels go on answering for the nodes' own addresses.
            answers = [each for address in addresses for each in seen.answers(address)]
            assert answers
            assert [each for each in answers if each.time > silent_from] == []
        finally:
            for node in lab.nodes:
                layer2_lab.undeafen(lab, node)
        for address in addresses:
            seen.more(address, 50)
        lab.settle()
    for address in addresses:
        assert seen.double(address) == 0
        assert seen.late_claims(address) == ()


def test_the_kubernetes_api_is_not_needed_for_a_takeover(lab, addresses):
    lab.settle()
    lab.order("stop", "*/relay")
    try:
        with lab.recording(*addresses) as seen:
            for address in addresses:
                seen.more(address, 10)
            owner = seen.owner(addresses[0])
            lab.order("stop", f"{owner}/relay")
            lab.order("signal", f"{owner}/speaker", signal="KILL")
            for address in addresses:
                seen.moved(address, owner)
                seen.more(address, 50)
    finally:
        lab.order("start", "*/relay")
    lab.settle()
    for address in addresses:
        assert seen.double(address) == 0
        assert seen.late_claims(address) == ()
        assert seen.silence(address) < SLOWEST


def test_of_two_nodes_the_one_that_is_left_takes_over(cluster, lab, addresses):
    with lab.recording(*addresses) as seen:
        seen.more(addresses[0], 5)
    leaving = next(node for node in lab.nodes if node != seen.owner(addresses[0]))
    pod = cluster.call("GET", f"{PODS}/speaker-{leaving}")
    lab.order("stop", f"{leaving}/speaker")
    cluster.call("DELETE", f"{PODS}/speaker-{leaving}")
    two = [node for node in lab.nodes if node != leaving]
    try:
        done = layer2_lab.fail_over(lab, KILLED, addresses, two)
    finally:
        kept = {key: value for key, value in pod["metadata"].items() if key in ("name", "namespace", "labels")}
        cluster.apply({**pod, "metadata": kept})
        lab.order("start", f"{leaving}/speaker")
    check(done, addresses)
    assert {done.owner, done.heir} == set(two)
    lab.settle()


def test_two_clusters_on_one_segment_never_join(cluster, lab, addresses, tmp_path):
    """Even where the first one takes the other one's speaker for one of its own: that one does not know the secret."""
    lab.settle()
    with lab.recording(*addresses, *second_cluster.ADDRESSES, hears_gossip=True) as seen:
        for address in addresses:
            seen.more(address, 10)
        owner = seen.owner(addresses[0])
        started = time.time()
        with second_cluster.running(lab, tmp_path) as second:
            for address in second_cluster.ADDRESSES:
                until("the second cluster answers", lambda a=address: seen.owner(a))
            cluster.apply(second_cluster.speaker_pod())
            try:
                until(
                    "the first cluster talks to the second one",
                    lambda: len([each for each in seen.all("gossip") if each.station == second_cluster.IP]) > 30,
                )
                for address in (*addresses, *second_cluster.ADDRESSES):
                    seen.more(address, 50)
            finally:
                cluster.call("DELETE", f"{PODS}/speaker-{second_cluster.NODE}")
            assert second.members() == {second_cluster.NODE}
    assert [each for each in lab.said("speaker found", started) if each.fields["member"] == second_cluster.NODE] == []
    assert lab.said("speaker lost", started) == ()
    assert {each: seen.owners(each) for each in addresses} == dict.fromkeys(addresses, (owner,))
    for address in second_cluster.ADDRESSES:
        assert seen.owners(address) == (second_cluster.MAC,)


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_twenty_times(lab, addresses, fault):
    for _ in range(20):
        check(layer2_lab.fail_over(lab, fault, addresses), addresses)


@pytest.mark.long
def test_a_thousand_addresses_are_balanced_as_the_hash_gives_and_a_third_moves(lab):
    layer2_lab.fill(lab, range(1000))
    wanted = {address: elected(address, lab.nodes) for address in layer2_lab.numbered(1000)}
    with lab.recording(*wanted, every=0.5) as seen:
        until("all are answered for", lambda: all(seen.owner(each) for each in wanted), 120, 0.1)
    for order in ("stop", "start"):
        lab.order(order, "*/speaker")
    with lab.recording(*wanted, every=0.5) as seen:
        until("all are answered for", lambda: all(seen.owner(each) for each in wanted), 60, 0.1)
        found = {address: seen.owner(address) for address in wanted}
        assert found == wanted
        shares = {node: list(found.values()).count(node) for node in lab.nodes}
        assert min(shares.values()) > 250
        lab.settle()
        dead = lab.nodes[0]
        lab.order("signal", f"{dead}/speaker", signal="KILL")
        left = [node for node in lab.nodes if node != dead]
        after = {address: elected(address, left if node == dead else lab.nodes) for address, node in wanted.items()}
        until(
            "all are answered for by others", lambda: all(seen.owner(each) == after[each] for each in wanted), 30, 0.1
        )
    for address, node in wanted.items():
        assert seen.owners(address) == ((node, after[address]) if node == dead else (node,))


def elected(address: str, nodes) -> str:
    """The order of the election, written down a second time: docs/layer2.md."""
    return min(nodes, key=lambda node: hashlib.sha256(f"{node}#{address}".encode()).digest())
