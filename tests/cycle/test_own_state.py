"""Objects that the programs keep for people heal by themselves: ConfigurationState of both, and the counters of pools."""

import contextlib

import pytest

from frr_adapter import refs
from tests.cycle import world
from tests.cycle.objects import node, pool, service
from tests.fakes.cluster import Cluster

CONTROLLER = refs.ObjectRef("ConfigurationState", world.NAMESPACE, "controller")
SPEAKER = refs.ObjectRef("ConfigurationState", world.NAMESPACE, "speaker-n1")
POOL = refs.ObjectRef("IPAddressPool", world.NAMESPACE, "default")


@pytest.fixture(params=[CONTROLLER, SPEAKER], ids=["controller", "speaker"])
async def scene(request):
    """A running program, its cluster, and its object."""
    made = Cluster()
    for document in (pool(), pool("bad", "300.0.0.0/24"), node("n1")):
        made.put(document)
    make = world.controller if request.param is CONTROLLER else world.speaker
    async with make(made) as program:
        await program.settle()
        yield program, made, request.param


def told(document: dict | None) -> tuple:
    """Everything that the program says in it; times are left out."""
    if document is None:
        return ()
    status = document.get("status", {})
    conditions = [{**each, "lastTransitionTime": ""} for each in status.get("conditions", [])]
    return document["metadata"].get("labels"), status.get("result"), status.get("errorSummary"), conditions


async def test_a_deleted_object_is_written_again(scene):
    program, made, ref = scene
    before = made.read(ref)
    assert before["status"]["result"] == "Invalid"
    made.remove(ref)
    await world.eventually(lambda: told(made.read(ref)) == told(before))
    await program.settle()
    assert made.read(ref)["metadata"]["uid"] != before["metadata"]["uid"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document["status"].update(result="Valid", errorSummary=""),
        lambda document: document["status"]["conditions"][0].update(status="True", reason="Reconciled", message="fine"),
        lambda document: document["status"].update(conditions=[]),
        lambda document: document.pop("status"),
        lambda document: document["metadata"].pop("labels"),
    ],
    ids=["result", "condition", "no conditions", "no status", "labels"],
)
async def test_an_edited_object_is_written_again(scene, edit):
    program, made, ref = scene
    before = made.read(ref)
    document = made.read(ref)
    edit(document)
    made.put(document)
    await world.eventually(lambda: told(made.read(ref)) == told(before))
    await program.settle()


async def test_what_others_add_is_left_alone(scene):
    program, made, ref = scene
    document = made.read(ref)
    document["metadata"]["labels"]["team"] = "net"
    made.put(document)
    await program.settle()
    assert made.read(ref)["metadata"]["labels"]["team"] == "net"


async def test_edited_counters_are_written_again():
    made = Cluster()
    for document in (pool(), service("web")):
        made.put(document)
    async with world.controller(made) as program:
        await program.settle()
        before = made.read(POOL)
        names = ("assignedIPv4", "assignedIPv6", "availableIPv4", "availableIPv6")
        for status in ({"status": dict.fromkeys(names, 7)}, {}):
            made.put({**{key: value for key, value in before.items() if key != "status"}, **status})
            await world.eventually(lambda: made.read(POOL).get("status") == before["status"])
            await program.settle()


async def test_a_cluster_without_the_kind_is_served_all_the_same():
    made = Cluster()
    for document in (pool(), service("web")):
        made.put(document)
    missing = world.errors.KubernetesError(404, "NotFound", "no such kind")
    made.refuse = lambda _method, path: missing if "configurationstates" in path else None
    async with contextlib.AsyncExitStack() as stack:
        program = await stack.enter_async_context(world.controller(made))
        await world.eventually(lambda: program.ips("web") == ["192.0.2.0"])
        assert program.loop.unready() == ()
