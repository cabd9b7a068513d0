"""The status objects of a speaker on an in-memory cluster: written, kept true, and never in the way of announcing."""

import contextlib
import dataclasses

import pytest

from frr_adapter import errors, refs
from frr_adapter.frr import refusal, reloading, show
from speaker import values
from speaker.core import node_status
from tests.cycle import world
from tests.cycle.objects import advertisement, endpoints, metadata, node, peer, pool, service
from tests.fakes.cluster import Cluster

NODE_STATUS = refs.ObjectRef("NodeBGPStatus", world.NAMESPACE, "n1")
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "speaker-x", "uid": "u1"}


def cluster(*more) -> Cluster:
    made = Cluster()
    for document in (
        node("n1"),
        node("n2"),
        pool(),
        peer("tor1"),
        peer("tor2", peerAddress="10.99.0.2"),
        advertisement("BGPAdvertisement"),
        service("web", ips=("192.0.2.0",)),
        endpoints("web", "n2"),
        *more,
    ):
        made.put(document)
    return made


def told(made: Cluster) -> dict[str, tuple[str, ...]]:
    """Node and service -> peers; each object must stand alone for its pair."""
    found = {}
    for each in made.all("ServiceBGPStatus"):
        status = each.get("status", {})
        key = "/".join(str(status.get(field)) for field in ("node", "serviceNamespace", "serviceName"))
        assert key not in found
        found[key] = tuple(status.get("peers", ()))
    return found


def the_one(made: Cluster) -> dict:
    (found,) = made.all("ServiceBGPStatus")
    return found


def status_of_node(made: Cluster) -> dict:
    return (made.read(NODE_STATUS) or {}).get("status", {})


async def test_every_announced_service_has_one_object_for_the_node():
    made = cluster(service("more", ips=("192.0.2.1",)), endpoints("more", "n1"), service("silent", ips=("192.0.2.2",)))
    async with world.speaker(made, owner=OWNER) as program:
        await program.settle()
        both = ("tor1", "tor2")
        assert told(made) == {"n1/default/web": both, "n1/default/more": both}
        for each in made.all("ServiceBGPStatus"):
            assert each["metadata"]["ownerReferences"] == [OWNER]
            assert each["metadata"]["labels"]["metallb.io/node"] == "n1"


async def test_the_objects_follow_services_advertisements_and_peers():
    made = cluster()
    async with world.speaker(made) as program:
        await program.settle()
        name = the_one(made)["metadata"]["name"]
        made.put(advertisement("BGPAdvertisement", peers=["tor2"]))
        await world.eventually(lambda: told(made) == {"n1/default/web": ("tor2",)})
        made.put(advertisement("BGPAdvertisement"))
        await world.eventually(lambda: told(made) == {"n1/default/web": ("tor1", "tor2")})
        made.remove(refs.ObjectRef("BGPPeer", world.NAMESPACE, "tor1"))
        await world.eventually(lambda: told(made) == {"n1/default/web": ("tor2",)})
        assert the_one(made)["metadata"]["name"] == name
        made.put(endpoints("web", "n2", ready=False))
        await world.eventually(lambda: told(made) == {})
        await program.settle()
        made.put(endpoints("web", "n2"))
        await world.eventually(lambda: told(made) == {"n1/default/web": ("tor2",)})
        made.remove(refs.ObjectRef("Service", "default", "web"))
        await world.eventually(lambda: told(made) == {})
        await program.settle()


async def test_two_speakers_keep_to_their_own_objects():
    made = cluster()
    async with world.speaker(made) as first, world.speaker(made, "n2") as second:
        await first.settle()
        await second.settle()
        both = ("tor1", "tor2")
        assert told(made) == {"n1/default/web": both, "n2/default/web": both}
        made.remove(refs.ObjectRef("Service", "default", "web"))
        await world.eventually(lambda: told(made) == {})


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document["status"].update(peers=["evil"]),
        lambda document: document["status"].update(peers=[]),
        lambda document: document.pop("status"),
        lambda document: document["metadata"].pop("ownerReferences"),
    ],
    ids=["peers", "no peers", "no status", "owner"],
)
async def test_an_edited_object_is_put_right(edit):
    made = cluster()
    async with world.speaker(made, owner=OWNER) as program:
        await program.settle()
        before = the_one(made)
        document = the_one(made)
        edit(document)
        made.put(document)
        await world.eventually(
            lambda: (
                [the_one(made)[key] for key in ("status",) if "status" in the_one(made)] == [before["status"]]
                and the_one(made)["metadata"].get("ownerReferences") == [OWNER]
            )
        )
        await program.settle()
        assert the_one(made)["metadata"]["name"] == before["metadata"]["name"]


