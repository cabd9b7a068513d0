"""Least privilege: both programs do everything they can with only the chart's roles, and need every one of their verbs."""

import asyncio
import contextlib

import aiohttp
import pytest

from frr_adapter.api import crds
from tests import chart
from tests.contract import charted_program, conftest, rights, test_chart

pytestmark = pytest.mark.contract

SECURE = {"prometheus": {"secure": True}}
SERVICES = "default"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{chart.NAMESPACE}/leases/frr-adapter-controller"


@pytest.fixture
async def api(own_api):
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(own_api.url, timeout=timeout, headers=own_api.headers) as session:
        client = conftest.Client(own_api, session, chart.NAMESPACE)
        for path, body in (
            ("/api/v1/namespaces", {"metadata": {"name": chart.NAMESPACE}}),
            ("/api/v1/nodes", {"metadata": {"name": charted_program.NODE}}),
        ):
            answer = await client.post(path, body)
            assert answer.status in (201, 409), answer.body
        yield client


@contextlib.asynccontextmanager
async def installed(api, values):
    """The chart on the server; the webhook is asked nothing, because nothing here leads to a Service."""
    with test_chart.engine(api.kube) as engine:
        await asyncio.to_thread(engine.install, str(chart.CHART), chart.RELEASE, values)
        try:
            found = await api.get(test_chart.HOOKS)
            if found.status == 200:
                nowhere = {"matchExpressions": [{"key": "nowhere", "operator": "Exists"}]}
                hooks = [{**each, "namespaceSelector": nowhere} for each in found.body["webhooks"]]
                (await api.patch(test_chart.HOOKS, {"webhooks": hooks})).ok()
            for each in crds.KINDS:
                collection = api.path(each.plural, group="metallb.io", version=each.version)
                await api.eventually(collection, lambda answer: answer.status == 200)
            yield chart.rendered(values)
        finally:
            await asyncio.to_thread(engine.uninstall, chart.RELEASE)
            for path in (test_chart.SECRET, api.path("secrets", "metallb-webhook-cert"), LEASE):
                await api.delete(path)


SERVICE = f"/api/v1/namespaces/{SERVICES}/services/web"


async def make_service(api):
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    (await api.post(SERVICE.rpartition("/")[0], {"metadata": {"name": "web"}, "spec": spec})).ok(201)


def has_address(answer):
    return bool(answer.body.get("status", {}).get("loadBalancer", {}).get("ingress"))


async def remade(api, path, change):
    """Somebody edits an object by hand, and it is put right."""
    (await api.patch(path, change)).ok()
    return await api.eventually(path, lambda answer: bool(answer.body["metadata"].get("labels")))


@pytest.fixture
async def service(api):
    await make_service(api)
    yield
    await api.delete(SERVICE)


async def test_the_controller_does_everything_with_its_roles_and_needs_all_of_them(api, service, tmp_path):
    async with installed(api, SECURE) as documents:
        controller = charted_program.Program(api, documents, "controller", tmp_path / "controller")
        async with controller.running():
            (await api.post(test_chart.POOLS, test_chart.POOL)).ok(201)
            await api.eventually(SERVICE, has_address)
            await api.eventually(test_chart.SECRET, lambda answer: answer.status == 200)

            # What it made is edited or deleted by somebody.
            state = api.path("configurationstates", "controller", group="metallb.io", version="v1beta1")
            await api.eventually(state, lambda answer: bool(answer.body.get("status", {}).get("result")))
            await remade(api, state, {"metadata": {"labels": None}})
            certificate = api.path("secrets", "metallb-webhook-cert")
            await api.eventually(certificate, lambda answer: answer.status == 200)
            (await api.patch(certificate, {"data": {"tls.crt": ""}})).ok()
            await api.eventually(certificate, lambda answer: bool(answer.body["data"]["tls.crt"]))
            await api.eventually(test_chart.HOOKS, is_trusted)

            # The same event twice is counted up.
            (await api.patch(SERVICE, {"spec": {"type": "ClusterIP"}})).ok()
            await api.eventually(SERVICE, lambda answer: not has_address(answer))
            (await api.patch(SERVICE, {"spec": {"type": "LoadBalancer"}})).ok()
            await api.eventually(SERVICE, has_address)
            for verb, resource in (("patch", "events"), ("patch", "leases"), ("watch", "leases")):
                await controller.asked(verb, resource)
            await controller.asked("patch", "customresourcedefinitions")
            assert await controller.scraped() == 403
        await api.delete(f"{test_chart.POOLS}/p")
        controller.assert_least()


