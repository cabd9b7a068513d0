"""What we rely on in a Kubernetes API, asked of the in-memory twin, of the twin over HTTP, and of the API server there is."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest
import yaml

from frr_adapter import effects, errors, refs
from frr_adapter.api import crds
from frr_adapter.boundary import clock, kube, paths, perform, ports, watch
from frr_adapter.decode import core
from tests.fakes import cluster
from tests.fakes import kube as fake_kube
from tests.performing import one_by_one

pytestmark = pytest.mark.contract

NAMESPACE = "metallb-system"
MAPS = paths.KINDS["ConfigMap"].collection(NAMESPACE)
POOLS = paths.KINDS["IPAddressPool"].collection(NAMESPACE)


def _plain(folder: Path, url: str) -> Path:
    names = {"cluster": "c", "user": "u"}
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": names}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(params=["twin", "twin over HTTP", "API server"])
def kubeconfig(request) -> Path | None:
    """Of a real API server; a fixture of its own because `kube_api` is not for a running event loop."""
    return request.getfixturevalue("kube_api").kubeconfig if request.param == "API server" else None


@pytest.fixture
async def port(request, kubeconfig, tmp_path) -> AsyncIterator[ports.KubePort]:
    if kubeconfig is not None:
        async with await kube.Kube.connect(kubeconfig) as connected:
            await _prepare(connected)
            yield connected
    elif request.node.callspec.params["kubeconfig"] == "twin":
        yield cluster.Cluster()
    else:
        async with (
            fake_kube.KubeServer(cluster.Cluster()) as server,
            await kube.Kube.connect(_plain(tmp_path, server.url)) as connected,
        ):
            yield connected


async def _prepare(port: ports.KubePort) -> None:
    with suppress(errors.KubernetesError):
        await port.get(POOLS)
        await port.get(f"/api/v1/namespaces/{NAMESPACE}")
        return
    with suppress(errors.KubernetesError):
        await port.create(
            "/api/v1/namespaces", {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": NAMESPACE}}
        )
    for document in crds.documents():
        with suppress(errors.KubernetesError):
            await port.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", document)
    async with asyncio.timeout(10):
        while True:
            with suppress(errors.KubernetesError):
                await port.get(POOLS)
                return
            await asyncio.sleep(0.05)


@pytest.fixture
def name() -> str:
    """Every test has objects of its own, because the API outlives the test."""
    return f"t-{uuid.uuid4().hex[:12]}"


def config_map(name: str, text: str = "", label: str = "") -> dict:
    meta = {"name": name, "namespace": NAMESPACE}
    if label:
        meta["labels"] = {"test": label}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"text": text}}


def service(name: str) -> dict:
    meta = {"name": name, "namespace": NAMESPACE, "annotations": {"mine": "kept"}}
    spec = {"type": "LoadBalancer", "selector": {"app": "x"}, "ports": [{"port": 80, "protocol": "TCP"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


async def read(port: ports.KubePort, ref: refs.ObjectRef) -> dict:
    return json.loads(await port.get(paths.path_of(ref)))


async def test_an_object_lives_through_create_get_update_and_delete(port, name):
    ref = refs.ObjectRef("ConfigMap", NAMESPACE, name)
    created = json.loads(await port.create(MAPS, config_map(name, "1")))
    assert created["metadata"]["uid"]
    updated = json.loads(await port.update(paths.path_of(ref), {**created, "data": {"text": "2"}}))
    assert updated["metadata"]["resourceVersion"] != created["metadata"]["resourceVersion"]
    assert (await read(port, ref))["data"] == {"text": "2"}
    await port.delete(paths.path_of(ref))
    with pytest.raises(errors.KubernetesError) as raised:
        await port.get(paths.path_of(ref))
    assert (raised.value.status, raised.value.reason) == (404, "NotFound")


async def test_conflicts_have_their_reasons(port, name):
    created = json.loads(await port.create(MAPS, config_map(name, "1")))
    path = paths.path_of(refs.ObjectRef("ConfigMap", NAMESPACE, name))
    with pytest.raises(errors.KubernetesError) as twice:
        await port.create(MAPS, config_map(name))
    await port.patch(path, {"data": {"text": "2"}}, ports.Patch.MERGE)
    with pytest.raises(errors.KubernetesError) as stale:
        await port.update(path, {**created, "data": {"text": "3"}})
    body = {"metadata": {"resourceVersion": created["metadata"]["resourceVersion"]}, "data": {"text": "3"}}
    with pytest.raises(errors.KubernetesError) as stale_patch:
        await port.patch(path, body, ports.Patch.MERGE)
    assert [(each.value.status, each.value.reason) for each in (twice, stale, stale_patch)] == [
        (409, "AlreadyExists"),
        (409, "Conflict"),
        (409, "Conflict"),
    ]


async def test_a_patch_that_changes_nothing_makes_no_new_version(port, name):
    created = json.loads(await port.create(MAPS, config_map(name, "1")))
    path = paths.path_of(refs.ObjectRef("ConfigMap", NAMESPACE, name))
    patched = json.loads(await port.patch(path, {"data": {"text": "1"}}, ports.Patch.MERGE))
    assert patched["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


async def test_lists_come_in_pages_of_one_version(port, name):
    for number in range(5):
        await port.create(MAPS, config_map(f"{name}-{number}", label=name))
    query = {"labelSelector": f"test={name}", "limit": "2"}
    names, versions = [], set()
    while True:
        page = json.loads(await port.get(MAPS, query))
        names += [item["metadata"]["name"] for item in page["items"]]
        versions.add(page["metadata"]["resourceVersion"])
        token = page["metadata"].get("continue")
        if not token:
            break
        assert len(page["items"]) == 2
        query = {**query, "continue": token}
    assert names == [f"{name}-{number}" for number in range(5)]
    assert len(versions) == 1


async def test_a_watch_tells_what_happened_after_a_version(port, name):
    ref = refs.ObjectRef("ConfigMap", NAMESPACE, name)
    version = json.loads(await port.get(MAPS))["metadata"]["resourceVersion"]
    await port.create(MAPS, config_map(name, "1", label=name))
    await port.patch(paths.path_of(ref), {"data": {"text": "2"}}, ports.Patch.MERGE)
    await port.delete(paths.path_of(ref))
    query = {"watch": "true", "resourceVersion": version, "labelSelector": f"test={name}", "timeoutSeconds": "5"}
    seen = []
    async with asyncio.timeout(10), aclosing(port.stream(MAPS, query)) as lines:
        async for line in lines:
            event = json.loads(line)
            seen.append((event["type"], event["object"]["data"]["text"]))
            if event["type"] == "DELETED":
                break
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


async def test_a_watch_ends_when_its_time_is_over(port):
    version = json.loads(await port.get(MAPS))["metadata"]["resourceVersion"]
    query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "1", "labelSelector": "test=nobody"}
    async with asyncio.timeout(10):
        lines = [json.loads(line) async for line in port.stream(MAPS, query)]
    assert [line["type"] for line in lines if line["type"] != "BOOKMARK"] == []


async def test_following_tells_the_present_and_the_future(port, name):
    ref = refs.ObjectRef("ConfigMap", NAMESPACE, name)
    await port.create(MAPS, config_map(name, "x" * 2**19, label=name))
    events: asyncio.Queue[watch.WatchEvent] = asyncio.Queue()
    resource = watch.Resource("ConfigMap", NAMESPACE, label_selector=f"test={name}")
    task = asyncio.create_task(watch.follow(port, resource, core.decode_config_map, events.put_nowait))
    try:
        async with asyncio.timeout(10):
            first = await events.get()
            assert first.decoded.value.data == (("text", "x" * 2**19),)
            assert await events.get() == watch.Listed("ConfigMap")
            await port.patch(paths.path_of(ref), {"data": {"text": "2"}}, ports.Patch.MERGE)
            assert (await events.get()).decoded.value.data == (("text", "2"),)
            await port.delete(paths.path_of(ref))
            assert await events.get() == watch.Deleted("ConfigMap", ref)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def performer(port) -> perform.Performer:
    return perform.Performer(port, clock.SystemClock(), perform.Author("metallb-controller", "controller-0"))


async def test_a_service_gets_and_loses_its_address_in_one_write_each(port, performer, name):
    ref = refs.ObjectRef("Service", NAMESPACE, name)
    created = json.loads(await port.create(paths.KINDS["Service"].collection(NAMESPACE), service(name)))
    uid, version = created["metadata"]["uid"], created["metadata"]["resourceVersion"]
    given = effects.WriteServiceStatus(ref, uid, version, ("198.51.100.1", "2001:db8:100::1"), "p")
    assert await one_by_one(performer, [given]) == ()
    after = await read(port, ref)
    assert [entry["ip"] for entry in after["status"]["loadBalancer"]["ingress"]] == ["198.51.100.1", "2001:db8:100::1"]
    assert after["metadata"]["annotations"] == {"mine": "kept", "metallb.io/ip-allocated-from-pool": "p"}
    assert after["spec"] == (created["spec"])

    (failure,) = await one_by_one(performer, [given])
    assert failure.is_ordinary
    taken = effects.WriteServiceStatus(ref, uid, after["metadata"]["resourceVersion"], (), None)
    assert await one_by_one(performer, [taken]) == ()
    after = await read(port, ref)
    assert not after["status"]["loadBalancer"].get("ingress")
    assert after["metadata"]["annotations"] == {"mine": "kept"}


async def test_another_uid_is_another_service(port, performer, name):
    collection = paths.KINDS["Service"].collection(NAMESPACE)
    gone = json.loads(await port.create(collection, service(name)))["metadata"]
    ref = refs.ObjectRef("Service", NAMESPACE, name)
    await port.delete(paths.path_of(ref))
    await port.create(collection, service(name))
    stranger = effects.WriteServiceStatus(ref, gone["uid"], gone["resourceVersion"], ("198.51.100.1",), "p")
    (failure,) = await one_by_one(performer, [stranger])
    assert (failure.error.status, failure.is_ordinary) == (409, True)


async def test_pool_counters(port, performer, name):
    ref = refs.ObjectRef("IPAddressPool", NAMESPACE, name)
    spec = {"addresses": ["198.51.100.0/24", "2001:db8:100::/64"]}
    meta = {"name": name, "namespace": NAMESPACE}
    await port.create(POOLS, {"apiVersion": paths.METALLB, "kind": "IPAddressPool", "metadata": meta, "spec": spec})
    assert await one_by_one(performer, [effects.WritePoolStatus(ref, 1, 2, 255, 2**63 - 1)]) == ()
    after = await read(port, ref)
    assert after["status"] == {
        "assignedIPv4": 1,
        "assignedIPv6": 2,
        "availableIPv4": 255,
        "availableIPv6": 2**63 - 1,
    }
    assert after["spec"]["addresses"] == spec["addresses"]


async def test_events_are_written_and_counted(port, performer, name):
    ref = refs.ObjectRef("Service", NAMESPACE, name)
    event = effects.EmitEvent(ref, str(uuid.uuid4()), effects.EventType.WARNING, "AllocationFailed", "no addresses")
    assert await one_by_one(performer, [event, event, event]) == ()
    found = json.loads(await port.get(paths.KINDS["Event"].collection(NAMESPACE)))["items"]
    mine = [each for each in found if each["involvedObject"]["name"] == name]
    assert [(each["count"], each["reason"], each["type"]) for each in mine] == [(3, "AllocationFailed", "Warning")]


async def test_a_configuration_state_is_created_applied_and_left_alone(port, performer, name):
    ref = refs.ObjectRef("ConfigurationState", NAMESPACE, name)
    labels = (("metallb.io/component-type", "speaker"), ("metallb.io/node-name", "n1"))

    def state(*messages: str) -> effects.WriteConfigurationState:
        return effects.WriteConfigurationState(ref, "configReconcilerValid", labels, messages)

    assert await one_by_one(performer, [state("one", "two")]) == ()
    first = await read(port, ref)
    assert (first["status"]["result"], first["status"]["errorSummary"]) == ("Invalid", "configuration error: one\ntwo")
    assert first["metadata"]["labels"] == dict(labels)
    assert await one_by_one(performer, [state("one", "two")]) == ()
    assert (await read(port, ref))["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert await one_by_one(performer, [state()]) == ()
    last = await read(port, ref)
    (condition,) = last["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "configReconcilerValid",
        "True",
        "Reconciled",
    )
    assert last["status"]["result"] == "Valid"
    assert not last["status"].get("errorSummary")
