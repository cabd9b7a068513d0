"""The validating webhook as people meet it: a controller process, an API server that asks it, and kubectl in front."""

import asyncio
import base64
import contextlib
import json
import sys

import pytest
import yaml
from cryptography import x509

from frr_adapter.api import crds
from tests.contract import conftest

pytestmark = pytest.mark.contract

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
CONFIGURATION = f"{CONFIGURATIONS}/metallb-webhook-configuration"
KINDS = {
    "bgppeer": ("v1beta2", "bgppeers", ["CREATE", "UPDATE"]),
    "ipaddresspool": ("v1beta1", "ipaddresspools", ["CREATE", "UPDATE"]),
    "bgpadvertisement": ("v1beta1", "bgpadvertisements", ["CREATE", "UPDATE"]),
    "l2advertisement": ("v1beta1", "l2advertisements", ["CREATE", "UPDATE"]),
    "community": ("v1beta1", "communities", ["CREATE", "UPDATE"]),
    "bfdprofile": ("v1beta1", "bfdprofiles", ["CREATE", "DELETE"]),
}


def configuration(port, namespaces, policy="Fail"):
    webhooks = [
        {
            "name": f"{kind}validationwebhook.metallb.io",
            "clientConfig": {"url": f"https://127.0.0.1:{port}/validate-metallb-io-{version}-{kind}"},
            "rules": [
                {
                    "apiGroups": ["metallb.io"],
                    "apiVersions": [version],
                    "operations": operations,
                    "resources": [plural],
                }
            ],
            "namespaceSelector": {
                "matchExpressions": [
                    {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(namespaces)}
                ]
            },
            "failurePolicy": policy,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        for kind, (version, plural, operations) in KINDS.items()
    ]
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    return {**kind, "metadata": {"name": "metallb-webhook-configuration"}, "webhooks": webhooks}


class Controller:
    """A controller process and its log lines."""

    def __init__(self, process):
        self._process = process
        self.lines = []

    async def said(self, message):
        """The first line with this message."""
        async with asyncio.timeout(30):
            while True:
                for line in self.lines:
                    if line["msg"] == message:
                        return line
                await self.next()

    async def next(self):
        """Waits for one more line."""
        text = await self._process.stdout.readline()
        assert text, f"the controller ended; it said {self.lines}"
        self.lines.append(json.loads(text))

    def count(self, message):
        """How often it said this so far."""
        return sum(line["msg"] == message for line in self.lines)

    async def stop(self):
        self._process.terminate()
        rest, _ = await self._process.communicate()
        assert self._process.returncode == 0, rest


@contextlib.asynccontextmanager
async def controller(api, *flags):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "controller",
        f"--kubeconfig={api.kube.kubeconfig}",
        f"--namespace={api.namespace}",
        "--host=127.0.0.1",
        "--port=0",
        "--health-probe-port=0",
        *flags,
        stdout=asyncio.subprocess.PIPE,
    )
    running = Controller(process)
    try:
        yield running
    finally:
        await running.stop()


ON = ("--webhook-mode=onlywebhook", "--webhook-port=0", "--cert-extra-names=127.0.0.1")


@pytest.fixture
async def kinds(api):
    """The metallb.io kinds, served."""
    for document in crds.documents():
        await api.post(conftest.CRDS, document)
    for version, plural, _ in KINDS.values():
        await api.eventually(f"/apis/metallb.io/{version}/{plural}", lambda answer: answer.status == 200)


@pytest.fixture
async def other(api):
    """A second namespace whose writes are reviewed as well."""
    name = f"{api.namespace}-other"
    (await api.post("/api/v1/namespaces", {"metadata": {"name": name}})).ok()
    yield name
    await api.delete(f"/api/v1/namespaces/{name}")


def is_trusting(answer):
    return all(each["clientConfig"].get("caBundle") for each in answer.body.get("webhooks", [{"clientConfig": {}}]))


@contextlib.asynccontextmanager
async def configured(api, document):
    (await api.post(CONFIGURATIONS, document)).ok(201)
    try:
        yield (await api.eventually(CONFIGURATION, is_trusting)).body
    finally:
        (await api.delete(CONFIGURATION)).ok()


@pytest.fixture
async def webhook(api, kinds, other):
    """A webhook that is asked about this test's namespaces."""
    async with controller(api, *ON) as running:
        port = (await running.said("webhook listens"))["port"]
        await running.said("webhook serves with a new certificate")
        async with configured(api, configuration(port, [api.namespace, other])):
            await _asked(api, other)
            yield running


async def _asked(api, namespace):
    """A real API server takes a moment to notice a configuration: asked with a write that must be refused."""
    path = api.path("l2advertisements", group="metallb.io", version="v1beta1", namespace=namespace)
    probe = {"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": {"name": "probe"}}
    async with asyncio.timeout(30):
        while (await api.post(path, probe)).status == 201:
            await api.delete(f"{path}/probe")
            await asyncio.sleep(0.05)