def is_trusted(answer):
    return all(each["clientConfig"].get("caBundle") for each in answer.body["webhooks"])


async def test_a_controller_that_only_reviews_has_less(api, tmp_path):
    async with installed(api, chart.SETTINGS["webhook only"]) as documents:
        controller = charted_program.Program(api, documents, "controller", tmp_path / "controller")
        async with controller.running():
            certificate = api.path("secrets", "metallb-webhook-cert")
            await api.eventually(certificate, lambda answer: answer.status == 200)
            (await api.patch(certificate, {"data": {"tls.crt": ""}})).ok()
            await api.eventually(certificate, lambda answer: bool(answer.body["data"]["tls.crt"]))
            await api.eventually(test_chart.HOOKS, is_trusted)
            await controller.asked("watch", "secrets")
            await controller.asked("patch", "customresourcedefinitions")
            assert await reviewed() is True
        controller.assert_least()


async def reviewed():
    """Whether a new pool is allowed, as the API server would ask."""
    pool = {**test_chart.POOL, "metadata": {"name": "p", "namespace": chart.NAMESPACE}}
    kind = {"group": "metallb.io", "version": "v1beta1", "kind": "IPAddressPool"}
    request = {
        "uid": "u",
        "kind": kind,
        "operation": "CREATE",
        "namespace": chart.NAMESPACE,
        "name": "p",
        "object": pool,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    url = f"https://127.0.0.1:{charted_program.WEBHOOK_PORT}/validate-metallb-io-v1beta1-ipaddresspool"
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while True:
            async with session.post(url, json=review, ssl=False) as answer:
                if answer.status == 200:
                    return (await answer.json())["response"]["allowed"]
            await asyncio.sleep(0.05)  # it does not know the Nodes yet


STATUSES = ("configurationstates", "nodebgpstatuses", "servicebgpstatuses", "servicel2statuses")
ENDPOINTS = f"/apis/discovery.k8s.io/v1/namespaces/{SERVICES}/endpointslices/web"


def ours(api, kind, name, version="v1beta1", *, plural="", labels=None, **more):
    """Where an object of ours is created, and the object."""
    meta = {"name": name, "labels": labels or {}}
    body = {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": meta, **more}
    return api.path(plural or f"{kind.lower()}s", group="metallb.io", version=version), body


@contextlib.asynccontextmanager
async def announced(api):
    """A Service with an address and an endpoint on the node, and everything to announce it by."""
    router = {"myASN": 64600, "peerASN": 64512, "peerAddress": "192.0.2.2"}
    objects = [
        (test_chart.POOLS, test_chart.POOL),
        ours(api, "L2Advertisement", "all"),
        ours(api, "BGPAdvertisement", "all"),
        ours(api, "BGPPeer", "router", "v1beta2", spec=router),
        (
            ENDPOINTS.rpartition("/")[0],
            {
                "metadata": {"name": "web", "labels": {"kubernetes.io/service-name": "web"}},
                "addressType": "IPv4",
                "endpoints": [
                    {"addresses": ["10.0.0.1"], "nodeName": charted_program.NODE, "conditions": {"ready": True}}
                ],
                "ports": [{"port": 80}],
            },
        ),
    ]
    for collection, body in objects:
        (await api.post(collection, body)).ok(201)
    try:
        (await api.patch(f"{SERVICE}/status", {"status": {"loadBalancer": {"ingress": [{"ip": "198.18.0.1"}]}}})).ok()
        yield
    finally:
        for collection, body in objects:
            await api.delete(f"{collection}/{body['metadata']['name']}")
        for plural in STATUSES:  # nobody collects what has lost its owner beside a bare kube-apiserver
            await api.delete(api.path(plural, group="metallb.io", version="v1beta1"))


async def only(api, plural):
    """The one status object of that kind, once it says something."""
    collection = api.path(plural, group="metallb.io", version="v1beta1")
    found = await api.eventually(
        collection, lambda answer: [each for each in answer.body["items"] if each.get("status", {}).get("node")]
    )
    (item,) = found.body["items"]
    return f"{collection}/{item['metadata']['name']}"


async def leave_behind(api):
    """A status object of a speaker with BGP that was here before."""
    labels = {"node": charted_program.NODE, "service-name": "web", "service-namespace": SERVICES}
    labels = {f"metallb.io/{key}": value for key, value in labels.items()}
    (await api.post(*ours(api, "ServiceBGPStatus", "bgp-old", plural="servicebgpstatuses", labels=labels))).ok(201)


@pytest.mark.parametrize("has_bgp", [True, False], ids=["BGP, layer 2, membership", "layer 2 alone"])
async def test_a_speaker_does_everything_with_its_roles_and_needs_all_of_them(api, service, tmp_path, has_bgp):
    values = {
        "speaker": {"frr": {"enabled": has_bgp}, "memberlist": {"enabled": has_bgp}},
        **(SECURE if has_bgp else {}),
    }
    with charted_program.network() as path:
        async with installed(api, values) as documents, announced(api):
            if not has_bgp:
                await leave_behind(api)
            speaker = charted_program.Program(api, documents, "speaker", tmp_path / "speaker", path)
            secret = tmp_path / "speaker/secret"
            secret.mkdir(parents=True)
            (secret / "secretkey").write_text("a secret of some length")
            async with speaker.running():
                plurals = ["servicel2statuses", *(["servicebgpstatuses"] if has_bgp else [])]
                for plural in plurals:
                    mine = await only(api, plural)
                    (await api.patch(mine, {"metadata": {"ownerReferences": None}})).ok()
                    await api.eventually(mine, lambda answer: bool(answer.body["metadata"].get("ownerReferences")))
                states = [
                    ("configurationstates", f"speaker-{charted_program.NODE}"),
                    *([("nodebgpstatuses", charted_program.NODE)] if has_bgp else []),
                ]
                for plural, object_name in states:
                    state = api.path(plural, object_name, group="metallb.io", version="v1beta1")
                    await api.eventually(state, lambda answer: bool(answer.body.get("status")))
                    await remade(api, state, {"metadata": {"labels": None}})

                # Endpoints go and come: what was said goes, and the same event comes twice.
                for is_ready in (False, True):
                    endpoint = {
                        "addresses": ["10.0.0.1"],
                        "nodeName": charted_program.NODE,
                        "conditions": {"ready": is_ready},
                    }
                    (await api.patch(ENDPOINTS, {"endpoints": [endpoint]})).ok()
                    for plural in plurals:
                        await (speaker.asked("delete", plural) if not is_ready else only(api, plural))
                await speaker.asked("patch", "events")
                await speaker.asked("delete", "servicebgpstatuses")
                assert not has_bgp or await speaker.scraped() == 403
            speaker.assert_least()


def test_requests_are_read_as_rbac_reads_them():
    asked = rights.asked
    assert asked("GET", "/version", {}) is None
    assert asked("GET", "/api/v1/nodes", {}) == rights.Asked("list", "", "nodes", "", "")
    assert asked("GET", "/api/v1/nodes", {"watch": "true"}) == rights.Asked("watch", "", "nodes", "", "")
    path = "/apis/metallb.io/v1beta1/namespaces/m/ipaddresspools/p/status"
    assert asked("PATCH", path, {}) == rights.Asked("patch", "metallb.io", "ipaddresspools/status", "m", "p")
    named = {"watch": "1", "fieldSelector": "metadata.name=x"}
    found = asked("GET", "/apis/coordination.k8s.io/v1/namespaces/m/leases", named)
    assert found == rights.Asked("watch", "coordination.k8s.io", "leases", "m", "x")
    assert asked("DELETE", "/api/v1/namespaces/m/secrets", {}).verb == "deletecollection"
    assert asked("GET", "/api/v1/namespaces/m", {}) == rights.Asked("get", "", "namespaces", "", "m")


def test_a_grant_that_is_too_wide_is_noticed():
    wide, home = rights.Grant("list", "", "secrets", "", ""), rights.Asked("list", "", "secrets", "m", "")
    assert wide.covers(home)
    gate = rights.Gate(None, "a", "m", frozenset({wide}), None, {home})
    assert gate.unused() == [wide]
    narrow = rights.Gate(None, "a", "m", frozenset({rights.Grant("list", "", "secrets", "m", "")}), None, {home})
    assert narrow.unused() == []
