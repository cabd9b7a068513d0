"""A small cluster that all views show well: three nodes, one peer with BFD, one Service over BGP, one on layer 2."""

import copy
from typing import Any

from cli import values
from cli.core import status
from cli.core import world as worlds
from tests.unit.cli import plan_world

NAMES = ("n1", "n2", "n3")
TAKEN = "2026-01-01T12:00:00Z"


def pod(program: str, node: str, *, ready: bool = True) -> values.Document:
    return plan_world.document(
        "Pod",
        f"{program}-{node}",
        {"nodeName": node},
        labels={"app.kubernetes.io/component": program},
        status={"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    )


def session(state: str = "Established", bfd: str = "Up", neighbor: str = "10.0.0.1", **more: Any) -> dict[str, Any]:
    return {"neighbor": neighbor, "vrf": "default", "peers": ["up"], "state": state, "bfd": bfd, **more}


def node_status(node: str, *sessions: dict[str, Any], up: bool = True, **configuration: str) -> values.Document:
    said = {"state": "Applied", "wanted": "a", "applied": "a", **configuration}
    return plan_world.document(
        "NodeBGPStatus",
        node,
        status={
            "node": node,
            "frr": {"version": "10.3", "up": up},
            "configuration": said,
            "sessions": list(sessions or (session(),)),
        },
    )


def announcing(name: str, at: str) -> values.Document:
    labels = {"metallb.io/service-name": name, "metallb.io/service-namespace": "default", "metallb.io/node": at}
    about = {"node": at, "serviceName": name, "serviceNamespace": "default", "peers": ["up"]}
    return plan_world.document("ServiceBGPStatus", f"bgp-{name}-{at}", labels=labels, status=about)


def given(name: str, address: str, pool: str, **more: Any) -> values.Document:
    return plan_world.service(
        name, address, annotations={"metallb.io/ip-allocated-from-pool": pool, "metallb.io/address-pool": pool}, **more
    )


def well() -> list[values.Document]:
    """n3 comes first on layer 2, and holds."""
    return [
        *map(plan_world.node, NAMES),
        *(pod("speaker", name) for name in NAMES),
        pod("controller", "n1"),
        plan_world.document("Lease", "frr-adapter-controller", {"holderIdentity": "controller-n1"}),
        plan_world.pool("public", "192.0.2.0/30"),
        plan_world.pool("segment", "10.99.0.200-10.99.0.201", autoAssign=False),
        plan_world.bgp(ipAddressPools=["public"]),
        plan_world.l2(ipAddressPools=["segment"]),
        plan_world.document("BFDProfile", "fast", {"receiveInterval": 300}),
        plan_world.peer(bfdProfile="fast"),
        given("web", "192.0.2.0", "public"),
        plan_world.endpoints("web", *NAMES),
        given("web-l2", "10.99.0.200", "segment"),
        plan_world.endpoints("web-l2", *NAMES),
        plan_world.holding("web-l2", "n3"),
        *(node_status(name) for name in NAMES),
        *(announcing("web", name) for name in NAMES),
    ]


def replaced(documents: list[values.Document], *others: values.Document) -> list[values.Document]:
    """With these in place of those of the same name."""
    found = {each.ref: each for each in documents} | {each.ref: each for each in others}
    return list(found.values())


def without(documents: list[values.Document], kind: str, name: str = "") -> list[values.Document]:
    return [each for each in documents if each.ref.kind != kind or name not in ("", each.ref.name)]


def picture(documents: list[values.Document], course: worlds.Course | None = None, **more: Any) -> status.Picture:
    gathered = values.Gathered(documents=tuple(copy.deepcopy(documents)), source="test", taken_at=TAKEN, **more)
    return status.picture(gathered, course or worlds.Course(gathered.programs))