async def test_a_deleted_object_is_made_again_and_a_duplicate_goes():
    made = cluster()
    async with world.speaker(made) as program:
        await program.settle()
        first = the_one(made)
        made.remove(refs.ObjectRef("ServiceBGPStatus", world.NAMESPACE, first["metadata"]["name"]))
        await world.eventually(lambda: told(made) == {"n1/default/web": ("tor1", "tor2")})
        labels = first["metadata"]["labels"]
        double = metadata("bgp-double", world.NAMESPACE, labels=labels)
        made.put({"kind": "ServiceBGPStatus", "metadata": double, "status": {"peers": ["tor1"]}})
        await world.eventually(lambda: len(made.all("ServiceBGPStatus")) == 1)
        await program.settle()
        assert told(made) == {"n1/default/web": ("tor1", "tor2")}


async def test_a_restarted_speaker_removes_what_is_no_longer_announced_and_keeps_the_rest():
    made = cluster(service("old", ips=("192.0.2.1",)), endpoints("old", "n1"))
    async with world.speaker(made, owner=OWNER) as program:
        await program.settle()
    kept = {each["metadata"]["name"] for each in made.all("ServiceBGPStatus") if each["status"]["serviceName"] == "web"}
    made.remove(refs.ObjectRef("Service", "default", "old"))
    made.writes.clear()
    successor = {**OWNER, "name": "speaker-y", "uid": "u2"}
    async with world.speaker(made, owner=successor) as program:
        await program.settle()
        assert {the_one(made)["metadata"]["name"]} == kept
        assert the_one(made)["metadata"]["ownerReferences"] == [successor]
        assert [write.method for write in made.writes if "servicebgp" in write.path] == ["DELETE", "PATCH", "PATCH"]


async def test_a_restart_without_news_writes_nothing_about_services():
    made = cluster()
    async with world.speaker(made, owner=OWNER) as program:
        await program.settle()
    made.writes.clear()
    async with world.speaker(made, owner=OWNER) as program:
        await program.settle()
        assert [write for write in made.writes if "servicebgp" in write.path] == []


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_without_the_kinds_everything_else_works(status):
    made = cluster()
    missing = errors.KubernetesError(status, "Because", "no such kind")
    made.refuse = lambda _method, path: missing if "bgpstatuses" in path else None
    async with contextlib.AsyncExitStack() as stack:
        program = await stack.enter_async_context(world.speaker(made))
        await world.eventually(lambda: program.loop.unready() == ())
        made.put(service("more", ips=("192.0.2.1",)))
        made.put(endpoints("more", "n1"))
        await world.eventually(lambda: len(program.applier.applied) == 2)
        assert [write for write in made.writes if "servicebgp" in write.path] == []


async def test_a_write_that_fails_is_tried_again():
    made = cluster()
    broken = errors.KubernetesError(403, "Forbidden", "not yet")
    made.refuse = lambda method, path: broken if method == "POST" and "bgpstatuses" in path else None
    async with world.speaker(made) as program:
        await world.eventually(lambda: any("servicebgp" in write.path for write in made.writes))
        assert made.all("ServiceBGPStatus") == []
        made.refuse = lambda _method, _path: None
        await world.eventually(lambda: told(made) == {"n1/default/web": ("tor1", "tor2")})
        await world.eventually(lambda: status_of_node(made).get("node") == "n1")
        await program.settle()


# The object of the node


SESSIONS = (show.Session("default", "10.99.0.1", "Established"), show.Session("default", "10.99.0.2", "Active"))


async def test_the_node_tells_its_configuration_and_its_sessions():
    made = cluster()
    async with world.speaker(made, owner=OWNER) as program:
        await program.settle()
        program.loop.observed(values.Observation(SESSIONS))
        await world.eventually(lambda: status_of_node(made).get("established") == "1/2")
        await program.settle()
        written = made.read(NODE_STATUS)
        assert written["metadata"]["ownerReferences"] == [OWNER]
        status = written["status"]
        assert (status["node"], status["frr"]["up"]) == ("n1", True)
        configuration = status["configuration"]
        assert (configuration["state"], configuration["way"]) == ("Applied", "reload")
        assert configuration["wanted"] == configuration["applied"] != ""
        assert [(each["neighbor"], list(each["peers"]), each["state"], each["bfd"]) for each in status["sessions"]] == [
            ("10.99.0.1", ["tor1"], "Established", "N/A"),
            ("10.99.0.2", ["tor2"], "Active", "N/A"),
        ]
        before = len(made.writes)
        program.loop.observed(values.Observation(tuple(dataclasses.replace(each, port=179) for each in SESSIONS)))
        await program.settle()
        assert len(made.writes) == before


async def test_a_refusal_is_told_until_it_is_over():
    made = cluster()
    async with world.speaker(made) as program:
        await program.settle()
        good = status_of_node(made)["configuration"]
        program.applier.refusal = "FRR refused the configuration: line 7"
        made.put(service("more", ips=("192.0.2.1",)))
        made.put(endpoints("more", "n1"))
        await world.eventually(lambda: status_of_node(made)["configuration"]["state"] == "Refused")
        configuration = status_of_node(made)["configuration"]
        assert "line 7" in configuration["lastError"]
        assert configuration["applied"] == good["applied"] != configuration["wanted"]
        program.applier.refusal = ""
        await world.eventually(lambda: status_of_node(made)["configuration"]["state"] == "Applied")
        assert "lastError" not in status_of_node(made)["configuration"]
        await program.settle()


