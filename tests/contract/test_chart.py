"""The chart against an API server: every object is accepted, and the real Helm engine installs, upgrades, rolls back and removes it."""

import asyncio
import base64
import contextlib
import datetime as dt
import json
import shutil

import aiohttp
import pytest

from controller.boundary import certificates
from tests import chart, manifests
from tests.contract import conftest

pytestmark = pytest.mark.contract

MONITORING = {"PodMonitor": "podmonitors", "ServiceMonitor": "servicemonitors", "PrometheusRule": "prometheusrules"}
PLURALS = {
    **MONITORING,
    **{
        kind: f"{kind.lower()}s"
        for kind in (
            "Namespace", "ServiceAccount", "ConfigMap", "Service", "Secret", "Deployment", "DaemonSet", "ClusterRole",
            "ClusterRoleBinding", "Role", "RoleBinding", "PodDisruptionBudget", "CustomResourceDefinition",
            "ValidatingWebhookConfiguration",
        )
    },
    "NetworkPolicy": "networkpolicies",
}  # fmt: skip


@pytest.fixture
async def client(own_api):
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(own_api.url, timeout=timeout, headers=own_api.headers) as session:
        made = conftest.Client(own_api, session, chart.NAMESPACE)
        answer = await made.post("/api/v1/namespaces", {"metadata": {"name": chart.NAMESPACE}})
        assert answer.status in (201, 409), answer.body
        for kind, plural in MONITORING.items():
            answer = await made.post(conftest.CRDS, monitoring_definition(kind, plural))
            assert answer.status in (201, 409), answer.body
        for plural in MONITORING.values():
            await made.eventually(f"/apis/monitoring.coreos.com/v1/{plural}", lambda answer: answer.status == 200)
        yield made


def monitoring_definition(kind, plural):
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def path_of(document):
    group, _, version = document["apiVersion"].rpartition("/")
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    meta = document["metadata"]
    inside = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    return f"{root}{inside}/{PLURALS[document['kind']]}/{meta['name']}"


async def test_every_object_of_every_combination_is_accepted(client):
    """Server-side validation of a dry run; unknown fields are mistakes."""
    every = [document for values in chart.SETTINGS.values() for document in chart.rendered(values)]
    every += [document for name in manifests.VARIANTS for document in manifests.documents(name)]
    distinct = {json.dumps(each, sort_keys=True): each for each in every}.values()
    assert len(distinct) > 100
    asked = {"dryRun": "All", "fieldValidation": "Strict", "force": "true"}
    for document in distinct:
        answer = await client.apply(path_of(document), json.dumps(document), **asked)
        assert answer.status in (200, 201), (path_of(document), answer.body)
        assert answer.warnings == []


async def test_a_mistake_in_an_object_would_be_noticed(client):
    """What the test above relies on."""
    document = {**chart.one(chart.rendered(), "DaemonSet"), "spec": {"selektor": {}}}
    answer = await client.post(path_of(document).rpartition("/")[0], document, dryRun="All", fieldValidation="Strict")
    answer.refused(400, "BadRequest")


@contextlib.contextmanager
def engine(kube):
    config = chart.helm.Config(kubeconfig_path=kube.kubeconfig, namespace=chart.NAMESPACE)
    with config:
        yield config


async def in_thread(work, *arguments, **named):
    return await asyncio.to_thread(work, *arguments, **named)


SECRET = f"/api/v1/namespaces/{chart.NAMESPACE}/secrets/frr-adapter-memberlist"
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/metallb-webhook-configuration"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{chart.NAMESPACE}/deployments/frr-adapter-controller"
DAEMONS = f"/apis/apps/v1/namespaces/{chart.NAMESPACE}/daemonsets/frr-adapter-speaker"
POOLS = f"/apis/metallb.io/v1beta1/namespaces/{chart.NAMESPACE}/ipaddresspools"
PEERS = f"{conftest.CRDS}/bgppeers.metallb.io"
POOL = {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "p"}}
POOL["spec"] = {"addresses": ["198.18.0.0/24"]}
CA = base64.b64encode(certificates.start({"c"}, dt.datetime.now(dt.UTC), None).authorities).decode()


async def trusted(client):
    """What the controller does with a webhook configuration; the version that it read guards the write."""
    found = (await client.get(HOOKS)).ok()
    hooks = [{**each, "clientConfig": {**each["clientConfig"], "caBundle": CA}} for each in found["webhooks"]]
    version = {"resourceVersion": found["metadata"]["resourceVersion"]}
    (await client.patch(HOOKS, {"webhooks": hooks, "metadata": version})).ok()


