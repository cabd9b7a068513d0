"""Small clusters as documents, for tests of what the command plans: builders, and a strategy of random ones."""

from typing import Any

from hypothesis import strategies as st

from cli import values
from cli.core import world
from frr_adapter import refs

NAMESPACE = "metallb-system"
Json = dict[str, Any]


def document(
    kind: str, name: str, spec: Json | None = None, namespace: str = NAMESPACE, **more: Any
) -> values.Document:
    labels = more.pop("labels", {})
    metadata = {
        "name": name,
        "uid": f"uid-{kind}-{name}",
        "labels": labels,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    metadata |= more.pop("metadata", {})
    if namespace:
        metadata["namespace"] = namespace
    raw = {"kind": kind, "metadata": metadata, **({} if spec is None else {"spec": spec}), **more}
    return values.Document(refs.ObjectRef(kind, namespace, name), raw)


def node(name: str, *, unavailable: bool = False, **labels: str) -> values.Document:
    conditions = [{"type": "NetworkUnavailable", "status": "True"}] if unavailable else []
    return document(
        "Node",
        name,
        namespace="",
        labels={"kubernetes.io/hostname": name, **labels},
        status={"conditions": conditions},
    )


def pool(name: str = "p", *blocks: str, **spec: Any) -> values.Document:
    return document("IPAddressPool", name, {"addresses": list(blocks or ("192.0.2.0/24",)), **spec})


def peer(name: str = "up", address: str = "10.0.0.1", **spec: Any) -> values.Document:
    return document("BGPPeer", name, {"myASN": 64600, "peerASN": 64512, "peerAddress": address, **spec})


def bgp(name: str = "bgp", **spec: Any) -> values.Document:
    return document("BGPAdvertisement", name, spec)


def l2(name: str = "l2", **spec: Any) -> values.Document:
    return document("L2Advertisement", name, spec)


def service(name: str = "web", *ips: str, **more: Any) -> values.Document:
    annotations = more.pop("annotations", {})
    labels = more.pop("labels", {})
    spec = {"type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80, "protocol": "TCP"}], **more}
    status = {"loadBalancer": {"ingress": [{"ip": ip} for ip in ips]} if ips else {}}
    metadata = {"annotations": annotations}
    return document("Service", name, spec, "default", labels=labels, metadata=metadata, status=status)


def endpoints(name: str = "web", *nodes: str, ready: bool = True) -> values.Document:
    each = [{"nodeName": at, "addresses": ["10.244.0.9"], "conditions": {"ready": ready}} for at in nodes]
    labels = {"kubernetes.io/service-name": name}
    return document("EndpointSlice", f"{name}-x", None, "default", labels=labels, endpoints=each)


def holding(name: str, at: str) -> values.Document:
    """`at` says that it announces the Service on layer 2."""
    labels = {"metallb.io/service-name": name, "metallb.io/service-namespace": "default", "metallb.io/node": at}
    status = {"node": at, "serviceName": name, "serviceNamespace": "default"}
    return document("ServiceL2Status", f"l2-{name}-{at}", labels=labels, status=status)


def course(**programs: Any) -> world.Course:
    return world.Course(values.Programs(**programs))


NODES = ("n1", "n2", "n3", "n4")
POOLS = ("p", "q")
SERVICES = ("a", "b", "c", "d")
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
SELECTORS = st.sampled_from(
    [None, [{"matchLabels": {"rack": "r1"}}], [{"matchLabels": {"kubernetes.io/hostname": "n2"}}]]
)


def _spec(**fields: Any) -> Json:
    return {key: value for key, value in fields.items() if value is not None}


@st.composite
def _nodes(draw) -> list[values.Document]:
    found = []
    for name in draw(st.lists(st.sampled_from(NODES), unique=True, min_size=1)):
        labels = {"rack": draw(st.sampled_from(["r1", "r2"]))}
        if draw(st.integers(0, 4)) == 0:
            labels[EXCLUDED] = ""
        found.append(node(name, unavailable=draw(st.integers(0, 7)) == 0, **labels))
    return found


@st.composite
def _services(draw) -> list[values.Document]:
    found = []
    for number, name in enumerate(SERVICES):
        ips = draw(
            st.sampled_from([(), (f"192.0.2.{number}",), ("192.0.2.7",), ("203.0.113.1", "2001:db8::1"), ("x",)])
        )
        policy = draw(st.sampled_from(["Local", "Cluster"]))
        labels = {"tier": draw(st.sampled_from(["gold", "tin"]))}
        shared = {"metallb.io/allow-shared-ip": "k"} if draw(st.booleans()) else {}
        found.append(service(name, *ips, externalTrafficPolicy=policy, labels=labels, annotations=shared))
        if draw(st.integers(0, 5)):
            at = draw(st.lists(st.sampled_from(NODES), unique=True))
            found.append(endpoints(name, *at, ready=draw(st.integers(0, 5)) > 0))
        found += [holding(name, each) for each in draw(st.lists(st.sampled_from(NODES), unique=True, max_size=2))]
    return found


@st.composite
def _config(draw) -> list[values.Document]:
    found = [pool("p"), pool("q", "203.0.113.0/24", "2001:db8::/64")]
    for name in ("one", "two"):
        pools = draw(st.sampled_from([None, ["p"], ["q"]]))
        chosen = draw(st.sampled_from([None, [{"matchLabels": {"tier": "gold"}}]]))
        if draw(st.integers(0, 3)):
            spec = _spec(
                ipAddressPools=pools,
                nodeSelectors=draw(SELECTORS),
                serviceSelectors=chosen,
                localPref=draw(st.sampled_from([None, 100, 200])),
                aggregationLength=draw(st.sampled_from([None, 24, 30, 8])),
                communities=draw(st.sampled_from([None, ["64600:1"], ["no-export"], ["nonsense"]])),
                peers=draw(st.sampled_from([None, ["up"], ["down"]])),
            )
            found.append(bgp(f"bgp-{name}", **spec))
        if draw(st.integers(0, 3)):
            preferred = draw(st.sampled_from([None, [{"weight": 5, "preference": {"matchLabels": {"rack": "r1"}}}]]))
            spec = _spec(
                ipAddressPools=pools,
                nodeSelectors=draw(SELECTORS),
                serviceSelectors=chosen,
                interfaces=draw(st.sampled_from([None, ["eth0"]])),
                preferredNodeSelectors=preferred,
            )
            found.append(l2(f"l2-{name}", **spec))
    for name, address in (("up", "10.0.0.1"), ("down", "2001:db8:ff::1"), ("third", "10.0.0.3")):
        if draw(st.booleans()):
            spec = _spec(
                nodeSelectors=draw(SELECTORS),
                myASN=draw(st.sampled_from([64600, 64600, 64601])),
                password=draw(st.sampled_from([None, "sesame"])),
                bfdProfile=draw(st.sampled_from([None, "fast", "missing"])),
                holdTime=draw(st.sampled_from([None, "30s"])),
            )
            found.append(peer(name, address, **spec))
    if draw(st.booleans()):
        found.append(document("BFDProfile", "fast", {"receiveInterval": draw(st.sampled_from([100, 300]))}))
    if draw(st.integers(0, 4)) == 0:
        lines = "router bgp 64600\n neighbor 10.0.0.9 password sesame"
        found.append(document("ConfigMap", "bgpextras", data={"extras": lines}))
    return found


@st.composite
def clusters(draw) -> list[values.Document]:
    return [*draw(_nodes()), *draw(_config()), *draw(_services())]


@st.composite
def histories(draw) -> list[list[values.Document]]:
    """Clusters one after another, each mostly the one before."""
    found = [draw(clusters())]
    for _ in range(draw(st.integers(0, 2))):
        last = {each.ref: each for each in found[-1]}
        other = {each.ref: each for each in draw(clusters())}
        moving = draw(st.sets(st.sampled_from(sorted({*last, *other})), max_size=4))
        kept = {ref: each for ref, each in last.items() if ref not in moving}
        found.append([*kept.values(), *(each for ref, each in other.items() if ref in moving)])
    return found
