"""Services: defaults, families, allocations, changes of type, status, refusals."""

import asyncio
import ipaddress

import pytest

pytestmark = pytest.mark.contract


def service(name="s", **spec):
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


async def make(api, **spec):
    return (await api.post(api.path("services"), service(**spec))).ok(201)


def causes(status):
    return [(cause["field"], cause["reason"]) for cause in status["details"]["causes"]]


async def test_defaults_of_a_service(api, kube_api):
    made = await make(api)
    spec = made["spec"]
    assert spec["type"] == "ClusterIP"
    assert spec["sessionAffinity"] == "None"
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert ipaddress.ip_address(spec["clusterIP"]) in ipaddress.ip_network("10.96.0.0/16")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert made["status"] == {"loadBalancer": {}}
    assert "generation" not in made["metadata"]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    kube_api.require(22, "internalTrafficPolicy")
    assert spec["internalTrafficPolicy"] == "Cluster"


@pytest.mark.parametrize(
    ("asked", "families", "policy"),
    [
        ({"ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"], "PreferDualStack"),
        ({"ipFamilyPolicy": "RequireDualStack"}, ["IPv4", "IPv6"], "RequireDualStack"),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}, ["IPv6", "IPv4"], "RequireDualStack"),
        ({"ipFamilies": ["IPv6"]}, ["IPv6"], "SingleStack"),
        ({"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"], "PreferDualStack"),
    ],
)
async def test_families(api, asked, families, policy):
    spec = (await make(api, **asked))["spec"]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (families, policy)
    assert [f"IPv{ipaddress.ip_address(ip).version}" for ip in spec["clusterIPs"]] == families
    assert spec["clusterIP"] == spec["clusterIPs"][0]


async def test_headless_service(api):
    spec = (await make(api, clusterIP="None", selector={"a": "b"}))["spec"]
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("None", ["None"])
    assert spec["ipFamilies"] == ["IPv4"]


async def test_headless_service_without_selector_is_dual_stack(api):
    spec = (await make(api, clusterIP="None"))["spec"]
    assert spec["ipFamilies"] == ["IPv4", "IPv6"]
    assert spec["ipFamilyPolicy"] == "RequireDualStack"


async def test_load_balancer_defaults(api, kube_api):
    spec = (await make(api, type="LoadBalancer"))["spec"]
    assert spec["externalTrafficPolicy"] == "Cluster"
    assert 30000 <= spec["ports"][0]["nodePort"] <= 32767
    assert "healthCheckNodePort" not in spec
    kube_api.require(24, "allocateLoadBalancerNodePorts")
    assert spec["allocateLoadBalancerNodePorts"] is True


async def test_local_policy_has_a_health_check_port(api):
    made = await make(api, type="LoadBalancer", externalTrafficPolicy="Local")
    port = made["spec"]["healthCheckNodePort"]
    assert 30000 <= port <= 32767
    kept = (await api.patch(api.path("services", "s"), {"metadata": {"labels": {"a": "b"}}})).ok(200)
    assert kept["spec"]["healthCheckNodePort"] == port
    back = (await api.patch(api.path("services", "s"), {"spec": {"externalTrafficPolicy": "Cluster"}})).ok(200)
    assert "healthCheckNodePort" not in back["spec"]


async def test_no_node_ports_when_not_wanted(api, kube_api):
    kube_api.require(24, "allocateLoadBalancerNodePorts")
    spec = (await make(api, type="LoadBalancer", allocateLoadBalancerNodePorts=False))["spec"]
    assert "nodePort" not in spec["ports"][0]


async def test_tcp_and_udp_of_one_port_share_a_node_port(api, kube_api):
    kube_api.require(26, "mixed protocols")
    ports = [{"name": "t", "port": 53, "protocol": "TCP"}, {"name": "u", "port": 53, "protocol": "UDP"}]
    spec = (await make(api, type="LoadBalancer", ports=ports))["spec"]
    assert spec["ports"][0]["nodePort"] == spec["ports"][1]["nodePort"]


async def test_external_name(api):
    spec = (await make(api, type="ExternalName", externalName="example.org"))["spec"]
    assert "clusterIP" not in spec
    assert "clusterIPs" not in spec
    assert "ipFamilies" not in spec


