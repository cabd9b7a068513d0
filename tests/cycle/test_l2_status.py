"""ServiceL2Status objects on an in-memory cluster: they follow the holder of an address, whoever that is, and never stand in its way."""

import ipaddress

import pytest

from frr_adapter import errors, refs
from tests.cycle import world
from tests.cycle.objects import advertisement, endpoints, metadata, node, pool, service
from tests.fakes.cluster import Cluster

OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "speaker-x", "uid": "u1"}
ADDRESS = ipaddress.ip_address("192.0.2.0")
INTERFACES = [{"name": "bond[01]"}, {"name": "eth0"}]


def cluster(*more) -> Cluster:
    made = Cluster()
    for document in (
        node("n1"),
        node("n2"),
        pool(),
        advertisement("L2Advertisement", interfaces=["eth0", "bond[01]"]),
        service("web", ips=(str(ADDRESS),)),
        endpoints("web", "n1", "n2"),
        *more,
    ):
        made.put(document)
    return made


def told(made: Cluster) -> dict[str, tuple[str, list | None]]:
    """Service -> node and interfaces; each object must stand alone for its service."""
    found = {}
    for each in made.all("ServiceL2Status"):
        status = each.get("status", {})
        key = "/".join(str(status.get(field)) for field in ("serviceNamespace", "serviceName"))
        assert key not in found
        found[key] = (status.get("node"), status.get("interfaces"))
    return found


def the_one(made: Cluster) -> dict:
    (found,) = made.all("ServiceL2Status")
    return found


def writes(made: Cluster) -> list[str]:
    return [write.method for write in made.writes if "servicel2" in write.path]


def is_told_by(made: Cluster, name: str) -> bool:
    found = made.all("ServiceL2Status")
    return [each.get("status", {}).get("node") for each in found] == [name]


def stray(name: str, of_node: str, of_service: str = "web", **status) -> dict:
    labels = {
        "metallb.io/node": of_node,
        "metallb.io/service-name": of_service,
        "metallb.io/service-namespace": "default",
    }
    return {"kind": "ServiceL2Status", "metadata": metadata(name, world.NAMESPACE, labels=labels), "status": status}


async def test_the_holder_tells_it_with_labels_owner_and_sorted_interfaces():
    made = cluster()
    async with world.speaker(made, "n1", owner=OWNER) as first, world.speaker(made, "n2", owner=OWNER) as second:
        await first.settle()
        await second.settle()
        await world.eventually(lambda: len(made.all("ServiceL2Status")) == 1 and "status" in the_one(made))
        holder = "n1" if ADDRESS in first.announcer.held() else "n2"
        await first.settle()
        await second.settle()
        assert told(made) == {"default/web": (holder, INTERFACES)}
        meta = the_one(made)["metadata"]
        assert meta["name"].startswith("l2-")
        assert meta["ownerReferences"] == [OWNER]
        assert meta["labels"] == {
            "metallb.io/node": holder,
            "metallb.io/service-name": "web",
            "metallb.io/service-namespace": "default",
        }
        assert writes(made) == ["POST", "PATCH"]


async def test_the_object_follows_interfaces_and_services():
    made = cluster(endpoints("web", "n2"), node("n1"))
    made.remove(refs.ObjectRef("Node", "", "n2"))
    async with world.speaker(made) as program:
        await world.eventually(lambda: told(made) == {"default/web": ("n1", INTERFACES)})
        name = the_one(made)["metadata"]["name"]
        made.put(advertisement("L2Advertisement"))
        await world.eventually(lambda: told(made) == {"default/web": ("n1", None)})
        made.put(advertisement("L2Advertisement", interfaces=["eth*"]))
        await world.eventually(lambda: told(made) == {"default/web": ("n1", [{"name": "eth*"}])})
        assert the_one(made)["metadata"]["name"] == name
        made.put(endpoints("web", "n1", ready=False))
        await world.eventually(lambda: told(made) == {})
        await program.settle()
        made.put(endpoints("web", "n1"))
        await world.eventually(lambda: told(made) == {"default/web": ("n1", [{"name": "eth*"}])})
        made.remove(refs.ObjectRef("Service", "default", "web"))
        await world.eventually(lambda: told(made) == {})
        await program.settle()


async def test_it_moves_with_the_address_and_what_is_only_wanted_is_not_told():
    made = cluster()
    made.remove(refs.ObjectRef("Node", "", "n2"))
    async with world.speaker(made) as program:
        program.announcer.elsewhere.add(ADDRESS)
        made.put(stray("l2-other", "n2", node="n2", serviceName="web", serviceNamespace="default"))
        program.loop.poke()
        await world.eventually(lambda: is_told_by(made, "n2"))
        await program.settle()
        assert [each["metadata"]["name"] for each in made.all("ServiceL2Status")] == ["l2-other"]
        program.announcer.elsewhere.clear()
        program.loop.poke()
        await world.eventually(lambda: is_told_by(made, "n1"))
        await program.settle()
        program.announcer.elsewhere.add(ADDRESS)
        program.loop.poke()
        await world.eventually(lambda: told(made) == {})
        await program.settle()


