"""What the API makes of a Service: defaults, families, allocations, changes of type, and refusals."""

import copy
import ipaddress

import pytest

from lab.apiserver import registry, strategies
from lab.apiserver.service_network import ServiceNetwork

KIND = registry.Registry().get("", "services")
V4, V6 = ipaddress.ip_network("10.96.0.0/16"), ipaddress.ip_network("fd00:10:96::/112")
PORT = {"port": 80}


class Cluster:
    """A dual-stack cluster, IPv4 first, that keeps Services."""

    def __init__(self):
        self.network = ServiceNetwork((V4, V6))
        self.strategy = strategies.ServiceStrategy(self.network)

    def create(self, uid="u1", **spec):
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "s", "uid": uid},
            "spec": copy.deepcopy(spec),
        }
        self.strategy.defaults(service)
        errors = self.strategy.on_create(service, KIND)
        if not errors:
            self.network.observe(None, service)
        return service, [(error.path, error.message) for error in errors]

    def update(self, old, status=None, **spec):
        service = {**copy.deepcopy(old), "spec": copy.deepcopy(spec)}
        if status is not None:
            service["status"] = copy.deepcopy(status)
        self.strategy.defaults(service)
        errors = [
            *self.strategy.on_update(service, old, KIND, "" if status is None else "status"),
            *self.strategy.check(service, old),
        ]
        if not errors:
            self.network.observe(old, service)
        return service, [(error.path, error.message) for error in errors]


def created(**spec):
    service, errors = Cluster().create(**spec)
    assert errors == []
    return service["spec"]


def refused(**spec):
    return Cluster().create(**spec)[1]


def families_of(addresses):
    return [f"IPv{ipaddress.ip_address(address).version}" for address in addresses]


def test_the_smallest_service():
    spec = created(ports=[PORT])
    address = spec.pop("clusterIP")
    assert ipaddress.ip_address(address) in V4
    assert spec == {
        "type": "ClusterIP",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "clusterIPs": [address],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
        "sessionAffinity": "None",
    }


@pytest.mark.parametrize(
    ("asked", "policy", "families"),
    [
        ({}, "SingleStack", ["IPv4"]),
        ({"ipFamilyPolicy": "SingleStack"}, "SingleStack", ["IPv4"]),
        ({"ipFamilyPolicy": "PreferDualStack"}, "PreferDualStack", ["IPv4", "IPv6"]),
        ({"ipFamilyPolicy": "RequireDualStack"}, "RequireDualStack", ["IPv4", "IPv6"]),
        ({"ipFamilies": ["IPv6"]}, "SingleStack", ["IPv6"]),
        ({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]}, "PreferDualStack", ["IPv6", "IPv4"]),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]}, "RequireDualStack", ["IPv6", "IPv4"]),
        ({"clusterIP": "fd00:10:96::7"}, "SingleStack", ["IPv6"]),
        ({"ipFamilyPolicy": "PreferDualStack", "clusterIP": "fd00:10:96::7"}, "PreferDualStack", ["IPv6", "IPv4"]),
    ],
)
def test_families(asked, policy, families):
    spec = created(ports=[PORT], **asked)
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == (policy, families)
    assert families_of(spec["clusterIPs"]) == families
    assert spec["clusterIP"] == spec["clusterIPs"][0]
    assert spec["clusterIP"] == asked.get("clusterIP", spec["clusterIP"])


@pytest.mark.parametrize(
    ("asked", "policy", "families"),
    [
        ({"selector": {"a": "b"}}, "SingleStack", ["IPv4"]),
        ({}, "RequireDualStack", ["IPv4", "IPv6"]),
        ({"selector": {"a": "b"}, "ipFamilyPolicy": "PreferDualStack"}, "PreferDualStack", ["IPv4", "IPv6"]),
    ],
)
def test_headless(asked, policy, families):
    spec = created(clusterIP="None", **asked)
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("None", ["None"])
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == (policy, families)


def test_external_name_has_no_addresses():
    spec = created(type="ExternalName", externalName="example.com")
    assert spec == {"type": "ExternalName", "externalName": "example.com", "sessionAffinity": "None"}


def test_load_balancers_get_node_ports_unless_told_not_to():
    spec = created(type="LoadBalancer", ports=[PORT])
    assert 30000 <= spec["ports"][0]["nodePort"] <= 32767
    assert (spec["allocateLoadBalancerNodePorts"], spec["externalTrafficPolicy"]) == (True, "Cluster")
    bare = created(type="LoadBalancer", ports=[PORT], allocateLoadBalancerNodePorts=False)
    assert "nodePort" not in bare["ports"][0]
    assert bare["allocateLoadBalancerNodePorts"] is False


