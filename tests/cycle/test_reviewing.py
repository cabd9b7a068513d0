"""The life of the webhook's certificates on an in-memory cluster, over years and between replicas."""

import base64
import json

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from controller import reviewing, settings
from controller.boundary import certificates, trust
from frr_adapter import errors, refs
from frr_adapter.boundary import store, watch
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import Cluster
from tests.unit.config import documents

DAY = 24 * 3600.0
NS = "metallb-system"
SECRET = refs.ObjectRef("Secret", NS, "metallb-webhook-cert")
CONFIGURATION = refs.ObjectRef("ValidatingWebhookConfiguration", "", "metallb-webhook-configuration")


def configuration(*bundles):
    webhooks = [
        {"name": f"w{index}", "clientConfig": {"caBundle": bundle}, "rules": [{"anything": index}]}
        for index, bundle in enumerate(bundles)
    ]
    return {"kind": "ValidatingWebhookConfiguration", "metadata": {"name": CONFIGURATION.name}, "webhooks": webhooks}


class Server:
    """Notes what it serves, and what callers trusted at that moment."""

    def __init__(self, world):
        self._world = world
        self.served = []

    def load(self, certificate, _key):
        bundle = base64.b64decode(self._world.read(CONFIGURATION)["webhooks"][0]["clientConfig"]["caBundle"])
        self.served.append((x509.load_pem_x509_certificate(certificate), x509.load_pem_x509_certificates(bundle)))

    async def close(self):
        pass


def is_believed(certificate, authorities):
    for each in authorities:
        try:
            certificate.verify_directly_issued_by(each)
        except (InvalidSignature, ValueError):
            pass
        else:
            return True
    return False


class Replica:
    def __init__(self, world, time, *flags):
        self.known = store.Store(("Node",))
        self.server = Server(world)
        self.reviewing = reviewing.Reviewing(world, time, settings.parse(list(flags), {}), self.known, notice_seconds=0)
        self.reviewing.connect(self.server)


@pytest.fixture
def time():
    return ManualClock()


@pytest.fixture
def world():
    made = Cluster()
    made.put(configuration("", ""))
    return made


def data(world):
    return world.read(SECRET)["data"]


async def test_the_first_look_makes_everything_and_the_second_nothing(world, time):
    replica = Replica(world, time)
    assert replica.reviewing.unready() == ("webhook: no certificate yet", "webhook: not listed yet: Node")
    await replica.reviewing.settle()
    assert [write.method for write in world.writes] == ["POST", "PATCH"]
    assert len(replica.server.served) == 1
    await replica.reviewing.settle()
    time.advance(200 * DAY)
    await replica.reviewing.settle()
    assert len(world.writes) == 2
    assert len(replica.server.served) == 1
    found = world.read(CONFIGURATION)["webhooks"]
    assert [each["rules"] for each in found] == [[{"anything": 0}], [{"anything": 1}]]
    replica.known.apply(watch.Listed("Node"))
    assert replica.reviewing.unready() == ()


async def test_certificates_change_over_the_years_and_are_always_believed(world, time):
    one, other = Replica(world, time), Replica(world, time)
    for _ in range(12 * 4):
        await one.reviewing.settle()
        await other.reviewing.settle()
        time.advance(91 * DAY)
        for replica in (one, other):
            certificate, _ = replica.server.served[-1]
            current = base64.b64decode(world.read(CONFIGURATION)["webhooks"][1]["clientConfig"]["caBundle"])
            assert certificate.not_valid_after_utc > time.now()
            assert is_believed(certificate, x509.load_pem_x509_certificates(current))
    for replica in (one, other):
        assert 10 < len(replica.server.served) < 25
        assert all(is_believed(certificate, trusted) for certificate, trusted in replica.server.served)
        roots = {each.serial_number for _, trusted in replica.server.served for each in trusted}
        assert len(roots) == 2
    assert [each[0] for each in one.server.served] == [each[0] for each in other.server.served]


async def test_of_two_replicas_that_start_together_one_makes_and_the_other_takes(world, time):
    slow, fast = Replica(world, time), Replica(world, time)

    def overtaken(method, path):
        # The other replica's Secret appears between our reading and our writing.
        if method == "POST" and path.endswith("/secrets") and world.read(SECRET) is None:
            world.put({"kind": "Secret", "metadata": {"name": SECRET.name, "namespace": NS}, "data": made})

    other = Cluster()
    other.put(configuration("", ""))
    aside = Replica(other, time)
    await aside.reviewing.settle()
    made = data(other)
    world.refuse = overtaken
    with pytest.raises(errors.KubernetesError) as raised:
        await slow.reviewing.settle()
    assert raised.value.status == 409
    assert slow.server.served == []
    await slow.reviewing.settle()
    await fast.reviewing.settle()
    assert data(world) == made
    assert slow.server.served == fast.server.served == aside.server.served


async def test_a_secret_that_changed_meanwhile_is_not_overwritten(world, time):
    replica = Replica(world, time)
    await replica.reviewing.settle()
    held, version = await trust.read(world, NS, SECRET.name)
    theirs = certificates.sign(held, ["a.example"], time.now())
    await trust.write(world, NS, SECRET.name, theirs, version)
    with pytest.raises(errors.KubernetesError) as raised:
        await trust.write(world, NS, SECRET.name, held, version)
    assert raised.value.status == 409
    assert (await trust.read(world, NS, SECRET.name))[0] == theirs


