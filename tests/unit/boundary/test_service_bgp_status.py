"""ServiceBGPStatus objects: made, changed and removed, and read again as they were meant."""

import dataclasses
import json

import pytest

from frr_adapter import effects, errors, refs
from frr_adapter.boundary import perform, retry, service_bgp_status
from frr_adapter.decode import status as decode
from tests.fakes import clock
from tests.performing import one_by_one

PACE = retry.Pace(first=0.001, longest=0.01, attempts=2)
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "speaker-x", "uid": "u1"}
START = effects.WriteServiceBgpStatus(
    refs.ObjectRef("Service", "default", "web"), "metallb-system", "n1", ("tor1", "tor2")
)


@pytest.fixture
def performer(world):
    return perform.Performer(world, clock.ManualClock(), perform.Author("metallb-speaker", "n1", OWNER), PACE)


def the_one(world):
    (found,) = world.all("ServiceBGPStatus")
    return found


def read(document):
    return decode.decode_service_bgp_status(json.dumps(document).encode()).value


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
    assert (value.peers, value.owners) == (("tor1", "tor2"), ("u1",))


async def test_a_change_of_peers_is_one_request(world, performer):
    await one_by_one(performer, [START])
    world.writes.clear()
    name = the_one(world)["metadata"]["name"]
    await one_by_one(performer, [dataclasses.replace(START, name=name, peers=("tor2",))])
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
    gone = dataclasses.replace(START, peers=(), surplus=(name, "bgp-never"))
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
    assert (value.service, value.about, value.peers) == ("default/web", ("", "", ""), ())


@pytest.mark.parametrize("status", [{"peers": "tor"}, 5, {"node": ["n1"]}], ids=["peers", "no object", "node"])
def test_nonsense_counts_as_nothing_said(status):
    meta = {"name": "bgp-a", "namespace": "metallb-system", "resourceVersion": "1", "labels": {"metallb.io/node": "n1"}}
    value = read({"metadata": meta, "status": status})
    assert (value.service, value.about, value.peers, value.owners) == ("/", ("", "", ""), (), ())


def test_only_the_objects_of_the_node_are_followed():
    resource = service_bgp_status.resource("n1", "metallb-system")
    assert resource.query == {"labelSelector": "metallb.io/node=n1"}
    assert resource.path == "/apis/metallb.io/v1beta1/namespaces/metallb-system/servicebgpstatuses"
