"""The status objects that speakers write, on the in-memory twin and on the API server there is: what we write is what it keeps."""

import asyncio
import contextlib
import dataclasses
import json
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from frr_adapter import effects, errors, refs
from frr_adapter.api import crds
from frr_adapter.boundary import clock, decoders, kube, own_object, paths, perform, ports, service_status, watch
from speaker.core import service_status as ledgers
from tests.fakes import cluster
from tests.performing import one_by_one

pytestmark = pytest.mark.contract

NAMESPACE = "metallb-system"
PREFIXES = {"ServiceBGPStatus": "bgp-", "ServiceL2Status": "l2-"}
OF_NODES = paths.KINDS["NodeBGPStatus"].collection(NAMESPACE)


def collection(kind: str) -> str:
    return paths.KINDS[kind].collection(NAMESPACE)


@pytest.fixture(params=service_status.KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def namespace() -> str:
    """Every test has services of its own, for the same reason."""
    return f"ns-{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=["twin", "API server"])
def kubeconfig(request) -> Path | None:
    return request.getfixturevalue("kube_api").kubeconfig if request.param == "API server" else None


@pytest.fixture
async def port(kubeconfig) -> AsyncIterator[ports.KubePort]:
    if kubeconfig is None:
        yield cluster.Cluster()
        return
    async with await kube.Kube.connect(kubeconfig) as connected:
        namespace = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": NAMESPACE}}
        with contextlib.suppress(errors.KubernetesError):
            await connected.create("/api/v1/namespaces", namespace)
        for document in crds.documents():
            with contextlib.suppress(errors.KubernetesError):
                await connected.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", document)
        for path in (*map(collection, service_status.KINDS), OF_NODES):
            await eventually(lambda path=path: served(connected, path))
        yield connected


async def served(port: ports.KubePort, path: str) -> bool:
    with contextlib.suppress(errors.KubernetesError):
        await port.get(path)
        return True
    return False


async def eventually(holds: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.02)


@pytest.fixture
def node() -> str:
    """Every test has a node of its own, because the API outlives the test."""
    return f"n-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def owner(port) -> dict:
    """Something that exists, as a real API server collects what has lost its owner."""
    name = f"o-{uuid.uuid4().hex[:12]}"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}}
    made = json.loads(await port.create(paths.KINDS["ConfigMap"].collection(NAMESPACE), body))
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": made["metadata"]["uid"]}


@pytest.fixture
def performer(port, node, owner) -> perform.Performer:
    return perform.Performer(port, clock.SystemClock(), perform.Author("metallb-speaker", node, owner))


class Keeper:
    """A ledger that follows the API and asks a performer, as the speaker's loop does."""

    def __init__(self, performer: perform.Performer, kind: str, node: str, owner: str) -> None:
        self.ledger = ledgers.Ledger(kind, node, NAMESPACE, owner, is_sole=kind == "ServiceL2Status")
        self.performer = performer
        self.wanted: dict[str, tuple[str, ...]] = {}
        self.written: list[effects.WriteAnnouncementStatus] = []

    def take(self, event: watch.WatchEvent) -> None:
        now = asyncio.get_running_loop().time()
        match event:
            case watch.Listed():
                self.ledger.listed()
            case watch.Upserted(decoded=newest):
                self.ledger.seen(newest.value, now)
            case watch.Deleted(ref=ref):
                self.ledger.gone(ref, now)

    async def step(self) -> None:
        for effect in self.ledger.unsaid(self.wanted, asyncio.get_running_loop().time()):
            self.written.append(effect)
            failure = await self.performer.perform(effect)
            done = self.ledger.performed if failure is None else self.ledger.failed
            done(effect, asyncio.get_running_loop().time())


@contextlib.asynccontextmanager
async def keeping(
    port: ports.KubePort, performer: perform.Performer, kind: str, node: str, owner: dict
) -> AsyncIterator[Keeper]:
    made = Keeper(performer, kind, node, owner["uid"])
    resource = service_status.resource(kind, node, NAMESPACE)
    task = asyncio.create_task(watch.follow(port, resource, decoders.DECODERS[kind], made.take))
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def keeper(port, performer, kind, node, owner) -> AsyncIterator[Keeper]:
    async with keeping(port, performer, kind, node, owner) as made:
        yield made


async def listed(port: ports.KubePort, kind: str, label: str) -> list[dict]:
    return json.loads(await port.get(collection(kind), {"labelSelector": label}))["items"]


def names(kind: str, status: dict) -> tuple[str, ...]:
    return tuple(status.get("peers", ())) if kind == "ServiceBGPStatus" else interfaces(status)