async def test_another_service_name_needs_another_certificate(world, time):
    await Replica(world, time).reviewing.settle()
    before = data(world)
    renamed = Replica(world, time, "--cert-service-name=hook", "--cert-extra-names=10.0.0.1")
    await renamed.reviewing.settle()
    assert data(world)["ca.crt"] == before["ca.crt"]
    assert data(world)["tls.crt"] != before["tls.crt"]
    names = renamed.server.served[0][0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [f"hook.{NS}.svc"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]


async def test_a_configuration_that_was_emptied_is_filled_again(world, time):
    replica = Replica(world, time)
    await replica.reviewing.settle()
    trusted = world.read(CONFIGURATION)["webhooks"]
    world.put(configuration("", trusted[1]["clientConfig"]["caBundle"]))
    await replica.reviewing.settle()
    assert world.read(CONFIGURATION)["webhooks"] == trusted
    world.remove(CONFIGURATION)
    writes = len(world.writes)
    await replica.reviewing.settle()
    assert len(world.writes) == writes


async def test_a_review_reads_what_exists_now(world, time):
    replica = Replica(world, time)
    pool = documents.pool("new", "10.0.0.0/24")
    request = {
        "uid": "1",
        "kind": {"group": "metallb.io", "version": "v1beta1", "kind": "IPAddressPool"},
        "operation": "CREATE",
        "namespace": NS,
        "name": "new",
        "object": pool,
    }
    body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
    path = "/validate-metallb-io-v1beta1-ipaddresspool"
    assert (await replica.reviewing.review(path, body))[0] == 503
    replica.known.apply(watch.Listed("Node"))
    status, answer = await replica.reviewing.review(path, body)
    assert (status, json.loads(answer)["response"]["allowed"]) == (200, True)
    world.put(documents.pool("old", "10.0.0.0/8"))
    world.put({**documents.pool("broken"), "spec": {"addresses": 7}})
    status, answer = await replica.reviewing.review(path, body)
    assert "overlaps with already defined CIDR" in json.loads(answer)["response"]["status"]["message"]
    assert (await replica.reviewing.review(path, b"?"))[0] == 400
    world.refuse = lambda _method, _path: errors.KubernetesError(500, "InternalError", "no etcd")
    assert await replica.reviewing.review(path, body) == (
        503,
        b"cannot read what exists: 500 InternalError: no etcd\n",
    )


DEFINITION = refs.ObjectRef("CustomResourceDefinition", "", "bgppeers.metallb.io")


def definition(**client):
    webhook = {"clientConfig": client, "conversionReviewVersions": ["v1"]}
    spec = {"conversion": {"strategy": "Webhook", "webhook": webhook}, "group": "metallb.io"}
    return {"kind": "CustomResourceDefinition", "metadata": {"name": DEFINITION.name}, "spec": spec}


def bundle_of(world):
    return world.read(DEFINITION)["spec"]["conversion"]["webhook"]["clientConfig"].get("caBundle")


async def test_the_conversion_trusts_us_and_nothing_else_of_the_definition_changes(world, time):
    replica = Replica(world, time)
    ours = {"name": "metallb-webhook-service", "namespace": NS, "path": "/convert", "port": 443}
    world.put(definition(service=ours))
    await replica.reviewing.settle()
    assert bundle_of(world) == data(world)["ca.crt"]
    kept = world.read(DEFINITION)["spec"]
    assert kept == definition(service=ours, caBundle=bundle_of(world))["spec"]
    writes = len(world.writes)
    await replica.reviewing.settle()
    assert len(world.writes) == writes
    world.put(definition(service=ours, caBundle="b2xk"))
    await replica.reviewing.settle()
    assert bundle_of(world) == data(world)["ca.crt"]


@pytest.mark.parametrize(
    "client",
    [
        {"service": {"name": "metallb-webhook-service", "namespace": "other"}},
        {"service": {"name": "other", "namespace": NS}},
        {"url": "https://conversion.example/convert"},
        {"url": "nowhere"},
        {},
    ],
)
async def test_the_conversion_of_others_is_left_alone(world, time, client):
    world.put(definition(**client))
    await Replica(world, time).reviewing.settle()
    assert world.read(DEFINITION)["spec"] == definition(**client)["spec"]


@pytest.mark.parametrize("conversion", [{"strategy": "None"}, None])
async def test_a_definition_without_conversion_stays_so(world, time, conversion):
    spec = {"conversion": conversion} if conversion else {}
    world.put({"kind": "CustomResourceDefinition", "metadata": {"name": DEFINITION.name}, "spec": spec})
    await Replica(world, time).reviewing.settle()
    assert world.read(DEFINITION)["spec"] == spec


async def test_who_may_not_see_definitions_reviews_all_the_same(world, time):
    forbidden = errors.KubernetesError(403, "Forbidden", "no")
    world.refuse = lambda _method, path: forbidden if "customresourcedefinitions" in path else None
    replica = Replica(world, time)
    await replica.reviewing.settle()
    await replica.reviewing.settle()
    assert len(replica.server.served) == 1
    world.refuse = lambda _method, path: (
        errors.KubernetesError(500, "InternalError", "no") if "customresourcedefinitions" in path else None
    )
    with pytest.raises(errors.KubernetesError):
        await replica.reviewing.settle()


async def test_conversions_need_no_listing(world, time):
    replica = Replica(world, time)
    peer = {"apiVersion": "metallb.io/v1beta1", "kind": "BGPPeer", "metadata": {"name": "p"}, "spec": {"myASN": 1}}
    request = {"uid": "1", "desiredAPIVersion": "metallb.io/v1beta2", "objects": [peer]}
    body = json.dumps({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request})
    status, answer = await replica.reviewing.review("/convert", body.encode())
    (made,) = json.loads(answer)["response"]["convertedObjects"]
    assert (status, made["apiVersion"]) == (200, "metallb.io/v1beta2")
    assert (await replica.reviewing.review("/convert", b"?"))[0] == 400
