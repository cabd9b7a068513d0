"""A kind that could not be read proves nothing: no answer calls that a mistake of the user's."""

import dataclasses
import json

import pytest
import yaml

from cli.boundary import bundles
from tests import bundled, command

WORLD = """
kind: Service
apiVersion: v1
metadata: {name: web, namespace: default, annotations: {metallb.io/ip-allocated-from-pool: public}}
spec: {type: LoadBalancer, clusterIPs: [10.96.0.1], selector: {app: web}, ports: [{port: 80, protocol: TCP}]}
status: {loadBalancer: {ingress: [{ip: 198.51.100.7}]}}
---
kind: Namespace
apiVersion: v1
metadata: {name: default, labels: {is: served}}
---
kind: IPAddressPool
apiVersion: metallb.io/v1beta1
metadata: {name: public, namespace: metallb-system}
spec: {addresses: [198.51.100.0/24], serviceAllocation: {namespaceSelectors: [{matchLabels: {is: served}}]}}
---
kind: L2Advertisement
apiVersion: metallb.io/v1beta1
metadata: {name: segment, namespace: metallb-system}
spec: {}
---
kind: BGPAdvertisement
apiVersion: metallb.io/v1beta1
metadata: {name: routed, namespace: metallb-system}
spec: {}
---
kind: BGPPeer
apiVersion: metallb.io/v1beta2
metadata: {name: router, namespace: metallb-system}
spec: {myASN: 64600, peerASN: 64512, peerAddress: 192.0.2.1}
---
kind: Node
apiVersion: v1
metadata: {name: n1, labels: {kubernetes.io/hostname: n1}}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: web-x, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{nodeName: n1, addresses: [10.244.0.9], conditions: {ready: true}}]
---
kind: ServiceL2Status
apiVersion: metallb.io/v1beta1
metadata:
  name: l2-web-n1
  namespace: metallb-system
  labels: {metallb.io/node: n1, metallb.io/service-name: web, metallb.io/service-namespace: default}
status: {node: n1, serviceName: web, serviceNamespace: default}
---
kind: ServiceBGPStatus
apiVersion: metallb.io/v1beta1
metadata:
  name: bgp-web-n1
  namespace: metallb-system
  labels: {metallb.io/node: n1, metallb.io/service-name: web, metallb.io/service-namespace: default}
status: {node: n1, serviceName: web, serviceNamespace: default, peers: [router]}
"""
KINDS = ["IPAddressPool", "Namespace", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "Node", "EndpointSlice"]


@pytest.fixture
def answer(tmp_path):
    """The JSON that a command answers from the world without one kind."""

    def ask(kind, *words):
        left = [each for each in yaml.safe_load_all(WORLD) if each["kind"] != kind]
        path = tmp_path / "c.tar.gz"
        path.write_bytes(bundled.pack(yaml.safe_dump_all(left)))
        known = dataclasses.replace(bundles.read(path), unread=(kind,), gaps=(f"no right to list {kind}",))
        path.write_bytes(bundles.packed(known))
        ran = command.run(*words, "--snapshot" if words[0] == "plan" else "--from-bundle", str(path), "-o", "json")
        return ran.status, json.loads(ran.stdout) if ran.stdout else ran.stderr

    return ask


@pytest.mark.parametrize("kind", KINDS)
def test_explain_finds_no_cause_in_what_it_cannot_see(answer, kind):
    status, found = answer(kind, "explain", "service", "default/web")
    assert status == 0
    assert [each["name"] for each in found["hops"] if each["status"] == "failed"] == []
    doubtful = [each["text"] for each in found["hops"] if each["status"] == "unknown"]
    assert any(kind in text for text in doubtful)
    assert "not known" in found["summary"]


@pytest.mark.parametrize("kind", KINDS)
def test_status_and_owners_do_not_either(answer, kind):
    _, found = answer(kind, "owners")
    assert [each for each in (*found["owners"], *found["announcers"]) if each["verdict"] == "bad"] == []
    _, found = answer(kind, "status")
    assert found["services"]["pending"] == found["services"]["troubled"] == []
    assert found["verdict"] == "unknown"


@pytest.mark.parametrize(
    ("kind", "words"),
    [("Service", ()), ("Node", ("--node", "n1")), ("BGPPeer", ("--peer", "router"))],
)
def test_a_name_of_such_a_kind(answer, kind, words):
    status, found = answer(kind, "explain", "service", "default/web", *words)
    assert status == 3
    assert f"{kind}s could not be read: no right to list {kind}" in found


@pytest.mark.parametrize("kind", ["BGPPeer", "BGPAdvertisement", "IPAddressPool", "EndpointSlice", "Service"])
def test_config_knows_no_difference_from_what_it_cannot_compose(answer, kind):
    _, found = answer(kind, "config", "n1")
    assert found["verdict"] == "unknown"
    assert f"what the objects ask for is not known without {kind}" in found["notes"]


def test_plan_says_what_it_could_not_compare_with(answer, tmp_path):
    path = tmp_path / "pool.yaml"
    path.write_text(yaml.safe_dump(next(yaml.safe_load_all(WORLD.partition("---")[2].partition("---")[2]))))
    _, found = answer("IPAddressPool", "plan", "-f", str(path))
    told = "without IPAddressPool, what is said of addresses, sessions and owners may be wrong"
    assert told in found["gaps"]
