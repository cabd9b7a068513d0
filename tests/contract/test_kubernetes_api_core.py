"""Nodes, Pods, EndpointSlices, Leases, Events, Secrets, Deployments: what the server makes of the core kinds."""

import pytest

from tests.contract.conftest import JSON_PATCH

pytestmark = pytest.mark.contract


def causes(status):
    return [(cause["field"], cause["reason"]) for cause in status["details"]["causes"]]


async def test_node_keeps_the_status_it_is_created_with(api):
    name = f"n-{api.namespace}"
    addresses = [{"type": "InternalIP", "address": "10.0.0.1"}]
    body = {"metadata": {"name": name}, "spec": {"podCIDR": "10.244.9.0/24"}, "status": {"addresses": addresses}}
    made = (await api.post("/api/v1/nodes", body)).ok(201)
    path = f"/api/v1/nodes/{name}"
    assert made["status"]["addresses"] == addresses
    assert made["spec"]["podCIDRs"] == ["10.244.9.0/24"]
    ready = {"type": "Ready", "status": "True", "reason": "Ok", "message": ""}
    (await api.patch(f"{path}/status", {"status": {"conditions": [ready]}})).ok(200)
    (await api.patch(path, {"status": {"conditions": None}, "metadata": {"labels": {"zone": "a"}}})).ok(200)
    kept = (await api.get(path)).ok(200)
    assert kept["status"]["conditions"][0]["type"] == "Ready"
    assert kept["metadata"]["labels"]["zone"] == "a"
    (await api.delete(path)).ok(200)


async def test_pod_fields(api):
    pod = {"metadata": {"name": "p", "labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    made = (await api.post(api.path("pods"), pod)).ok(201)
    assert made["status"]["phase"] == "Pending"
    assert made["spec"]["restartPolicy"] == "Always"
    assert made["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    status = {"status": {"phase": "Running", "podIP": "10.244.1.9", "podIPs": [{"ip": "10.244.1.9"}]}}
    (await api.patch(api.path("pods", "p", sub="status"), status)).ok(200)
    assert len((await api.get(api.path("pods"), fieldSelector="status.phase=Running")).ok(200)["items"]) == 1
    assert (await api.get(api.path("pods"), fieldSelector="spec.nodeName=n1")).ok(200)["items"] == []
    (await api.patch(api.path("pods", "p"), {"spec": {"nodeName": "n2"}})).refused(422, "Invalid")
    (await api.delete(api.path("pods", "p"))).ok(200)
    (await api.get(api.path("pods", "p"))).refused(404, "NotFound")


async def test_running_pod_is_deleted_gracefully(api):
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}}
    (await api.post(api.path("pods"), pod)).ok(201)
    dying = (await api.delete(api.path("pods", "p"))).ok(200)
    assert dying["metadata"]["deletionGracePeriodSeconds"] == 30
    assert (await api.get(api.path("pods", "p"))).ok(200)["metadata"]["deletionTimestamp"]
    (await api.delete(api.path("pods", "p"), {"gracePeriodSeconds": 0})).ok(200)
    (await api.get(api.path("pods", "p"))).refused(404, "NotFound")


async def test_endpoint_slices(api, kube_api):
    kube_api.require(21, "discovery.k8s.io/v1")
    path = api.path("endpointslices", group="discovery.k8s.io")
    body = {
        "metadata": {"name": "e"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}],
        "ports": [{"port": 80}],
    }
    made = (await api.post(path, body)).ok(201)
    assert made["ports"] == [{"name": "", "port": 80, "protocol": "TCP"}]
    assert made["metadata"]["generation"] == 1
    ready = [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]
    assert (await api.patch(f"{path}/e", {"endpoints": ready})).ok(200)["metadata"]["generation"] == 2
    status = (await api.patch(f"{path}/e", {"addressType": "IPv6"})).refused(422, "Invalid")
    assert ("addressType", "FieldValueInvalid") in causes(status)
    empty = {"metadata": {"name": "f"}, "addressType": "IPv4", "endpoints": []}
    (await api.post(path, empty)).ok(201)