async def test_two_speakers_hand_over_and_agree_in_the_end():
    made = cluster()
    async with world.speaker(made, "n1") as first, world.speaker(made, "n2") as second:
        programs = {"n1": first, "n2": second}
        await world.eventually(lambda: len(told(made)) == 1 and is_told_by(made, told(made)["default/web"][0]))
        holder = told(made)["default/web"][0]
        other = {"n1": "n2", "n2": "n1"}[holder]
        for loser, gainer in ((holder, other), (other, holder)):
            made.put(node(loser, **{"node.kubernetes.io/exclude-from-external-load-balancers": ""}))
            await world.eventually(lambda gainer=gainer: is_told_by(made, gainer), 10)
            for program in programs.values():
                await program.settle()
            assert is_told_by(made, gainer)
            made.put(node(loser))
            programs[gainer].announcer.elsewhere.clear()
            await world.eventually(lambda: len(made.all("ServiceL2Status")) == 1)


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document["status"].update(interfaces=[{"name": "evil"}]),
        lambda document: document["status"].pop("interfaces"),
        lambda document: document.pop("status"),
        lambda document: document["metadata"].pop("ownerReferences"),
    ],
    ids=["interfaces", "no interfaces", "no status", "owner"],
)
async def test_an_edited_object_is_put_right(edit):
    made = cluster()
    made.remove(refs.ObjectRef("Node", "", "n2"))
    async with world.speaker(made, owner=OWNER) as program:
        await world.eventually(lambda: told(made) == {"default/web": ("n1", INTERFACES)})
        await program.settle()
        document = the_one(made)
        name = document["metadata"]["name"]
        edit(document)
        made.put(document)
        await world.eventually(
            lambda: (
                told(made) == {"default/web": ("n1", INTERFACES)}
                and the_one(made)["metadata"].get("ownerReferences") == [OWNER]
            )
        )
        await program.settle()
        assert the_one(made)["metadata"]["name"] == name


async def test_a_deleted_object_is_made_again_and_duplicates_go():
    made = cluster()
    made.remove(refs.ObjectRef("Node", "", "n2"))
    async with world.speaker(made) as program:
        await world.eventually(lambda: is_told_by(made, "n1"))
        await program.settle()
        made.remove(refs.ObjectRef("ServiceL2Status", world.NAMESPACE, the_one(made)["metadata"]["name"]))
        await world.eventually(lambda: is_told_by(made, "n1"))
        await program.settle()
        made.put(stray("l2-mine", "n1"))
        made.put(stray("l2-dead", "n9", node="n9"))
        made.put(stray("l2-elsewhere", "n9", "unknown", node="n9"))
        await world.eventually(lambda: len(made.all("ServiceL2Status")) == 2)
        await program.settle()
        assert {each["metadata"]["labels"]["metallb.io/node"] for each in made.all("ServiceL2Status")} == {"n1", "n9"}


async def test_a_restart_puts_right_what_is_there_and_writes_no_more_than_that():
    made = cluster(service("old", ips=("192.0.2.1",)), endpoints("old", "n1"))
    made.remove(refs.ObjectRef("Node", "", "n2"))
    async with world.speaker(made, owner=OWNER) as program:
        await world.eventually(lambda: len(told(made)) == 2)
        await program.settle()
    made.writes.clear()
    made.put(service("new", ips=("192.0.2.2",)))
    made.put(endpoints("new", "n1"))
    async with world.speaker(made, owner=OWNER) as program:
        await world.eventually(lambda: len(told(made)) == 3)
        await program.settle()
        assert writes(made) == ["POST", "PATCH"]
    made.remove(refs.ObjectRef("Service", "default", "new"))
    made.remove(refs.ObjectRef("Service", "default", "old"))
    made.writes.clear()
    successor = {**OWNER, "name": "speaker-y", "uid": "u2"}
    async with world.speaker(made, owner=successor) as program:
        await world.eventually(lambda: len(told(made)) == 1 and len(writes(made)) == 4)
        await program.settle()
        assert the_one(made)["metadata"]["ownerReferences"] == [successor]
        assert sorted(writes(made)) == ["DELETE", "DELETE", "PATCH", "PATCH"]


async def test_what_the_predecessor_left_stays_while_addresses_are_asked_for():
    made = cluster()
    made.remove(refs.ObjectRef("Node", "", "n2"))
    async with world.speaker(made) as program:
        await world.eventually(lambda: is_told_by(made, "n1"))
        await program.settle()
    made.writes.clear()
    async with world.speaker(made) as program:
        program.announcer.elsewhere.add(ADDRESS)  # not held yet
        await world.eventually(lambda: program.loop.unready() == ())
        program.announcer.elsewhere.clear()
        made.put(service("new", ips=("192.0.2.2",)))
        made.put(endpoints("new", "n1"))
        await world.eventually(lambda: len(told(made)) == 2)
        await program.settle()
        assert writes(made) == ["POST", "PATCH"]


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_without_the_kind_everything_else_works(status):
    made = cluster(service("more", ips=("192.0.2.1",)))
    made.remove(refs.ObjectRef("Node", "", "n2"))
    missing = errors.KubernetesError(status, "Because", "no such kind")
    made.refuse = lambda _method, path: missing if "servicel2statuses" in path else None
    async with world.speaker(made) as program:
        await world.eventually(lambda: program.loop.unready() == ())
        made.put(endpoints("more", "n1"))
        await world.eventually(lambda: len(program.announcer.plans[-1].entries) == 2)
        assert len(program.announcer.held()) == 2
        assert writes(made) == []


async def test_a_write_that_fails_is_tried_again():
    made = cluster()
    made.remove(refs.ObjectRef("Node", "", "n2"))
    broken = errors.KubernetesError(403, "Forbidden", "not yet")
    made.refuse = lambda method, path: broken if method == "POST" and "servicel2" in path else None
    async with world.speaker(made) as program:
        await world.eventually(lambda: bool(writes(made)))
        assert made.all("ServiceL2Status") == []
        made.refuse = lambda _method, _path: None
        await world.eventually(lambda: is_told_by(made, "n1"))
        await program.settle()