def manifest(kind, name, spec, **metadata):
    version = "v1beta2" if kind == "BGPPeer" else "v1beta1"
    found = {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}
    return yaml.safe_dump(found)


def peer(name, address, **spec):
    return manifest("BGPPeer", name, {"myASN": 1, "peerASN": 2, "peerAddress": address, **spec})


async def test_certificates_are_made_once_and_trusted(api, kinds):
    secret = api.path("secrets", "metallb-webhook-cert")
    async with controller(api, *ON) as first, controller(api, *ON) as second:
        for each in (first, second):
            await each.said("webhook serves with a new certificate")
        made = (await api.get(secret)).ok()
        assert sorted(made["data"]) == ["ca.crt", "ca.key", "tls.crt", "tls.key"]
        server = x509.load_pem_x509_certificate(base64.b64decode(made["data"]["tls.crt"]))
        names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [f"metallb-webhook-service.{api.namespace}.svc"]
        assert sum(line["msg"] == "made certificates" for line in first.lines + second.lines) == 1
        port = (await first.said("webhook listens"))["port"]
        async with configured(api, configuration(port, ["nowhere"])) as found:
            bundles = {each["clientConfig"]["caBundle"] for each in found["webhooks"]}
            assert bundles == {made["data"]["ca.crt"]}
            # Whoever installs the configuration again takes the bundle away; it comes back.
            emptied = configuration(port, ["elsewhere"])
            emptied["metadata"]["resourceVersion"] = (await api.get(CONFIGURATION)).body["metadata"]["resourceVersion"]
            (await api.put(CONFIGURATION, emptied)).ok()
            again = (await api.eventually(CONFIGURATION, is_trusting)).body
            assert again["webhooks"][0]["namespaceSelector"] == emptied["webhooks"][0]["namespaceSelector"]
    assert (await api.get(secret)).ok()["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_an_empty_secret_is_filled_and_a_lost_one_made_again(api, kinds):
    secret = api.path("secrets", "metallb-webhook-cert")
    (await api.post(api.path("secrets"), {"metadata": {"name": "metallb-webhook-cert", "labels": {"a": "b"}}})).ok(201)
    async with controller(api, *ON):
        filled = (await api.eventually(secret, lambda answer: "data" in answer.body)).body
        assert filled["metadata"]["labels"] == {"a": "b"}
        (await api.delete(secret)).ok()
        again = (await api.eventually(secret, lambda answer: answer.status == 200)).body
        assert again["data"]["ca.crt"] != filled["data"]["ca.crt"]


REFUSED = [
    (
        [manifest("IPAddressPool", "a", {"addresses": ["1.1.1.0/24"]})],
        manifest("IPAddressPool", "b", {"addresses": ["1.1.1.128/25"]}),
        "overlaps with already defined CIDR",
    ),
    (
        [manifest("IPAddressPool", "a", {"addresses": ["1.1.1.0/28"]})],
        manifest("BGPAdvertisement", "b", {"aggregationLength": 26}),
        (
            "invalid aggregation length 26: prefix 28 in this pool is more specific than the aggregation length "
            "for addresses 1.1.1.0/28"
        ),
    ),
    ([], peer("p", "1.1.1.256"), "invalid BGPPeer address"),
    ([peer("p", "1.1.1.1")], peer("q", "1.1.1.1"), "already exists"),
    (
        [],
        manifest("BGPAdvertisement", "b", {"communities": ["1:99999"]}),
        "invalid community value: invalid section",
    ),
    (
        [],
        manifest("BGPAdvertisement", "b", {"communities": ["larg:1:2:3"]}),
        "invalid community value: invalid marker for large community",
    ),
    (
        [],
        manifest("BGPAdvertisement", "b", {"communities": ["larg:1:2:3"]}),
        "expected community to be of format large",
    ),
    ([], manifest("BGPAdvertisement", "b", {"communities": ["1:2:3"]}), "invalid community format"),
    (
        [manifest("Community", "c", {"communities": [{"name": "x", "value": "1:1"}]})],
        manifest("Community", "d", {"communities": [{"name": "x", "value": "1:1"}]}),
        "duplicate definition of community",
    ),
    (
        [],
        manifest("L2Advertisement", "l", {"nodeSelectors": [{"matchLabels": {"a": "b"}}] * 2}),
        "duplicate definition of nodeSelectors",
    ),
    (
        [],
        manifest("L2Advertisement", "l", {"ipAddressPoolSelectors": [{"matchLabels": {"a": "b"}}] * 2}),
        "duplicate definition of ipAddressPoolSelectors",
    ),
    ([], peer("p", "nowhere", disableMP=True), "invalid BGPPeer address"),
]


async def test_kubectl_is_told_what_is_wrong(api, webhook, kubectl):
    for existing, bad, words in REFUSED:
        for good in existing:
            code, _, err = await kubectl("apply", "-f", "-", stdin=good)
            assert code == 0, err
        code, _, err = await kubectl("apply", "-f", "-", stdin=bad)
        assert code != 0
        assert 'admission webhook "' in err
        assert 'validationwebhook.metallb.io" denied the request: ' in err
        assert words in err
        for good in existing:
            code, _, err = await kubectl("delete", "-f", "-", stdin=good)
            assert code == 0, err


async def test_kubectl_is_not_stopped_from_what_is_good(api, webhook, kubectl):
    good = [
        peer("p", "1.1.1.1", bfdProfile="later", passwordSecret={"name": "later"}),
        manifest("BGPAdvertisement", "b", {"communities": ["later", "1:2"]}),
        manifest("IPAddressPool", "a", {"addresses": ["1.1.1.0/28", "1.1.2.1-1.1.2.9"]}),
        manifest("Community", "c", {"communities": [{"name": "later", "value": "large:1:2:3"}]}),
        manifest("BFDProfile", "later", {}),
        manifest("L2Advertisement", "l", {"ipAddressPools": ["a"]}),
    ]
    code, _, err = await kubectl("apply", "-f", "-", stdin="---\n".join(good))
    assert code == 0, err
    code, _, err = await kubectl("delete", "bfdprofile", "later")
    assert code != 0
    assert "failed to delete BFDProfile" in err
    assert "used by BGPPeer p" in err
    code, _, err = await kubectl("patch", "bgppeer", "p", "--type=merge", "-p", '{"spec":{"bfdProfile":null}}')
    assert code == 0, err
    code, _, err = await kubectl("delete", "bfdprofile", "later")
    assert code == 0, err
    code, _, err = await kubectl("patch", "ipaddresspool", "a", "--type=merge", "-p", '{"spec":{"addresses":["x"]}}')
    assert code != 0
    assert "spec.addresses[0]" in err


async def test_kubectl_shows_the_warning_of_a_deprecated_field(api, webhook, kubectl):
    code, _, err = await kubectl("apply", "-f", "-", stdin=peer("p", "1.1.1.1", disableMP=True))
    assert code == 0, err
    assert "Warning: " in err
    assert "spec.disableMP is deprecated" in err


async def test_objects_belong_into_our_namespace(api, webhook, other, kubectl):
    for bad in (
        peer("p", "1.1.1.1", disableMP=True),
        manifest("IPAddressPool", "a", {"addresses": ["1.1.1.0/28"]}),
        manifest("BFDProfile", "b", {}),
    ):
        code, _, err = await kubectl("apply", f"--namespace={other}", "-f", "-", stdin=bad)
        assert code != 0
        assert f"resource must be created in {api.namespace} namespace" in err


async def test_a_webhook_that_is_gone_stops_writes_or_not_as_its_configuration_says(api, kinds):
    pools = api.path("ipaddresspools", group="metallb.io", version="v1beta1")
    pool = yaml.safe_load(manifest("IPAddressPool", "a", {"addresses": ["1.1.1.0/28"]}))
    async with controller(api, *ON) as running:
        port = (await running.said("webhook listens"))["port"]
        await running.said("webhook serves with a new certificate")
    for policy, status in (("Fail", 500), ("Ignore", 201)):
        document = configuration(port, [api.namespace], policy)
        (await api.post(CONFIGURATIONS, document)).ok(201)
        async with asyncio.timeout(30):
            while (found := await api.post(pools, pool)).status != status:
                if found.status == 201:
                    await api.delete(f"{pools}/a")
                await asyncio.sleep(0.05)
        if status == 500:
            assert 'failed calling webhook "ipaddresspoolvalidationwebhook.metallb.io"' in found.body["message"]
        (await api.delete(CONFIGURATION)).ok()


async def test_without_the_webhook_nothing_is_made_and_everything_works(api, kinds, kubectl):
    async with controller(api, "--log-level=debug") as running:
        await running.said("cycle")
        bad = manifest("IPAddressPool", "a", {"addresses": ["1.1.1.0/28", "1.1.1.0/24"]})
        code, _, err = await kubectl("apply", "-f", "-", stdin=bad)
        assert code == 0, err
        problem = await running.said("configuration problem")
        assert "overlaps with already defined CIDR" in problem["problem"]
    assert (await api.get(api.path("secrets", "metallb-webhook-cert"))).status == 404


async def test_everything_in_one_process(api, kinds, kubectl):
    async with controller(api, "--webhook-mode=enabled", *ON[1:], "--log-level=debug") as running:
        await running.said("webhook serves with a new certificate")
        await running.said("cycle")


async def test_certificates_of_somebody_else_are_read_from_files(api, kinds, tmp_path):
    async with controller(api, *ON, "--disable-cert-rotation", f"--cert-dir={tmp_path}") as running:
        await running.said("cannot use the webhook's certificate")
        async with controller(api, *ON) as maker:
            await maker.said("webhook serves with a new certificate")
        made = (await api.get(api.path("secrets", "metallb-webhook-cert"))).ok()["data"]
        for name in ("tls.crt", "tls.key"):
            (tmp_path / name).write_bytes(base64.b64decode(made[name]))
        await running.said("webhook serves with a new certificate")