async def test_leases_want_the_version(api):
    path = api.path("leases", group="coordination.k8s.io")
    spec = {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2020-01-01T00:00:00.000000Z"}
    lease = (await api.post(path, {"metadata": {"name": "l"}, "spec": spec})).ok(201)
    assert lease["spec"] == spec
    blind = {"metadata": {"name": "l"}, "spec": spec}
    status = (await api.put(f"{path}/l", blind)).refused(422, "Invalid")
    assert causes(status) == [("metadata.resourceVersion", "FieldValueInvalid")]
    lease["spec"]["holderIdentity"] = "you"
    kept = (await api.put(f"{path}/l", lease)).ok(200)
    (await api.put(f"{path}/l", lease)).refused(409, "Conflict")
    assert kept["spec"]["holderIdentity"] == "you"
    bad = {"spec": {"leaseDurationSeconds": 0}}
    (await api.patch(f"{path}/l", bad)).refused(422, "Invalid")


async def test_events_of_an_object(api):
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    made = (await api.post(api.path("services"), service)).ok(201)
    involved = {"kind": "Service", "name": "s", "namespace": api.namespace, "uid": made["metadata"]["uid"]}
    event = {
        "metadata": {"name": "s.1"},
        "involvedObject": involved,
        "reason": "Assigned",
        "message": "got 192.0.2.1",
        "type": "Normal",
        "source": {"component": "controller"},
        "firstTimestamp": "2020-01-01T00:00:00Z",
        "lastTimestamp": "2020-01-01T00:00:00Z",
        "count": 1,
    }
    (await api.post(api.path("events"), event)).ok(201)
    selector = f"involvedObject.name=s,involvedObject.kind=Service,involvedObject.uid={made['metadata']['uid']}"
    selector += ",reason=Assigned"  # a real server may tell of its own repair of the cluster IP, too
    assert len((await api.get(api.path("events"), fieldSelector=selector)).ok(200)["items"]) == 1
    assert (await api.get(api.path("events"), fieldSelector="involvedObject.name=t")).ok(200)["items"] == []
    assert len((await api.get(api.path("events"), fieldSelector="source=controller,type=Normal")).ok(200)["items"]) == 1
    new = (await api.get(api.path("events", "s.1", group="events.k8s.io"))).ok(200)
    assert new["regarding"] == involved
    assert new["note"] == "got 192.0.2.1"
    assert new["deprecatedSource"] == {"component": "controller"}
    (await api.patch(api.path("events", "s.1"), {"count": 2})).ok(200)
    assert (await api.get(api.path("events", "s.1", group="events.k8s.io"))).ok(200)["deprecatedCount"] == 2


async def test_event_must_be_in_the_namespace_of_its_object(api):
    event = {"metadata": {"name": "x"}, "involvedObject": {"kind": "Service", "name": "s", "namespace": "other"}}
    status = (await api.post(api.path("events"), event)).refused(422, "Invalid")
    assert causes(status) == [("involvedObject.namespace", "FieldValueInvalid")]


async def test_secret_strings_are_encoded(api):
    body = {"metadata": {"name": "s"}, "stringData": {"a": "hello"}, "data": {"b": "aGk="}}
    made = (await api.post(api.path("secrets"), body)).ok(201)
    assert made["data"] == {"a": "aGVsbG8=", "b": "aGk="}
    assert made["type"] == "Opaque"
    assert "stringData" not in made
    (await api.patch(api.path("secrets", "s"), {"type": "other"})).refused(422, "Invalid")
    assert (await api.get(api.path("secrets"), fieldSelector="type=Opaque")).ok(200)["items"]


async def test_immutable_config_map(api):
    (await api.post(api.path("configmaps"), {"metadata": {"name": "c"}, "data": {"a": "1"}, "immutable": True})).ok(201)
    (await api.patch(api.path("configmaps", "c"), {"data": {"a": "2"}})).refused(422, "Invalid")
    (await api.patch(api.path("configmaps", "c"), {"metadata": {"labels": {"a": "b"}}})).ok(200)


async def test_deployment_generation(api):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = api.path("deployments", "d", group="apps")
    made = (await api.post(path.rsplit("/", 1)[0], {"metadata": {"name": "d"}, "spec": spec})).ok(201)
    assert (made["metadata"]["generation"], made["spec"]["replicas"]) == (1, 1)
    labelled = (await api.patch(path, {"metadata": {"labels": {"x": "y"}}})).ok(200)
    assert labelled["metadata"]["generation"] == 1
    scaled = (await api.patch(path, [{"op": "replace", "path": "/spec/replicas", "value": 3}], JSON_PATCH)).ok(200)
    assert scaled["metadata"]["generation"] == 2
    status = (await api.patch(f"{path}/status", {"status": {"observedGeneration": 2}})).ok(200)
    assert status["metadata"]["generation"] == 2


async def test_an_event_is_counted_by_patch(api):
    involved = {"kind": "Service", "name": "s", "namespace": api.namespace}
    event = {
        "metadata": {"name": "s.1"},
        "involvedObject": involved,
        "reason": "AllocationFailed",
        "type": "Warning",
        "count": 1,
        "lastTimestamp": "2020-01-01T00:00:00Z",
    }
    made = (await api.post(api.path("events"), event)).ok(201)
    assert (made["eventTime"], made["firstTimestamp"], made["reportingComponent"]) == (None, None, "")
    for count in (2, 3):
        change = {"count": count, "lastTimestamp": f"2020-01-0{count}T00:00:00Z", "message": "again"}
        kept = (await api.patch(api.path("events", "s.1"), change)).ok(200)
    assert (kept["count"], kept["lastTimestamp"], kept["message"]) == (3, "2020-01-03T00:00:00Z", "again")
    assert (kept["reason"], kept["involvedObject"]) == ("AllocationFailed", involved)
    (await api.patch(api.path("events", "s.9"), {"count": 2})).refused(404, "NotFound")


async def test_times_with_six_digits(api):
    path = api.path("leases", group="coordination.k8s.io")
    for text in ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.123Z", "soon"):
        lease = {"metadata": {"name": "l"}, "spec": {"renewTime": text}}
        status = (await api.post(path, lease)).refused(400, "BadRequest")
        assert f'parsing time "{text}"' in status["message"]
    event = {"metadata": {"name": "e"}, "involvedObject": {"namespace": api.namespace}, "lastTimestamp": "soon"}
    (await api.post(api.path("events"), event)).refused(400, "BadRequest")


@pytest.mark.parametrize(
    ("part", "field", "reason"),
    [
        ({"endpoints": [{"addresses": ["fd00::1"]}]}, "endpoints[0].addresses", "FieldValueInvalid"),
        ({"endpoints": [{"addresses": ["nonsense"]}]}, "endpoints[0].addresses[0]", "FieldValueInvalid"),
        ({"endpoints": [{"addresses": ["127.0.0.1"]}]}, "endpoints[0].addresses[0]", "FieldValueInvalid"),
        ({"endpoints": [{"addresses": []}]}, "endpoints[0].addresses", "FieldValueRequired"),
        ({"addressType": "Odd"}, "addressType", "FieldValueNotSupported"),
        ({"ports": [{"port": 1}, {"port": 2}]}, "ports[1].name", "FieldValueDuplicate"),
        ({"ports": [{"port": 1, "protocol": "X"}]}, "ports[0].protocol", "FieldValueNotSupported"),
    ],
)
async def test_invalid_endpoint_slices(api, kube_api, part, field, reason):
    kube_api.require(21, "discovery.k8s.io/v1")
    body = {
        "metadata": {"name": "e"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}],
        "ports": [{"port": 80}],
        **part,
    }
    status = (await api.post(api.path("endpointslices", group="discovery.k8s.io"), body)).refused(422, "Invalid")
    assert (field, reason) in causes(status)
