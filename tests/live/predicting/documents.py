"""Objects of a small cluster as an operator writes them, and the cluster that every history begins with. Pure."""

import base64
from typing import Any

Json = dict[str, Any]
Ref = tuple[str, str, str]
"""Kind, namespace, name."""

SYSTEM, HOME = "metallb-system", "default"
NODE_ASN, FIRST_ASN, SECOND_ASN = 64600, 64512, 64513
NODES = ("n1", "n2", "n3")
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"

PEERS = {
    "first4": ("10.99.0.1", FIRST_ASN),
    "first6": ("fd00:99::1", FIRST_ASN),
    "second4": ("10.99.0.2", SECOND_ASN),
    "second6": ("fd00:99::2", SECOND_ASN),
}
"""BGPPeer -> where its router listens, and the router's AS at the beginning."""
SECOND = tuple(name for name in PEERS if name.startswith("second"))
"""Those of the router that follows whatever these objects say."""


def ref_of(document: Json) -> Ref:
    """How the object is known."""
    meta = document["metadata"]
    return document["kind"], meta.get("namespace", ""), meta["name"]


def config(kind: str, name: str, **spec: Any) -> Json:
    """An object of our own kinds."""
    version = "v1beta2" if kind == "BGPPeer" else "v1beta1"
    return {
        "apiVersion": f"metallb.io/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": SYSTEM},
        "spec": spec,
    }


def peer(name: str, **spec: Any) -> Json:
    """A BGPPeer of every node; it connects every second."""
    address, asn = PEERS[name]
    base = {"myASN": NODE_ASN, "peerASN": asn, "peerAddress": address, "connectTime": "1s"}
    return config("BGPPeer", name, **{**base, **spec})


def password(name: str, text: str) -> Json:
    """A Secret as BGPPeers refer to it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": SYSTEM},
        "type": "kubernetes.io/basic-auth",
        "data": {"password": base64.b64encode(text.encode()).decode()},
    }


def extras(text: str) -> Json:
    """The lines that an operator adds to every `frr.conf`."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "bgpextras", "namespace": SYSTEM},
        "data": {"extras": text},
    }


def service(name: str, **spec: Any) -> Json:
    """A Service of type LoadBalancer whose endpoints are written by hand (`slices`)."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": HOME, "annotations": {}},
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Cluster",
            "ipFamilyPolicy": "SingleStack",
            "ipFamilies": ["IPv4"],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}],
            **spec,
        },
    }


def endpoints(name: str, nodes: tuple[str, ...]) -> Json:
    """The EndpointSlice of such a Service: a ready endpoint on each of the nodes."""
    ready = {"ready": True, "serving": True, "terminating": False}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-by-hand", "namespace": HOME, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [f"10.244.{node[1:]}.10"], "conditions": ready, "nodeName": node} for node in nodes
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def labelled(node: str, labels: dict[str, str]) -> Json:
    """A Node with all its labels."""
    usual = {"kubernetes.io/hostname": node, "kubernetes.io/os": "linux"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": {**usual, **labels}}}


def beginning() -> tuple[Json, ...]:
    """Two routers with two sessions each, three pools, one advertisement of each kind, and six Services."""
    services: dict[str, Json] = {**{f"w{number}": {} for number in range(4)}, "l0": {}, "l1": {}}
    services["l1"]["externalTrafficPolicy"] = "Local"
    made = [service(name, **spec) for name, spec in services.items()]
    for each in made:
        if each["metadata"]["name"].startswith("l"):
            each["metadata"]["annotations"] = {"metallb.io/address-pool": "l2"}
    return (
        config("IPAddressPool", "bgp", addresses=["198.51.100.0/24", "2001:db8:100::/120"]),
        config(
            "IPAddressPool",
            "l2",
            addresses=["10.99.0.200-10.99.0.219", "fd00:99::200-fd00:99::219"],
            autoAssign=False,
        ),
        config("IPAddressPool", "tiny", addresses=["203.0.113.0/30"], autoAssign=False),
        config("BFDProfile", "calm", receiveInterval=300, transmitInterval=300, detectMultiplier=5),
        config("BFDProfile", "calmer", receiveInterval=500, transmitInterval=500, detectMultiplier=5),
        config("Community", "names", communities=[{"name": "blue", "value": "65000:1"}]),
        password("word", "one"),
        *(peer(name) for name in PEERS),
        config("BGPAdvertisement", "all", ipAddressPools=["bgp", "tiny"]),
        config("L2Advertisement", "all", ipAddressPools=["l2"]),
        *(labelled(node, {"rack": f"r{number % 2}"}) for number, node in enumerate(NODES)),
        *made,
        *(endpoints(each["metadata"]["name"], NODES) for each in made),
    )