async def test_put_without_allocated_fields_keeps_them(api, kube_api):
    kube_api.require(24, "an update that leaves allocated fields out")
    made = await make(api, type="LoadBalancer")
    again = service(type="LoadBalancer", selector={"x": "y"})
    kept = (await api.put(api.path("services", "s"), again)).ok(200)
    assert kept["spec"]["clusterIPs"] == made["spec"]["clusterIPs"]
    assert kept["spec"]["ports"][0]["nodePort"] == made["spec"]["ports"][0]["nodePort"]
    assert kept["spec"]["selector"] == {"x": "y"}


async def test_cluster_ip_cannot_change(api):
    await make(api)
    status = (await api.patch(api.path("services", "s"), {"spec": {"clusterIP": "10.96.77.77"}})).refused(
        422, "Invalid"
    )
    assert "may not change once set" in status["message"] or "field is immutable" in status["message"]


async def test_chosen_cluster_ip(api):
    made = await make(api)
    taken = made["spec"]["clusterIP"]
    status = (await api.post(api.path("services"), service("t", clusterIP=taken))).refused(422, "Invalid")
    assert "provided IP is already allocated" in status["message"]
    status = (await api.post(api.path("services"), service("t", clusterIP="192.0.2.1"))).refused(422, "Invalid")
    assert "range" in status["message"]
    (await api.delete(api.path("services", "s"))).ok(200)
    assert (await api.post(api.path("services"), service("t", clusterIP=taken))).ok(201)["spec"]["clusterIP"] == taken


async def test_upgrade_to_dual_stack_and_back(api):
    made = await make(api)
    path = api.path("services", "s")
    both = (await api.patch(path, {"spec": {"ipFamilyPolicy": "PreferDualStack"}})).ok(200)["spec"]
    assert both["clusterIPs"][0] == made["spec"]["clusterIP"]
    assert both["ipFamilies"] == ["IPv4", "IPv6"]
    assert len(both["clusterIPs"]) == 2
    one = {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "clusterIPs": both["clusterIPs"][:1]}
    back = (await api.patch(path, {"spec": one})).ok(200)["spec"]
    assert back["clusterIPs"] == made["spec"]["clusterIPs"]


async def test_type_changes_drop_what_no_longer_applies(api, kube_api):
    await make(api, type="LoadBalancer", externalTrafficPolicy="Local")
    path = api.path("services", "s")
    ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}}
    (await api.patch(f"{path}/status", ingress)).ok(200)
    kept = (await api.patch(path, {"spec": {"type": "ClusterIP"}})).ok(200)
    for field in ("externalTrafficPolicy", "healthCheckNodePort", "allocateLoadBalancerNodePorts"):
        assert field not in kept["spec"]
    assert "nodePort" not in kept["spec"]["ports"][0]
    gone = (await api.patch(path, {"spec": {"type": "ExternalName", "externalName": "example.org"}})).ok(200)
    assert "clusterIP" not in gone["spec"]
    kube_api.require(29, "clearing the status when the type changes")
    assert kept["status"]["loadBalancer"] == {}


