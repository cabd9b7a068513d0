"""The Kubernetes objects that a kubelet and an administrator would have made: Nodes, Pods, the namespace, the demo.

Pure but for `demo`, which reads the YAML files beside it. The supervisor applies them.
"""

from pathlib import Path
from urllib.parse import urlsplit

import yaml

from lab.kube import Json
from lab.plan import API_PORT, BACKEND_PORT, NodePlan

SYSTEM_NAMESPACE = "metallb-system"
_IMAGE = "lab/backend"
_DEMO = Path(__file__).parent / "demo"


def namespace(name: str) -> Json:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def node(plan: NodePlan) -> Json:
    """A ready Node with its addresses on the segment."""
    addresses = [{"type": "InternalIP", "address": str(each.ip)} for each in plan.segment]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": plan.name,
            "labels": {"kubernetes.io/hostname": plan.name, "kubernetes.io/os": "linux"},
        },
        "spec": {
            "podCIDR": str(plan.pod[0].network),
            "podCIDRs": [str(each.network) for each in plan.pod],
        },
        "status": {
            "addresses": [*addresses, {"type": "Hostname", "address": plan.name}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "LabReady", "message": "a network namespace"}],
        },
    }


def pod(plan: NodePlan, ready: bool) -> Json:
    """The node's one Pod, label app=demo, behind which the backend of that node runs."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"demo-{plan.name}", "namespace": "default", "labels": {"app": "demo"}},
        "spec": {
            "nodeName": plan.name,
            "containers": [
                {
                    "name": "backend",
                    "image": _IMAGE,
                    "ports": [{"name": "http", "containerPort": BACKEND_PORT, "protocol": "TCP"}],
                }
            ],
        },
        "status": pod_status(plan, ready),
    }


SECRET_KEY = "secretkey"  # noqa: S105  # the name of the key, not a secret
"""The key of the Secret `memberlist`, which is also the name of the file that a kubelet makes of it."""


def memberlist(secret: str) -> Json:
    """The Secret that the speakers share."""
    meta = {"name": "memberlist", "namespace": SYSTEM_NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {SECRET_KEY: secret}}


SPEAKER_CONTAINERS = ("speaker", "frr")
SPEAKER_LABELS = {"app": "metallb", "component": "speaker"}


def speaker_pod(plan: NodePlan) -> Json:
    """The Pod that the node's speaker would run in, in the node's own network: where the other speakers find it."""
    address = str(plan.segment[0].ip)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": speaker_pod_name(plan), "namespace": SYSTEM_NAMESPACE, "labels": SPEAKER_LABELS},
        "spec": {
            "nodeName": plan.name,
            "hostNetwork": True,
            "containers": [{"name": name, "image": _IMAGE} for name in SPEAKER_CONTAINERS],
        },
        "status": {
            "phase": "Running",
            "hostIP": address,
            "podIP": address,
            "podIPs": [{"ip": str(each.ip)} for each in plan.segment],
        },
    }


def speaker_pod_name(plan: NodePlan) -> str:
    """The name of that Pod."""
    return f"speaker-{plan.name}"


def pod_status(plan: NodePlan, ready: bool) -> Json:
    """What a kubelet would report of that Pod."""
    word = "True" if ready else "False"
    return {
        "phase": "Running",
        "podIP": str(plan.pod[0].ip),
        "podIPs": [{"ip": str(each.ip)} for each in plan.pod],
        "conditions": [{"type": kind, "status": word} for kind in ("Ready", "ContainersReady")],
        "containerStatuses": [
            {
                "name": "backend",
                "image": _IMAGE,
                "imageID": "",
                "restartCount": 0,
                "ready": ready,
                "started": ready,
                "state": {"running": {}} if ready else {"terminated": {"exitCode": 1}},
            }
        ],
    }


def demo() -> tuple[Json, ...]:
    """The demo's pools, peers, advertisements and services, in file order."""
    return tuple(
        document
        for path in sorted(_DEMO.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if document
    )


def inner_kubeconfig(outer: Json) -> Json:
    """The same kubeconfig for programs inside the namespaces, where a relay listens on 127.0.0.1.

    The certificate of a TLS server is still checked against the name in the outer kubeconfig.
    """
    clusters = []
    for entry in outer["clusters"]:
        cluster = dict(entry["cluster"])
        url = urlsplit(cluster["server"])
        cluster["server"] = f"{url.scheme}://127.0.0.1:{API_PORT}"
        if url.scheme == "https" and url.hostname != "127.0.0.1":
            cluster.setdefault("tls-server-name", url.hostname)
        clusters.append({**entry, "cluster": cluster})
    return {**outer, "clusters": clusters}
