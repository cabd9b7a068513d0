"""The operator's command, each run a process of its own, from its start to its end."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure

TITLE = "The command"
METHOD = """
* Each run is a process of its own: `python -m cli ...`, from its start to its end, output included. One more before them is not
  counted: it leaves the compiled modules, as installing does.
* **plan**: against a snapshot as `kubectl get -o json` gives it, of 1,000 Services (one in ten keeps traffic local) with their
  EndpointSlices, 100 nodes in three racks, 4 peers, 6 advertisements. **local**: every Service keeps traffic local, with three
  endpoints somewhere, so that no two nodes run the same.
* **20 manifests**: 14 Services that come, a pool, two peers (one gets another AS), an advertisement that gets a community, a BFD
  profile, a node that is excluded: every node gets another configuration.
"""
SERVICES, NODES = 1000, 100
NAMESPACE = "metallb-system"
CREATED = "2026-01-01T00:00:00Z"
GOLD = {"serviceSelectors": [{"matchLabels": {"tier": "gold"}}]}
Json = dict[str, Any]


def run(runs: int, *, services: int = SERVICES, nodes: int = NODES) -> tuple[Figure, ...]:
    found = [_figure("--help", runs, ["--help"])]
    with tempfile.TemporaryDirectory() as folder:
        for name, is_local in (("plan", False), ("plan, local", True)):
            snapshot = Path(folder) / "before.json"
            snapshot.write_text(json.dumps({"kind": "List", "items": cluster(services, nodes, is_local=is_local)}))
            for what, items in (("20 manifests", changes()), ("nothing changes", [pool()])):
                files = Path(folder) / "manifests.yaml"
                files.write_text("\n---\n".join(map(json.dumps, items)))
                words = ["plan", "-f", str(files), "--snapshot", str(snapshot), "--fail-on", ""]
                found.append(_figure(f"{name}, {services} Services, {nodes} nodes, {what}", runs, words))
        files = Path(folder) / "all.json"
        files.write_text(json.dumps({"kind": "List", "items": newcomers(services, nodes)}))
        words = ["plan", "-f", str(files), "--offline", "--fail-on", ""]
        found.append(_figure(f"plan, nothing before, {services} Services, {nodes} nodes", runs, words))
    return tuple(found)


def _figure(what: str, runs: int, words: list[str]) -> Figure:
    taken = []
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    argv = [sys.executable, "-m", "cli", *words]
    for _ in range(runs + 1):
        started = time.perf_counter()
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
        taken.append((time.perf_counter() - started) * 1000)
        assert done.returncode == 0, done.stderr
    return Figure(what, "ms", tuple(taken[1:]))


def cluster(services: int, nodes: int, *, is_local: bool) -> list[Json]:
    """Everything that there is before."""
    peers = [peer(f"tor{number}", f"10.0.{number}.1") for number in range(3)]
    found = [*(node(number) for number in range(nodes)), pool(), *peers, peer("all", "10.0.9.1")]
    found += [
        _object(
            "BGPAdvertisement", f"rack{number}", {"nodeSelectors": [_rack(number)], "communities": [f"64600:{number}"]}
        )
        for number in range(3)
    ]
    found += [_object("BGPAdvertisement", "gold", GOLD)]
    found += [_object("L2Advertisement", "l2", {"ipAddressPools": ["p"]})]
    found += [_object("Community", "c", {"communities": [{"name": "far", "value": "64600:1"}]})]
    for number in range(services):
        ip = f"10.{128 + number // 65536}.{number // 256 % 256}.{number % 256}"
        made = service(number, ip, is_local=is_local or number % 10 == 0)
        found += [made, _slice(number, nodes)]
    return found


def newcomers(services: int, nodes: int) -> list[Json]:
    """The same without addresses and endpoints: what people keep in files."""
    made = [service(number, "", is_local=number % 10 == 0) for number in range(services)]
    return [*cluster(0, nodes, is_local=False), *made]


def changes() -> list[Json]:
    """Twenty manifests."""
    found = [service(number, "", is_local=False) for number in range(5000, 5014)]
    found += [pool("10.128.0.0/16", "10.200.0.0/24"), peer("tor1", "10.0.1.1", peerASN=64999), peer("new", "10.0.8.1")]
    found += [_object("BGPAdvertisement", "gold", {**GOLD, "communities": ["far"]}), _object("BFDProfile", "fast", {})]
    found += [node(7, **{"node.kubernetes.io/exclude-from-external-load-balancers": ""})]
    for each in found:
        each["metadata"].pop("uid", None)
        each.pop("status", None)
    return found


def node(number: int, **labels: str) -> Json:
    made = _object("Node", f"n{number:03}", None, "v1")
    made["metadata"]["labels"] = {"kubernetes.io/hostname": f"n{number:03}", "rack": f"r{number % 3}", **labels}
    made["status"] = {"conditions": [{"type": "NetworkUnavailable", "status": "False"}]}
    return made


def pool(*blocks: str) -> Json:
    return _object("IPAddressPool", "p", {"addresses": list(blocks or ("10.128.0.0/16",))})


def peer(name: str, address: str, **spec: Any) -> Json:
    selected = {"nodeSelectors": [_rack(int(name[-1]))]} if name.startswith("tor") else {}
    spec = {"myASN": 64600, "peerASN": 64512, "peerAddress": address, "password": "sesame", **selected, **spec}
    return _object("BGPPeer", name, spec, "metallb.io/v1beta2")


def service(number: int, ip: str, *, is_local: bool) -> Json:
    made = _object("Service", f"s{number:05}", None, "v1", "default")
    made["metadata"]["labels"] = {"tier": "gold" if number % 7 == 0 else "tin"}
    made["metadata"]["annotations"] = {"metallb.io/ip-allocated-from-pool": "p"} if ip else {}
    made["spec"] = {
        "type": "LoadBalancer",
        "clusterIP": f"10.96.{number // 256}.{number % 256}",
        "clusterIPs": [f"10.96.{number // 256}.{number % 256}"],
        "selector": {"app": f"s{number:05}"},
        "ports": [{"port": 80, "protocol": "TCP"}],
        "externalTrafficPolicy": "Local" if is_local else "Cluster",
    }
    made["status"] = {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"}]} if ip else {}}
    return made


def _slice(number: int, nodes: int) -> Json:
    made = _object("EndpointSlice", f"s{number:05}-x", None, "discovery.k8s.io/v1", "default")
    made["metadata"]["labels"] = {"kubernetes.io/service-name": f"s{number:05}"}
    made["endpoints"] = [
        {
            "addresses": ["10.244.0.9"],
            "conditions": {"ready": True},
            "nodeName": f"n{(number * 7 + part * 31) % nodes:03}",
        }
        for part in range(3)
    ]
    return made


def _rack(number: int) -> Json:
    return {"matchLabels": {"rack": f"r{number % 3}"}}


def _object(
    kind: str, name: str, spec: Json | None, version: str = "metallb.io/v1beta1", namespace: str = NAMESPACE
) -> Json:
    metadata = {"name": name, "uid": f"uid-{kind}-{name}", "creationTimestamp": CREATED, "resourceVersion": "1"}
    if kind != "Node":
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **({} if spec is None else {"spec": spec})}