def test_the_same_port_of_two_protocols_shares_a_node_port():
    ports = [{"name": "t", "port": 53, "protocol": "TCP"}, {"name": "u", "port": 53, "protocol": "UDP"}]
    numbers = {port["nodePort"] for port in created(type="NodePort", ports=ports)["ports"]}
    assert len(numbers) == 1


def test_local_load_balancers_get_a_health_check_port():
    spec = created(type="LoadBalancer", ports=[PORT], externalTrafficPolicy="Local")
    assert 30000 <= spec["healthCheckNodePort"] <= 32767
    assert spec["healthCheckNodePort"] != spec["ports"][0]["nodePort"]
    assert "healthCheckNodePort" not in created(type="NodePort", ports=[PORT], externalTrafficPolicy="Local")


def test_client_affinity_has_three_hours():
    spec = created(ports=[PORT], sessionAffinity="ClientIP")
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


def test_a_named_target_port_stays():
    assert created(ports=[{"port": 80, "targetPort": "web"}])["ports"][0]["targetPort"] == "web"


def test_taken_addresses_and_ports_are_refused():
    cluster = Cluster()
    first, _ = cluster.create(type="NodePort", ports=[PORT])
    address, number = first["spec"]["clusterIP"], first["spec"]["ports"][0]["nodePort"]
    _, errors = cluster.create("u2", clusterIP=address, ports=[PORT])
    detail = f"failed to allocate IP {address}: provided IP is already allocated"
    assert errors == [("spec.clusterIPs", f'Invalid value: ["{address}"]: {detail}')]
    _, errors = cluster.create("u2", type="NodePort", ports=[{"port": 80, "nodePort": number}])
    assert errors == [("spec.ports[0].nodePort", f"Invalid value: {number}: provided port is already allocated")]


