"""Discovery, namespaces, tables of core kinds, access reviews, and kubectl at work."""

import json

import pytest

from tests.contract.conftest import TABLE

pytestmark = pytest.mark.contract
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList,application/json"


async def test_health_and_version(api):
    for path in ("/healthz", "/livez", "/readyz"):
        answer = await api.get(path)
        assert (answer.status, answer.body["text"]) == (200, "ok")
    assert (await api.get("/version")).ok(200)["gitVersion"].startswith("v1.")


async def test_discovery(api):
    assert (await api.get("/api")).ok(200)["versions"] == ["v1"]
    groups = {group["name"]: group for group in (await api.get("/apis")).ok(200)["groups"]}
    assert {"apps", "apiextensions.k8s.io", "coordination.k8s.io", "discovery.k8s.io"} <= set(groups)
    assert groups["apps"]["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    core = {resource["name"]: resource for resource in (await api.get("/api/v1")).ok(200)["resources"]}
    assert core["services"]["shortNames"] == ["svc"]
    assert core["services"]["categories"] == ["all"]
    assert core["services"]["namespaced"] is True
    assert core["nodes"]["namespaced"] is False
    assert set(core["services/status"]["verbs"]) == {"get", "patch", "update"}
    assert core["namespaces/finalize"]["verbs"] == ["update"]
    apps = (await api.get("/apis/apps")).ok(200)
    assert (apps["kind"], apps["name"]) == ("APIGroup", "apps")


async def test_aggregated_discovery(api, kube_api):
    kube_api.require(30, "aggregated discovery v2")
    for path in ("/api", "/apis"):
        found = await api.get(path, accept=AGGREGATED.format("v2"))
        assert found.headers["Content-Type"].startswith("application/json;g=apidiscovery.k8s.io;")
        document = found.ok(200)
        assert document["kind"] == "APIGroupDiscoveryList"
        assert document["apiVersion"] == "apidiscovery.k8s.io/v2"
        resources = document["items"][0]["versions"][0]["resources"]
        assert all(resource["responseKind"]["kind"] for resource in resources)
        assert all(resource["scope"] in {"Namespaced", "Cluster"} for resource in resources)


async def test_unknown_forms_of_discovery_fall_back(api):
    found = await api.get("/apis", accept=AGGREGATED.format("v9"))
    assert found.headers["Content-Type"] == "application/json"
    assert found.ok(200)["kind"] == "APIGroupList"


async def test_unknown_paths(api):
    assert (await api.get("/nothing")).status == 404
    assert (await api.get("/apis/no.such.group/v1")).status == 404
    assert (await api.get(api.path("nothings"))).status == 404
    (await api.post(api.path("configmaps", "x"), {"metadata": {"name": "x"}})).refused(405, "MethodNotAllowed")


async def test_not_acceptable(api):
    assert (await api.get("/api/v1/namespaces", accept="text/html")).status == 406


async def test_protobuf_first_falls_back_to_json(api, kube_api):
    if kube_api.origin != "embedded":
        pytest.skip("a server that speaks protobuf answers in it")
    accept = "application/vnd.kubernetes.protobuf,application/json"
    assert (await api.get("/api/v1/namespaces", accept=accept)).ok(200)["kind"] == "NamespaceList"


async def test_namespaces_of_every_cluster(api):
    found = (await api.get("/api/v1/namespaces")).ok(200)
    names = {item["metadata"]["name"]: item for item in found["items"]}
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= set(names)
    own = names[api.namespace]
    assert own["status"]["phase"] == "Active"
    assert own["spec"]["finalizers"] == ["kubernetes"]
    if api.kube.version >= (1, 21):
        assert own["metadata"]["labels"]["kubernetes.io/metadata.name"] == api.namespace
    (await api.delete("/api/v1/namespaces/default")).refused(403, "Forbidden")


async def test_deleted_namespace_refuses_new_content_and_goes(api, kube_api):
    name = f"{api.namespace}-x"
    (await api.post("/api/v1/namespaces", {"metadata": {"name": name}})).ok(201)
    path = api.path("configmaps", namespace=name)
    held = {"metadata": {"name": "held", "finalizers": ["lab.example.org/hold"]}}
    (await api.post(path, held)).ok(201)
    (await api.post(path, {"metadata": {"name": "free"}})).ok(201)
    dying = (await api.delete(f"/api/v1/namespaces/{name}")).ok(200)
    assert dying["status"]["phase"] == "Terminating"

    status = (await api.post(path, {"metadata": {"name": "late"}})).refused(403, "Forbidden")
    assert f"unable to create new content in namespace {name} because it is being terminated" in status["message"]
    assert status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    kube_api.require_controllers("emptying a namespace")
    await api.eventually(f"{path}/free", lambda answer: answer.status == 404)
    assert (await api.get(f"/api/v1/namespaces/{name}")).ok(200)["status"]["phase"] == "Terminating"
    (await api.patch(f"{path}/held", {"metadata": {"finalizers": None}})).ok(200)
    await api.eventually(f"/api/v1/namespaces/{name}", lambda answer: answer.status == 404)


async def test_table_of_services(api):
    body = {
        "metadata": {"name": "s"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"a": "b"}},
    }
    made = (await api.post(api.path("services"), body)).ok(201)
    found = (await api.get(api.path("services"), accept=TABLE)).ok(200)
    names = [column["name"] for column in found["columnDefinitions"]]
    assert names == ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector"]
    cells = dict(zip(names, found["rows"][0]["cells"], strict=True))
    node_port = made["spec"]["ports"][0]["nodePort"]
    assert cells["Cluster-IP"] == made["spec"]["clusterIP"]
    assert cells["External-IP"] == "<pending>"
    assert cells["Port(s)"] == f"80:{node_port}/TCP"
    assert cells["Selector"] == "a=b"
    assert int(found["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])


async def test_partial_metadata(api):
    (await api.post(api.path("configmaps"), {"metadata": {"name": "c"}, "data": {"a": "1"}})).ok(201)
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    found = (await api.get(api.path("configmaps", "c"), accept=accept)).ok(200)
    assert found["kind"] == "PartialObjectMetadata"
    assert "data" not in found
    listed = (await api.get(api.path("configmaps"), accept=accept.replace("Metadata;", "MetadataList;"))).ok(200)
    assert listed["kind"] == "PartialObjectMetadataList"


async def test_access_reviews(api):
    attributes = {"namespace": api.namespace, "verb": "create", "resource": "services"}
    body = {"spec": {"resourceAttributes": attributes}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert (await api.post(path, body)).ok(201)["status"]["allowed"] is True


SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{name: http, port: 80}]
"""


async def test_kubectl_applies_and_shows(api, kubectl):
    code, out, err = await kubectl("apply", "-f", "-", stdin=SERVICE)
    assert (code, out) == (0, "service/web created\n"), err
    code, out, err = await kubectl("apply", "-f", "-", stdin=SERVICE)
    assert (code, out) == (0, "service/web unchanged\n"), err
    code, out, err = await kubectl("apply", "-f", "-", stdin=SERVICE.replace("80", "81"))
    assert (code, out) == (0, "service/web configured\n"), err
    code, out, err = await kubectl("diff", "-f", "-", stdin=SERVICE.replace("80", "81"))
    assert (code, out) == (0, ""), err
    code, out, err = await kubectl("get", "services", "-o", "wide")
    assert code == 0, err
    assert out.splitlines()[0].split() == [
        *("NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"),
    ]
    code, out, err = await kubectl("delete", "service", "web")
    assert (code, out.splitlines()[0]) == (0, 'service "web" deleted'), err


async def test_kubectl_apply_server_side(api, kubectl, kube_api):
    kube_api.require(21, "the default of a port's protocol in apply")
    code, out, err = await kubectl("apply", "--server-side", "-f", "-", stdin=SERVICE)
    assert (code, out) == (0, "service/web serverside-applied\n"), err


async def test_kubectl_refuses_unknown_fields(api, kubectl):
    bad = SERVICE.replace("type: LoadBalancer", "tpye: LoadBalancer")
    code, _, err = await kubectl("apply", "-f", "-", stdin=bad)
    assert code == 1
    assert "tpye" in err


async def test_kubectl_describes_a_service_with_its_events(api, kubectl):
    code, _, err = await kubectl("apply", "-f", "-", stdin=SERVICE)
    assert code == 0, err
    made = (await api.get(api.path("services", "web"))).ok(200)
    event = {
        "metadata": {"name": "web.1"},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Service",
            "name": "web",
            "namespace": api.namespace,
            "uid": made["metadata"]["uid"],
        },
        "reason": "IPAllocated",
        "message": 'Assigned IP ["192.0.2.7"]',
        "type": "Normal",
        "source": {"component": "metallb-controller"},
        "firstTimestamp": "2024-01-01T00:00:00Z",
        "lastTimestamp": "2024-01-01T00:00:00Z",
        "count": 1,
    }
    (await api.post(api.path("events"), event)).ok(201)
    ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}
    (await api.patch(api.path("services", "web", sub="status"), ingress)).ok(200)
    code, out, err = await kubectl("describe", "service", "web")
    assert code == 0, err
    lines = {line.split(":")[0]: line.partition(":")[2].strip() for line in out.splitlines()}
    assert lines["LoadBalancer Ingress"].startswith("192.0.2.7")
    assert "IPAllocated" in out
    assert "metallb-controller" in out
    assert 'Assigned IP ["192.0.2.7"]' in out


async def test_kubectl_sees_custom_resources_at_once(api, kubectl, pools):
    kind = pools.capitalize()
    text = f"apiVersion: lab.example.org/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{size: 4}}\n"
    code, out, err = await kubectl("apply", "-f", "-", stdin=text)
    assert code == 0, err
    code, out, err = await kubectl("get", f"x{pools}")
    assert code == 0, err
    assert [line.split() for line in out.splitlines()] == [["NAME", "SIZE"], ["a", "4"]]
    code, out, err = await kubectl("patch", pools, "a", "--type=merge", "-p", '{"spec":{"size":44}}')
    assert code == 1
    assert "spec.size in body should be less than or equal to 10" in err
    code, out, err = await kubectl("get", pools, "a", "-o", "json")
    assert json.loads(out)["spec"] == {"size": 4, "mode": "fast"}
    code, out, err = await kubectl("delete", pools, "--all")
    assert code == 0, err


async def test_kubectl_explains_a_custom_resource(api, kubectl, pools, kube_api):
    kube_api.require(27, "explain from OpenAPI v3")
    code, out, err = await kubectl("explain", f"{pools}.spec")
    assert code == 0, err
    assert "size" in out
    assert "<integer>" in out


async def test_kubectl_typed_creates(api, kubectl):
    code, _, err = await kubectl("create", "configmap", "c", "--from-literal=a=b")
    assert code == 0, err
    assert (await api.get(api.path("configmaps", "c"))).ok(200)["data"] == {"a": "b"}
    code, _, err = await kubectl("create", "deployment", "d", "--image=example.org/x:1", "--replicas=2")
    assert code == 0, err
    made = (await api.get(api.path("deployments", "d", group="apps"))).ok(200)
    assert made["spec"]["replicas"] == 2
    assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "example.org/x:1"
    code, _, err = await kubectl("create", "service", "loadbalancer", "l", "--tcp=80:8080")
    assert code == 0, err
    assert (await api.get(api.path("services", "l"))).ok(200)["spec"]["ports"][0]["targetPort"] == 8080


async def test_kubectl_labels_annotates_waits(api, kubectl):
    code, _, err = await kubectl("apply", "-f", "-", stdin=SERVICE)
    assert code == 0, err
    for command in (("label", "service", "web", "a=b"), ("annotate", "service", "web", "c=d")):
        code, _, err = await kubectl(*command)
        assert code == 0, err
    ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}
    (await api.patch(api.path("services", "web", sub="status"), ingress)).ok(200)
    expression = "--for=jsonpath={.status.loadBalancer.ingress[0].ip}=192.0.2.7"
    code, _, err = await kubectl("wait", expression, "service/web", "--timeout=10s")
    assert code == 0, err
    code, out, err = await kubectl("get", "service", "web", "-o", "jsonpath={.metadata.labels.a}")
    assert (code, out) == (0, "b"), err
