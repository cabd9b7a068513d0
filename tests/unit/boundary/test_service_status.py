"""ServiceBGPStatus and ServiceL2Status objects: made, changed and removed, and read again as they were meant."""

import asyncio
import dataclasses
import json

import pytest

from frr_adapter import effects, errors, refs
from frr_adapter.boundary import decoders, outbox, perform, retry, service_status
from tests.fakes import clock
from tests.performing import one_by_one

PACE = retry.Pace(first=0.001, longest=0.01, attempts=2)
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "speaker-x", "uid": "u1"}
START = effects.WriteAnnouncementStatus(
    refs.ObjectRef("ServiceBGPStatus", "default", "web"), "metallb-system", "n1", ("tor1", "tor2")
)
LAYER2 = effects.WriteAnnouncementStatus(
    refs.ObjectRef("ServiceL2Status", "default", "web"), "metallb-system", "n1", ("bond[01]", "eth0")
)


@pytest.fixture
def performer(world):
    return perform.Performer(world, clock.ManualClock(), perform.Author("metallb-speaker", "n1", OWNER), PACE)


def the_one(world, kind="ServiceBGPStatus"):
    (found,) = world.all(kind)
    return found


def read(document, kind="ServiceBGPStatus"):
    return decoders.DECODERS[kind](json.dumps(document).encode()).value


async def test_an_object_is_made_with_labels_owner_and_status(world, performer):
    assert await one_by_one(performer, [START]) == ()
    written = the_one(world)
    assert written["metadata"]["name"].startswith("bgp-")
    assert written["metadata"]["labels"] == {
        "metallb.io/node": "n1",
        "metallb.io/service-name": "web",
        "metallb.io/service-namespace": "default",
    }
    assert written["metadata"]["ownerReferences"] == [OWNER]
    assert written["status"] == {
        "node": "n1",
        "serviceName": "web",
        "serviceNamespace": "default",
        "peers": ["tor1", "tor2"],
    }
    value = read(written)
    assert (value.service, value.node, value.about) == ("default/web", "n1", ("n1", "default", "web"))
    assert (value.said, value.owners) == (("tor1", "tor2"), ("u1",))


async def test_interfaces_are_named_and_absent_when_all_are_meant(world, performer):
    assert await one_by_one(performer, [LAYER2]) == ()
    written = the_one(world, "ServiceL2Status")
    assert written["metadata"]["name"].startswith("l2-")
    assert written["metadata"]["labels"]["metallb.io/service-name"] == "web"
    assert written["metadata"]["ownerReferences"] == [OWNER]
    about = {"node": "n1", "serviceName": "web", "serviceNamespace": "default"}
    assert written["status"] == {**about, "interfaces": [{"name": "bond[01]"}, {"name": "eth0"}]}
    value = read(written, "ServiceL2Status")
    assert (value.service, value.node, value.about) == ("default/web", "n1", ("n1", "default", "web"))
    assert (value.said, value.ref.kind) == (("bond[01]", "eth0"), "ServiceL2Status")
    name = written["metadata"]["name"]
    assert await one_by_one(performer, [dataclasses.replace(LAYER2, name=name, said=())]) == ()
    written = the_one(world, "ServiceL2Status")
    assert written["status"] == about
    value = read(written, "ServiceL2Status")
    assert (value.about, value.said) == (("n1", "default", "web"), ())


async def test_the_two_objects_of_one_service_do_not_displace_each_other(world, performer):
    box = outbox.Outbox(performer, lambda failures: pytest.fail(str(failures)))
    box.put([START, LAYER2])
    running = asyncio.create_task(box.run())
    async with asyncio.timeout(5):
        while not box.is_empty:
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert the_one(world)["status"]["peers"] == ["tor1", "tor2"]
    assert len(the_one(world, "ServiceL2Status")["status"]["interfaces"]) == 2


async def test_a_change_of_peers_is_one_request(world, performer):
    await one_by_one(performer, [START])
    world.writes.clear()
    name = the_one(world)["metadata"]["name"]
    await one_by_one(performer, [dataclasses.replace(START, name=name, said=("tor2",))])
    assert the_one(world)["status"]["peers"] == ["tor2"]
    assert [(write.method, write.path.rsplit("/", 1)[1]) for write in world.writes] == [("PATCH", "status")]


async def test_a_stray_object_gets_our_pod_as_its_owner(world, performer):
    await one_by_one(performer, [START])
    document = the_one(world)
    document["metadata"]["ownerReferences"] = [{**OWNER, "uid": "gone"}]
    world.put(document)
    await one_by_one(performer, [dataclasses.replace(START, name=document["metadata"]["name"], is_stray=True)])
    assert the_one(world)["metadata"]["ownerReferences"] == [OWNER]


async def test_without_peers_it_goes_and_what_is_gone_is_no_failure(world, performer):
    await one_by_one(performer, [START])
    name = the_one(world)["metadata"]["name"]
    gone = dataclasses.replace(START, said=None, surplus=(name, "bgp-never"))
    assert await one_by_one(performer, [gone]) == ()
    assert world.all("ServiceBGPStatus") == []


async def test_surplus_goes_first(world, performer):
    await one_by_one(performer, [START, START])
    first, second = (each["metadata"]["name"] for each in world.all("ServiceBGPStatus"))
    await one_by_one(performer, [dataclasses.replace(START, name=second, surplus=(first,))])
    assert the_one(world)["metadata"]["name"] == second


async def test_a_status_that_fails_is_a_failure_and_the_object_is_found_again(world, performer):
    broken = errors.KubernetesError(500, "InternalError", "etcd")
    world.refuse = lambda method, path: broken if method == "PATCH" and path.endswith("/status") else None
    (failure,) = await one_by_one(performer, [START])
    assert failure.effect is START
    value = read(the_one(world))
    assert (value.service, value.about, value.said) == ("default/web", ("", "", ""), ())


@pytest.mark.parametrize("kind", service_status.KINDS)
@pytest.mark.parametrize(
    "status",
    [{"peers": "tor", "interfaces": ["eth0"], "node": "n1"}, 5, {"node": ["n1"]}],
    ids=["names", "no object", "node"],
)
def test_nonsense_counts_as_nothing_said(status, kind):
    meta = {"name": "bgp-a", "namespace": "metallb-system", "resourceVersion": "1", "labels": {"metallb.io/node": "n1"}}
    value = read({"metadata": meta, "status": status}, kind)
    assert (value.service, value.about, value.said, value.owners) == ("/", ("", "", ""), (), ())


def test_of_layer_2_the_objects_of_all_nodes_are_followed():
    resource = service_status.resource("ServiceL2Status", "n1", "metallb-system")
    assert resource.query == {}
    assert resource.path == "/apis/metallb.io/v1beta1/namespaces/metallb-system/servicel2statuses"


def test_of_bgp_only_the_objects_of_the_node_are_followed():
    resource = service_status.resource("ServiceBGPStatus", "n1", "metallb-system")
    assert resource.query == {"labelSelector": "metallb.io/node=n1"}
    assert resource.path == "/apis/metallb.io/v1beta1/namespaces/metallb-system/servicebgpstatuses"