async def test_load_balancer_class(api, kube_api):
    kube_api.require(24, "loadBalancerClass")
    path = api.path("services", "s")
    status = (await api.post(api.path("services"), service(loadBalancerClass="x.org/y"))).refused(422, "Invalid")
    assert causes(status) == [("spec.loadBalancerClass", "FieldValueForbidden")]
    await make(api, type="LoadBalancer", loadBalancerClass="x.org/y")
    for other in ("x.org/z", None):
        status = (await api.patch(path, {"spec": {"loadBalancerClass": other}})).refused(422, "Invalid")
        assert causes(status) == [("spec.loadBalancerClass", "FieldValueInvalid")]
    plain = (await api.patch(path, {"spec": {"type": "ClusterIP"}})).ok(200)
    assert "loadBalancerClass" not in plain["spec"]
    (await api.patch(path, {"spec": {"type": "LoadBalancer", "loadBalancerClass": "x.org/z"}})).ok(200)


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({"ports": []}, "spec.ports", "FieldValueRequired"),
        ({"ports": [{"port": 0}]}, "spec.ports[0].port", "FieldValueInvalid"),
        ({"ports": [{"port": 70000}]}, "spec.ports[0].port", "FieldValueInvalid"),
        ({"ports": [{"port": 1, "protocol": "X"}]}, "spec.ports[0].protocol", "FieldValueNotSupported"),
        ({"ports": [{"port": 1}, {"port": 2}]}, "spec.ports[0].name", "FieldValueRequired"),
        ({"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]}, "spec.ports[1].name", "FieldValueDuplicate"),
        ({"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]}, "spec.ports[1]", "FieldValueDuplicate"),
        ({"type": "Other"}, "spec.type", "FieldValueNotSupported"),
        ({"sessionAffinity": "Other"}, "spec.sessionAffinity", "FieldValueNotSupported"),
        ({"type": "LoadBalancer", "externalTrafficPolicy": "X"}, "spec.externalTrafficPolicy", None),
        ({"externalTrafficPolicy": "Local"}, None, "FieldValueInvalid"),
        ({"type": "ExternalName", "externalName": ""}, "spec.externalName", "FieldValueRequired"),
        ({"externalIPs": ["nonsense"]}, "spec.externalIPs[0]", "FieldValueInvalid"),
        ({"type": "NodePort", "ports": [{"port": 1, "nodePort": 5}]}, "spec.ports[0].nodePort", "FieldValueInvalid"),
        ({"ports": [{"port": 1, "nodePort": 30001}]}, "spec.ports[0].nodePort", None),
        ({"selector": {"a b": "c"}}, "spec.selector", "FieldValueInvalid"),
    ],
)
async def test_invalid_services(api, spec, field, reason):
    status = (await api.post(api.path("services"), service(**spec))).refused(422, "Invalid")
    found = causes(status)
    assert any(field in {None, at} and reason in {None, why} for at, why in found), found
    assert status["message"].startswith('Service "s" is invalid: ')


async def test_service_names_are_dns_labels(api):
    body = {**service(), "metadata": {"name": "1s"}}
    status = (await api.post(api.path("services"), body)).refused(422, "Invalid")
    assert "DNS-1035" in status["message"]


async def test_service_status_is_separate(api, kube_api):
    made = await make(api, type="LoadBalancer")
    path = api.path("services", "s")
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    ignored = (await api.patch(path, {"status": status})).ok(200)
    assert ignored["status"] == {"loadBalancer": {}}
    if kube_api.version >= (1, 22):
        assert ignored["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    change = {"status": status, "spec": {"selector": {"q": "q"}}, "metadata": {"annotations": {"a": "b"}}}
    kept = (await api.patch(f"{path}/status", change)).ok(200)
    assert kept["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1"
    assert "selector" not in kept["spec"]
    assert kept["metadata"]["annotations"] == {"a": "b"}
    read = (await api.get(f"{path}/status")).ok(200)
    assert read == kept
    full = {**kept, "spec": {**kept["spec"], "selector": {"q": "q"}}}
    full["status"] = {
        "loadBalancer": {"ingress": [{"ip": "192.0.2.2"}]},
    }
    put = (await api.put(f"{path}/status", full)).ok(200)
    assert put["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.2"
    assert "selector" not in put["spec"]
    kube_api.require(30, "ipMode")
    assert put["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.2", "ipMode": "VIP"}]


async def test_service_status_needs_valid_addresses(api):
    await make(api, type="LoadBalancer")
    change = {"status": {"loadBalancer": {"ingress": [{"ip": "nonsense"}]}}}
    status = (await api.patch(api.path("services", "s", sub="status"), change)).refused(422, "Invalid")
    assert causes(status) == [("status.loadBalancer.ingress[0].ip", "FieldValueInvalid")]


async def test_service_conditions(api, kube_api):
    kube_api.require(20, "service conditions")
    await make(api, type="LoadBalancer")
    condition = {
        "type": "lab.example.org/Announced",
        "status": "True",
        "reason": "Given",
        "message": "m",
        "lastTransitionTime": "2020-01-01T00:00:00Z",
    }
    change = {"status": {"conditions": [condition]}}
    kept = (await api.patch(api.path("services", "s", sub="status"), change)).ok(200)
    assert kept["status"]["conditions"] == [condition]


async def test_deleted_service_is_returned(api):
    made = await make(api)
    gone = (await api.delete(api.path("services", "s"))).ok(200)
    if api.kube.version >= (1, 27):
        assert gone["metadata"]["uid"] == made["metadata"]["uid"]


async def test_two_services_at_once_get_different_addresses(api):
    bodies = [service(f"s{number}", type="LoadBalancer") for number in range(10)]
    made = await asyncio.gather(*(api.post(api.path("services"), body) for body in bodies))
    specs = [answer.ok(201)["spec"] for answer in made]
    assert len({spec["clusterIP"] for spec in specs}) == 10
    assert len({spec["ports"][0]["nodePort"] for spec in specs}) == 10
