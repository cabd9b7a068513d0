"""Kubernetes objects for cycle tests, as the API holds them."""

from typing import Any

from tests.cycle.world import NAMESPACE

Document = dict[str, Any]


def metadata(name: str, namespace: str, **more: Any) -> Document:
    base = {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}
    return {**base, **({"namespace": namespace} if namespace else {}), **more}


def pool(name: str = "default", *addresses: str, **spec: Any) -> Document:
    listed = list(addresses or ("192.0.2.0/29",))
    return {"kind": "IPAddressPool", "metadata": metadata(name, NAMESPACE), "spec": {"addresses": listed, **spec}}


def service(
    name: str, *, ips: tuple[str, ...] = (), annotations: dict[str, str] | None = None, **spec: Any
) -> Document:
    base = {
        "type": "LoadBalancer",
        "clusterIP": "10.96.0.9",
        "clusterIPs": ["10.96.0.9"],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "externalTrafficPolicy": "Cluster",
        "ports": [{"port": 80, "protocol": "TCP"}],
        "selector": {"app": name},
    }
    status = {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in ips]} if ips else {}}
    return {
        "kind": "Service",
        "metadata": metadata(name, "default", annotations=annotations or {}),
        "spec": {**base, **spec},
        "status": status,
    }


def node(name: str, **labels: str) -> Document:
    found = metadata(name, "", labels={"kubernetes.io/hostname": name, **labels})
    return {"kind": "Node", "metadata": found, "status": {"conditions": []}}


def endpoints(service_name: str, *nodes: str, ready: bool = True) -> Document:
    return {
        "kind": "EndpointSlice",
        "metadata": metadata(f"{service_name}-1", "default", labels={"kubernetes.io/service-name": service_name}),
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [f"10.244.0.{number}"], "nodeName": name, "conditions": {"ready": ready}}
            for number, name in enumerate(nodes, 1)
        ],
    }


def peer(name: str = "up", **spec: Any) -> Document:
    base = {"myASN": 64600, "peerASN": 64512, "peerAddress": "10.99.0.1", "peerPort": 179}
    return {"kind": "BGPPeer", "metadata": metadata(name, NAMESPACE), "spec": {**base, **spec}}


def advertisement(kind: str, name: str = "all", **spec: Any) -> Document:
    return {"kind": kind, "metadata": metadata(name, NAMESPACE), "spec": spec}