@pytest.mark.parametrize(
    ("spec", "path", "message"),
    [
        ({}, "spec.ports", "Required value"),
        ({"ports": [{"port": 0}]}, "spec.ports[0].port", "Invalid value: 0: must be between 1 and 65535, inclusive"),
        ({"ports": [{"port": 65536, "targetPort": 1}]}, "spec.ports[0].port", "Invalid value: 65536: must be between 1 and 65535, inclusive"),
        ({"ports": [{"port": 80, "targetPort": 70000}]}, "spec.ports[0].targetPort", "Invalid value: 70000: must be between 1 and 65535, inclusive"),
        ({"ports": [PORT, {"port": 81, "name": "b"}]}, "spec.ports[0].name", "Required value"),
        ({"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]}, "spec.ports[1].name", 'Duplicate value: "a"'),
        ({"ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]}, "spec.ports[1]", 'Duplicate value: {"port":80,"protocol":"TCP"}'),
        ({"ports": [{"port": 80, "protocol": "ICMP"}]}, "spec.ports[0].protocol", 'Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'),
        ({"ports": [PORT], "type": "Magic"}, "spec.type", 'Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'),
        ({"ports": [PORT], "externalTrafficPolicy": "Local"}, "spec.externalTrafficPolicy", 'Invalid value: "Local": may only be set for externally-accessible services'),
        ({"ports": [PORT], "type": "NodePort", "externalTrafficPolicy": "Some"}, "spec.externalTrafficPolicy", 'Unsupported value: "Some": supported values: "Cluster", "Local"'),
        ({"ports": [PORT], "internalTrafficPolicy": "Some"}, "spec.internalTrafficPolicy", 'Unsupported value: "Some": supported values: "Cluster", "Local"'),
        ({"ports": [PORT], "sessionAffinity": "Some"}, "spec.sessionAffinity", 'Unsupported value: "Some": supported values: "ClientIP", "None"'),
        ({"ports": [PORT], "loadBalancerClass": "x.y/z"}, "spec.loadBalancerClass", "Forbidden: may only be used when `type` is 'LoadBalancer'"),
        ({"ports": [PORT], "allocateLoadBalancerNodePorts": True}, "spec.allocateLoadBalancerNodePorts", "Forbidden: may only be used when `type` is 'LoadBalancer'"),
        ({"ports": [{"port": 80, "nodePort": 30080}]}, "spec.ports[0].nodePort", "Forbidden: may not be used when `type` is 'ClusterIP'"),
        ({"ports": [{"port": 80, "nodePort": 80}], "type": "NodePort"}, "spec.ports[0].nodePort", "Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767"),
        ({"ports": [PORT], "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]}, "spec.ipFamilyPolicy", "Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"),
        ({"ports": [PORT], "ipFamilies": ["IPv4"], "clusterIP": "fd00:10:96::7"}, "spec.clusterIPs[0]", 'Invalid value: "fd00:10:96::7": expected an IPv4 value as indicated by `ipFamilies[0]`'),
        ({"type": "ExternalName"}, "spec.externalName", "Required value"),
    ],
)  # fmt: skip
def test_refusals(spec, path, message):
    assert (path, message) in refused(**spec)


def test_an_address_outside_the_cluster_is_refused():
    ((path, message),) = refused(ports=[PORT], clusterIP="192.0.2.1")
    assert path == "spec.clusterIPs"
    assert "failed to allocate IP 192.0.2.1: the provided network does not match the current range" in message


def test_an_update_that_leaves_allocations_out_keeps_them():
    cluster = Cluster()
    old, _ = cluster.create(type="LoadBalancer", ports=[PORT], externalTrafficPolicy="Local")
    new, errors = cluster.update(old, type="LoadBalancer", ports=[PORT], externalTrafficPolicy="Local")
    assert errors == []
    assert new["spec"] == old["spec"]


def test_leaving_load_balancer_drops_what_only_it_has():
    cluster = Cluster()
    old, _ = cluster.create(type="LoadBalancer", ports=[PORT], loadBalancerClass="x.y/z", externalTrafficPolicy="Local")
    old["status"] = {"loadBalancer": {"ingress": [{"ip": "198.51.100.1", "ipMode": "VIP"}]}}
    new, errors = cluster.update(old, **{**old["spec"], "type": "ClusterIP"})
    assert errors == []
    assert new["status"] == {"loadBalancer": {}}
    gone = {"loadBalancerClass", "allocateLoadBalancerNodePorts", "healthCheckNodePort", "externalTrafficPolicy"}
    assert not gone & set(new["spec"])
    assert "nodePort" not in new["spec"]["ports"][0]
    assert new["spec"]["clusterIP"] == old["spec"]["clusterIP"]


def test_becoming_external_name_gives_the_address_back():
    cluster = Cluster()
    old, _ = cluster.create(ports=[PORT])
    new, errors = cluster.update(old, **{**old["spec"], "type": "ExternalName", "externalName": "example.com"})
    assert errors == []
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & set(new["spec"])
    assert cluster.create("u2", ports=[PORT], clusterIP=old["spec"]["clusterIP"])[1] == []


def test_a_change_to_dual_stack_adds_and_back_releases_the_second_address():
    cluster = Cluster()
    old, _ = cluster.create(ports=[PORT])
    dual, errors = cluster.update(old, **{**old["spec"], "ipFamilyPolicy": "PreferDualStack"})
    assert errors == []
    assert dual["spec"]["clusterIPs"][0] == old["spec"]["clusterIP"]
    assert families_of(dual["spec"]["clusterIPs"]) == dual["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    single, errors = cluster.update(dual, **{**dual["spec"], "ipFamilyPolicy": "SingleStack"})
    assert errors == []
    assert single["spec"] == old["spec"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"clusterIP": "10.96.1.1", "clusterIPs": ["10.96.1.1"]}, "spec.clusterIPs[0]"),
        ({"clusterIP": "10.96.1.1"}, "spec.clusterIPs[0]"),
        ({"loadBalancerClass": "other.example/class"}, "spec.loadBalancerClass"),
    ],
)
def test_what_may_not_change(change, path):
    cluster = Cluster()
    old, errors = cluster.create(
        type="LoadBalancer", ports=[PORT], clusterIP="10.96.0.7", loadBalancerClass="one.example/class"
    )
    assert errors == []
    _, errors = cluster.update(old, **{**old["spec"], **change})
    assert [found for found, message in errors if message.endswith("may not change once set")] == [path]


def test_ingress_addresses_are_virtual_by_default():
    cluster = Cluster()
    old, _ = cluster.create(type="LoadBalancer", ports=[PORT])
    status = {"loadBalancer": {"ingress": [{"ip": "198.51.100.1"}, {"hostname": "h.example"}]}}
    new, errors = cluster.update(old, status, **old["spec"])
    assert errors == []
    assert new["status"]["loadBalancer"]["ingress"] == [
        {"ip": "198.51.100.1", "ipMode": "VIP"},
        {"hostname": "h.example"},
    ]


@pytest.mark.parametrize(
    ("ingress", "path"),
    [
        ({"ip": "nonsense"}, "status.loadBalancer.ingress[0].ip"),
        ({"ip": "198.51.100.1", "ipMode": "Odd"}, "status.loadBalancer.ingress[0].ipMode"),
        ({"hostname": "h.example", "ipMode": "VIP"}, "status.loadBalancer.ingress[0].ipMode"),
        ({"hostname": "192.0.2.1"}, "status.loadBalancer.ingress[0].hostname"),
    ],
)
def test_a_broken_status_is_refused(ingress, path):
    cluster = Cluster()
    old, _ = cluster.create(type="LoadBalancer", ports=[PORT])
    _, errors = cluster.update(old, {"loadBalancer": {"ingress": [ingress]}}, **old["spec"])
    assert [found for found, _ in errors] == [path]