async def bundles(client):
    return {each["clientConfig"].get("caBundle") for each in (await client.get(HOOKS)).ok()["webhooks"]}


async def served(client):
    versions = (await client.get(PEERS)).ok()["spec"]["versions"]
    return {each["name"] for each in versions if each["served"]}


async def replicas(client):
    return (await client.get(DEPLOYMENT)).ok()["spec"]["replicas"]


async def test_a_release_lives(client):
    with engine(client.kube) as helm:
        release = await in_thread(helm.install, str(chart.CHART), chart.RELEASE, {})
        assert (release["revision"], release["status"]) == (1, "deployed")
        for document in chart.rendered():
            (await client.get(path_of(document))).ok()
        await client.eventually(POOLS, lambda answer: answer.status == 200)
        (await client.post(POOLS, POOL)).ok(201)

        # What the programs add while they run.
        await trusted(client)
        secret = {"metadata": {"name": "frr-adapter-memberlist"}, "data": {"secretkey": "c2VjcmV0c2VjcmV0c2VjcmV0"}}
        made = (await client.post(client.path("secrets"), secret)).ok(201)

        # An upgrade changes what it should, and leaves alone what is not its own.
        changed = {"controller": {"replicas": 3}, "speaker": {"frr": {"enabled": False}}}
        release = await in_thread(helm.upgrade, str(chart.CHART), chart.RELEASE, changed)
        assert (release["revision"], release["status"]) == (2, "deployed")
        assert await replicas(client) == 3
        containers = (await client.get(DAEMONS)).ok()["spec"]["template"]["spec"]["containers"]
        assert [each["name"] for each in containers] == ["speaker"]
        assert await bundles(client) == {CA}
        assert (await client.get(SECRET)).ok()["metadata"]["uid"] == made["metadata"]["uid"]

        # Without the webhook nobody is asked to convert, although the controller has left its mark.
        conversion = {"conversion": {"webhook": {"clientConfig": {"caBundle": CA}}}}
        (await client.patch(PEERS, {"spec": conversion})).ok()
        assert await served(client) == {"v1beta1", "v1beta2"}
        off = {"controller": {"webhookMode": "disabled"}}
        await in_thread(helm.upgrade, str(chart.CHART), chart.RELEASE, off)
        assert (await client.get(HOOKS)).status == 404
        assert await served(client) == {"v1beta2"}
        peers = client.path("bgppeers", group="metallb.io", version="v1beta2")
        await client.eventually(peers, lambda answer: answer.status == 200)

        # A rollback brings all of it back.
        await in_thread(helm.rollback, chart.RELEASE, version=1)
        assert await replicas(client) == 2
        containers = (await client.get(DAEMONS)).ok()["spec"]["template"]["spec"]["containers"]
        assert {each["name"] for each in containers} == {"speaker", "frr"}
        assert await served(client) == {"v1beta1", "v1beta2"}
        assert len(await in_thread(helm.history, chart.RELEASE)) == 4

        # Uninstalled, the definitions stay with all objects of their kinds, and so does the speakers' secret.
        await in_thread(helm.uninstall, chart.RELEASE)
        for document in chart.rendered():
            answer = await client.get(path_of(document))
            if document["kind"] == "CustomResourceDefinition":
                answer.ok()
            else:
                assert answer.status == 404 or answer.body["metadata"].get("deletionTimestamp"), answer.body
        await client.eventually(f"{POOLS}/p", lambda answer: answer.status == 200)
        assert (await client.get(SECRET)).ok()["metadata"]["uid"] == made["metadata"]["uid"]

        # Installed again, the release takes them over.
        release = await in_thread(helm.install, str(chart.CHART), chart.RELEASE, {"controller": {"replicas": 1}})
        assert release["status"] == "deployed"
        await client.eventually(f"{POOLS}/p", lambda answer: answer.status == 200)
        await in_thread(helm.uninstall, chart.RELEASE)
        for path in (SECRET, f"{POOLS}/p"):
            (await client.delete(path)).ok()


@pytest.mark.parametrize("name", manifests.VARIANTS)
async def test_kubectl_takes_the_plain_manifests(client, name):
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl on this machine")
    words = ("apply", "--server-side", "--dry-run=server", "-o", "name", "-k", str(manifests.FOLDER / name))
    asked = await asyncio.create_subprocess_exec(
        "kubectl", f"--kubeconfig={client.kube.kubeconfig}", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asked.communicate()
    assert (asked.returncode, err) == (0, b"")
    assert len(out.decode().splitlines()) == len(manifests.documents(name))