def interfaces(status: dict) -> tuple[str, ...]:
    return tuple(each["name"] for each in status.get("interfaces", ()))


async def told(port: ports.KubePort, keeper: Keeper, kind: str, node: str) -> dict[str, tuple[str, ...]]:
    await keeper.step()
    return {
        "/".join(each.get("status", {}).get(field, "") for field in ("serviceNamespace", "serviceName")): names(
            kind, each.get("status", {})
        )
        for each in await listed(port, kind, f"metallb.io/node={node}")
    }


async def test_the_objects_of_services_are_kept_true(port, keeper, kind, node, owner, namespace):
    async def says(expected: dict[str, tuple[str, ...]]) -> bool:
        found = await told(port, keeper, kind, node)
        return found == expected and len(await mine()) == len(expected)

    async def mine() -> list[dict]:
        return await listed(port, kind, f"metallb.io/node={node}")

    web, other = f"{namespace}/web", f"{namespace}/other"
    keeper.wanted = {web: ("tor1", "tor2"), other: ("tor1",)}
    await eventually(lambda: says(keeper.wanted))
    for each in await mine():
        assert each["metadata"]["name"].startswith(PREFIXES[kind])
        assert [found["uid"] for found in each["metadata"]["ownerReferences"]] == [owner["uid"]]
        assert each["status"]["node"] == node
    assert len(keeper.written) == 2

    keeper.wanted = {web: ("tor2",)}
    await eventually(lambda: says(keeper.wanted))
    (object_,) = await mine()
    ref = refs.ObjectRef(kind, NAMESPACE, object_["metadata"]["name"])

    body = {"status": {"peers": ["evil"], "interfaces": [{"name": "evil"}]}}
    await port.patch(paths.path_of(ref, "status"), body, ports.Patch.MERGE)
    await eventually(lambda: says(keeper.wanted))
    body = {"metadata": {"ownerReferences": None}}
    await port.patch(paths.path_of(ref), body, ports.Patch.MERGE)

    async def is_owned() -> bool:
        await keeper.step()
        (found,) = await mine()
        return [each["uid"] for each in found["metadata"].get("ownerReferences") or ()] == [owner["uid"]]

    await eventually(is_owned)
    await port.delete(paths.path_of(ref))
    await eventually(lambda: says(keeper.wanted))

    keeper.wanted = {}
    await eventually(lambda: says({}))
    written = len(keeper.written)
    await keeper.step()
    assert len(keeper.written) == written


async def test_an_object_that_speaks_of_another_service_is_replaced(port, keeper, kind, node, namespace):
    labels = {
        "metallb.io/node": node,
        "metallb.io/service-name": "web",
        "metallb.io/service-namespace": namespace,
    }
    meta = {"name": f"x-{uuid.uuid4().hex[:8]}", "namespace": NAMESPACE, "labels": labels}
    await port.create(collection(kind), {"apiVersion": paths.METALLB, "kind": kind, "metadata": meta})
    ref = refs.ObjectRef(kind, NAMESPACE, meta["name"])
    body = {"status": {"node": node, "serviceName": "else", "serviceNamespace": namespace}}
    await port.patch(paths.path_of(ref, "status"), body, ports.Patch.MERGE)
    keeper.wanted = {f"{namespace}/web": ("tor1",)}

    async def is_replaced() -> bool:
        return await told(port, keeper, kind, node) == keeper.wanted

    await eventually(is_replaced)
    (object_,) = await listed(port, kind, f"metallb.io/node={node}")
    assert object_["metadata"]["name"] != meta["name"]


async def test_the_layer_2_object_of_a_service_moves_with_its_announcer(port, performer, node, owner, namespace):
    kind, service = "ServiceL2Status", f"{namespace}/web"
    label = f"metallb.io/service-namespace={namespace}"
    async with (
        keeping(port, performer, kind, node, owner) as one,
        keeping(port, performer, kind, f"{node}-b", owner) as two,
    ):

        async def stands(at: str, *on: str) -> bool:
            await asyncio.gather(one.step(), two.step())
            found = [each.get("status", {}) for each in await listed(port, kind, label)]
            return [(each.get("node"), interfaces(each)) for each in found] == [(at, on)]

        one.wanted = {service: ("bond[01]", "eth0")}
        await eventually(lambda: stands(node, "bond[01]", "eth0"))
        one.wanted = {service: ()}
        await eventually(lambda: stands(node))
        (object_,) = await listed(port, kind, label)
        assert "interfaces" not in object_["status"]
        two.wanted = {service: ("eth0",)}  # the new announcer acts before the old one knows
        await eventually(lambda: stands(f"{node}-b", "eth0"))
        one.wanted = {}
        await eventually(lambda: stands(f"{node}-b", "eth0"))
        one.wanted, two.wanted = {service: ("eth1",)}, {}
        await eventually(lambda: stands(node, "eth1"))
        one.wanted = {}

        async def is_gone() -> bool:
            await asyncio.gather(one.step(), two.step())
            return not await listed(port, kind, label)

        await eventually(is_gone)
        written = len(one.written) + len(two.written)
        await asyncio.gather(one.step(), two.step())
        assert len(one.written) + len(two.written) == written