async def test_frr_that_goes_down_is_told():
    made = cluster()
    async with world.speaker(made) as program:
        await program.settle()
        program.loop.observed(values.Observation(SESSIONS))
        program.bgp.down("bgpd closed its socket")
        program.loop.observed(values.NOTHING_OBSERVED)
        await world.eventually(lambda: status_of_node(made).get("frr") == {"version": "", "up": False})
        status = status_of_node(made)
        assert status["configuration"]["state"] == "Applying"
        assert status["configuration"]["lastError"] == "FRR does not answer: bgpd closed its socket"
        assert status["configuration"]["applied"] == ""
        assert {each["state"] for each in status["sessions"]} == {node_status.UNKNOWN}
        program.bgp.up()
        await world.eventually(lambda: status_of_node(made)["configuration"]["state"] == "Applied")


async def test_resets_and_version_are_those_that_the_applier_reports():
    made = cluster()
    async with world.speaker(made) as program:
        await program.settle()
        program.loop.applied(
            reloading.ApplyReport(way=reloading.Way.HOT, resets=("10.99.0.1: AS changed",), version="10.3")
        )
        await world.eventually(lambda: status_of_node(made)["frr"]["version"] == "10.3")
        configuration = status_of_node(made)["configuration"]
        assert (configuration["way"], list(configuration["lastResets"])) == ("hot", ["10.99.0.1: AS changed"])


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document["status"]["configuration"].update(state="Refused"),
        lambda document: document["status"].update(sessions=[]),
        lambda document: document.pop("status"),
        lambda document: document["metadata"].pop("labels"),
    ],
    ids=["state", "no sessions", "no status", "labels"],
)
async def test_the_nodes_object_heals(edit):
    made = cluster()
    async with world.speaker(made) as program:
        await program.settle()
        before = made.read(NODE_STATUS)
        document = made.read(NODE_STATUS)
        edit(document)
        made.put(document)

        def shown(found: dict) -> tuple:
            status = found.get("status", {})
            return found["metadata"].get("labels"), status.get("configuration"), len(status.get("sessions", ()))

        await world.eventually(lambda: shown(made.read(NODE_STATUS)) == shown(before))
        made.remove(NODE_STATUS)
        await world.eventually(lambda: status_of_node(made).get("node") == "n1")
        await program.settle()


async def test_many_changes_are_few_writes():
    made = cluster(*(service(f"s{number}") for number in range(40)), pool("more", "198.51.100.0/24"))
    async with world.speaker(made) as program:
        await program.settle()
        made.writes.clear()
        for number in range(40):
            made.put(service(f"s{number}", ips=(f"198.51.100.{number}",)))
            made.put(endpoints(f"s{number}", "n1"))
            await world.eventually(lambda: len(program.loop._routes) > 1)
        await world.eventually(lambda: len(told(made)) == 41)
        await program.settle()
        of_services = [write.method for write in made.writes if "servicebgp" in write.path]
        assert (of_services.count("POST"), of_services.count("PATCH"), len(of_services)) == (40, 40, 80)
        assert len([write for write in made.writes if "nodebgp" in write.path]) < 20


async def test_what_frr_refuses_is_told_on_the_object_and_in_the_nodes_status():
    made = cluster()
    extras = refs.ObjectRef("ConfigMap", world.NAMESPACE, "bgpextras")
    tor1 = refs.ObjectRef("BGPPeer", world.NAMESPACE, "tor1")
    async with world.speaker(made) as program:
        await program.settle()
        left_out = refusal.LeftOut((tor1,), refusal.Refusal("router bgp 64600 / neighbor x", "% Invalid"))
        for _ in range(2):
            program.loop.applied(reloading.ApplyReport(left_out=(left_out,)))
            await world.eventually(lambda: "lastError" in status_of_node(made)["configuration"])
        assert program.events("ConfigurationRefused") == [f'node "n1": {left_out.message}']
        (event,) = [each for each in made.all("Event") if each["reason"] == "ConfigurationRefused"]
        assert (event["type"], event["count"], event["involvedObject"]["name"]) == ("Warning", 1, "tor1")
        assert event["involvedObject"]["uid"] == made.read(tor1)["metadata"]["uid"]
        configuration = status_of_node(made)["configuration"]
        assert configuration["state"] == "Applied"
        assert "BGPPeer metallb-system/tor1: spec: FRR refused" in configuration["lastError"]
        program.loop.applied(refusal.RefusedError("FRR refused the configuration", (), (extras,)))
        await world.eventually(lambda: len(program.events("ConfigurationRefused")) == 2)
        program.loop.applied(reloading.ApplyReport())
        await world.eventually(lambda: "lastError" not in status_of_node(made)["configuration"])
