"""Layer 2 in the speaker's cycle: who owns an address while the cluster changes, and strangers that claim one."""

import ipaddress

import pytest

from frr_adapter import refs
from speaker import links
from speaker.core import election
from tests.cycle import world
from tests.cycle.objects import advertisement, endpoints, node, pool, service
from tests.fakes.cluster import Cluster

A, B = ipaddress.ip_address("192.0.2.0"), ipaddress.ip_address("192.0.2.1")
MAC, OTHER = (links.parse_mac(f"02:00:00:00:00:{number:02x}") for number in (0x99, 0x9A))
WEB, MORE = (refs.ObjectRef("Service", "default", name) for name in ("web", "more"))


def cluster() -> Cluster:
    made = Cluster()
    both = [(service(name, ips=(ip,)), endpoints(name, "n1")) for name, ip in (("web", str(A)), ("more", str(B)))]
    for document in (node("n1"), pool(), advertisement("L2Advertisement"), *both[0], *both[1]):
        made.put(document)
    return made


def conflicts(program: world.Program) -> list[tuple[str, str, int]]:
    """Service, text and count of each event."""
    return sorted(
        (each["involvedObject"]["name"], each["message"], each["count"])
        for each in program.cluster.all("Event")
        if each["reason"] == "addressConflict"
    )


async def hear(program: world.Program, *found: links.Rival) -> None:
    program.announcer.strangers = found
    program.loop.poke()
    await program.settle()


async def test_a_stranger_that_claims_an_address_is_told_on_the_service_once():
    first = ("web", '"192.0.2.0" is also claimed by 02:00:00:00:00:99, as node "n1" hears', 1)
    async with world.speaker(cluster()) as program:
        await program.settle()
        await hear(program, links.Rival(A, MAC, 1))
        assert conflicts(program) == [first]
        assert [each["type"] for each in program.cluster.all("Event") if each["reason"] == "addressConflict"] == [
            "Warning"
        ]
        await hear(program, links.Rival(A, MAC, 500))
        assert conflicts(program) == [first]
        await hear(program, links.Rival(A, MAC, 501), links.Rival(A, OTHER, 1))
        second = ("web", '"192.0.2.0" is also claimed by 02:00:00:00:00:9a, as node "n1" hears', 1)
        assert conflicts(program) == [first, second]
        await hear(program, links.Rival(A, MAC, 501, is_present=False), links.Rival(A, OTHER, 1))
        assert conflicts(program) == [first, second]
        await hear(program, links.Rival(A, MAC, 502), links.Rival(A, OTHER, 1))
        assert conflicts(program) == [(*first[:2], 2), second]  # it was silent for long, and is back


async def test_a_stranger_that_has_the_address_keeps_it_from_being_announced():
    async with world.speaker(cluster()) as program:
        program.announcer.elsewhere.add(B)
        await program.settle()
        await hear(program, links.Rival(B, MAC, 3))
        text = '"192.0.2.1" cannot be announced from node "n1": 02:00:00:00:00:99 answers for it'
        assert conflicts(program) == [("more", text, 1)]
        assert program.metric("metallb_speaker_announced", service="default/more") is None
        assert program.metric("metallb_speaker_announced", service="default/web") == 1


async def test_services_that_share_the_address_are_all_told():
    made = cluster()
    shared = {"metallb.io/allow-shared-ip": "key"}
    for name, port in (("web", 80), ("more", 443)):
        made.put(service(name, ips=(str(A),), annotations=shared, ports=[{"port": port, "protocol": "TCP"}]))
    async with world.speaker(made) as program:
        await program.settle()
        await hear(program, links.Rival(A, MAC, 1))
        assert [name for name, _, _ in conflicts(program)] == ["more", "web"]


FIRST, SECOND = election.order(["n1", "n2"], A, {})


def pair(*more) -> Cluster:
    made = cluster()
    made.put(node("n2"))
    for document in more:
        made.put(document)
    return made


def cut_off(name: str) -> dict:
    return {**node(name), "status": {"conditions": [{"type": "NetworkUnavailable", "status": "True"}]}}


@pytest.mark.parametrize("owner", ["keep", "hash"])
@pytest.mark.parametrize(
    "gone",
    [None, cut_off(FIRST), node(FIRST, **{"node.kubernetes.io/exclude-from-external-load-balancers": ""})],
    ids=["T62 deleted", "network unavailable", "excluded"],
)
async def test_the_second_takes_over_from_a_node_that_may_not_and_gives_back_only_by_the_hash(gone, owner):
    made = pair()
    async with world.speaker(made, SECOND, f"--l2-owner={owner}") as program:
        await program.settle()
        assert A not in program.announcer.held()
        made.remove(refs.ObjectRef("Node", "", FIRST)) if gone is None else made.put(gone)
        await world.eventually(lambda: A in program.announcer.held())
        await program.settle()
        assert program.metric("metallb_speaker_announced", service="default/web") == 1
        made.put(node(FIRST))
        await world.eventually(lambda: (A in program.announcer.held()) is (owner == "keep"))
        await program.settle()
        assert (A in program.announcer.held()) is (owner == "keep")


async def test_cordoning_moves_nothing():
    made = pair()
    async with world.speaker(made, FIRST) as program:
        await program.settle()
        made.put({**node(FIRST), "spec": {"unschedulable": True}})
        await program.settle()
        assert A in program.announcer.held()


SLICES = [
    ("L2 ready on each, two slices", [("n1", {"ready": True}), None, ("n2", {"ready": True})], {"n1", "n2"}),
    ("L3 ready on each, one slice", [("n1", {"ready": True}), ("n2", {"ready": True})], {"n1", "n2"}),
    ("L4 two on one", [("n1", {"ready": True}), ("n1", {"ready": True})], {"n1"}),
    ("L5 two on one, one unready", [("n1", {"ready": True}), ("n1", {"ready": False})], {"n1"}),
    (
        "L6 serving, not ready",
        [("n1", {"ready": False, "serving": True}), ("n2", {"ready": False, "serving": True})],
        {"n1", "n2"},
    ),
    (
        "L7 ready, not serving",
        [("n1", {"ready": True, "serving": False}), ("n2", {"ready": True, "serving": False})],
        {"n1", "n2"},
    ),
    ("nothing said", [("n2", {})], {"n2"}),
    ("unready", [("n1", {"ready": False}), ("n2", {"ready": False, "serving": False})], set()),
]


def slices(name: str, rows) -> list[dict]:
    """EndpointSlices with these endpoints; None begins another slice."""
    found: list[list[dict]] = [[]]
    for number, row in enumerate(rows, 1):
        if row is None:
            found.append([])
        else:
            found[-1].append({"addresses": [f"10.244.0.{number}"], "nodeName": row[0], "conditions": row[1]})
    base = endpoints(name)
    return [
        {**base, "metadata": {**base["metadata"], "name": f"{name}-{number}"}, "endpoints": each}
        for number, each in enumerate(found, 1)
    ]


@pytest.mark.parametrize(("rows", "able"), [row[1:] for row in SLICES], ids=[row[0] for row in SLICES])
async def test_a_local_service_is_announced_where_endpoints_are_usable(rows, able):
    local = service("web", ips=(str(A),), externalTrafficPolicy="Local")
    made = pair(local, *slices("web", rows))
    holding = []
    for name in ("n1", "n2"):
        async with world.speaker(made, name) as program:
            await program.settle()
            holding += [name] if A in program.announcer.held() else []
    assert holding == list(election.order(able, A, {})[:1])