async def test_the_object_of_a_node_is_written_changed_and_left_alone(port, performer, node):
    ref = refs.ObjectRef("NodeBGPStatus", NAMESPACE, node)
    changes = 0

    def changed() -> None:
        nonlocal changes
        changes += 1

    task = asyncio.create_task(own_object.follow(port, ref, changed))
    up = effects.SessionStatus("10.99.0.1", "default", ("tor",), "Established", "Up")
    cable = effects.SessionStatus("eth1", "default", (), "Unknown", "N/A", "Interface down")
    labels = (("metallb.io/component-type", "speaker"), ("metallb.io/node-name", node))
    start = effects.WriteNodeBgpStatus(
        ref, labels, "8.4.4", True, "aaa", "bbb", "Refused", "hot", "line 7", ("10.99.0.1: AS changed",), (up, cable)
    )
    assert await one_by_one(performer, [start]) == ()
    first = json.loads(await port.get(paths.path_of(ref)))
    status = first["status"]
    assert (status["established"], status["frr"]) == ("1/2", {"version": "8.4.4", "up": True})
    assert {"state": "Refused", "way": "hot", "lastError": "line 7"}.items() <= status["configuration"].items()
    assert [(each["neighbor"], each["bfd"], each["peers"]) for each in status["sessions"]] == [
        ("10.99.0.1", "Up", ["tor"]),
        ("eth1", "N/A", []),
    ]
    assert await one_by_one(performer, [start]) == ()
    assert (
        json.loads(await port.get(paths.path_of(ref)))["metadata"]["resourceVersion"]
        == (first["metadata"]["resourceVersion"])
    )
    down = dataclasses.replace(
        start,
        frr_version="",
        is_frr_up=False,
        applied="",
        state="Applying",
        way="",
        last_error="",
        resets=(),
        sessions=(),
    )
    assert await one_by_one(performer, [down]) == ()
    status = json.loads(await port.get(paths.path_of(ref)))["status"]
    assert (status["established"], status["frr"]) == ("0/0", {"version": "", "up": False})
    assert status["configuration"].keys() == {"state", "wanted", "applied", "lastAppliedTime", "lastResets"}
    assert (list(status["sessions"]), list(status["configuration"]["lastResets"])) == ([], [])
    await eventually(lambda: changes > 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await port.delete(paths.path_of(ref))


async def test_kubectl_shows_the_columns(kubectl, kube_api, tmp_path):
    async with await kube.Kube.connect(kube_api.kubeconfig) as connected:
        for document in crds.documents():
            with contextlib.suppress(errors.KubernetesError):
                await connected.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", document)
        await eventually(lambda: served(connected, OF_NODES))
        namespace = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": NAMESPACE}}
        with contextlib.suppress(errors.KubernetesError):
            await connected.create("/api/v1/namespaces", namespace)
        name = f"n-{uuid.uuid4().hex[:12]}"
        ref = refs.ObjectRef("NodeBGPStatus", NAMESPACE, name)
        tor = effects.SessionStatus("10.99.0.1", "default", ("tor",), "Established", "Up")
        wanted = effects.WriteNodeBgpStatus(ref, (), "8.4.4", True, "a", "a", "Applied", "hot", "", (), (tor,))
        writer = perform.Performer(connected, clock.SystemClock(), perform.Author("metallb-speaker", name))
        assert await one_by_one(writer, [wanted]) == ()
        code, out, err = await kubectl("get", "nodebgpstatuses", name, f"--namespace={NAMESPACE}")
        assert code == 0, err
        lines = [line.split() for line in out.splitlines()]
        assert lines[0] == ["NAME", "NODE", "STATE", "ESTABLISHED", "ERROR", "AGE"]
        assert lines[1][:4] == [name, name, "Applied", "1/1"]
        await connected.delete(paths.path_of(ref))
