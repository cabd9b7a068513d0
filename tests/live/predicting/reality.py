"""What a running lab does, as values: addresses, configurations, sessions, owners; and what happened between two looks.

Everything is read where it is: the API, the files of FRR, bgpd itself. Used by `test_plan_reality`.
"""

import asyncio
import concurrent.futures
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from frr_adapter.boundary import vty
from frr_adapter.frr import show
from lab import kube
from tests.live.conftest import LabCluster
from tests.live.predicting import documents

_PASSWORD = re.compile(r"^( neighbor \S+ password ).*$", re.MULTILINE)
_GROUP = "/apis/metallb.io/v1beta1"

Session = tuple[str, str]
"""Node and neighbor."""


@dataclass(frozen=True, slots=True)
class Line:
    """One BGP session as the node's bgpd has it. `connection` is that of TCP: another one means that the session was reset."""

    state: str
    connection: tuple[str, int, int] | None
    dropped: int

    @property
    def is_up(self) -> bool:
        return self.state == "Established"


@dataclass(frozen=True, slots=True)
class Look:
    """The lab at one moment. `unapplied` are nodes whose speaker says that FRR does not run what is wanted."""

    addresses: dict[str, tuple[str, ...]]
    owners: dict[str, tuple[str, ...]]
    texts: dict[str, str]
    sessions: dict[Session, Line]
    unapplied: tuple[str, ...]


def look(lab: LabCluster) -> Look:
    """Everything, read as fast as it goes."""

    async def work() -> Look:
        async with kube.Api(kube.read_kubeconfig(lab.kubeconfig)) as api:
            services, owners, nodes = await asyncio.gather(
                api.list("/api/v1/services"),
                api.list(f"{_GROUP}/servicel2statuses"),
                api.list(f"{_GROUP}/nodebgpstatuses"),
            )
            sessions = [await _sessions(lab.places.node(node), node) for node in documents.NODES]
        return Look(
            addresses={_key(each["metadata"]): _ingress(each) for each in services},
            owners=_owners(owners),
            texts={node: masked((lab.places.node(node) / "frr.conf").read_text()) for node in documents.NODES},
            sessions={key: line for found in sessions for key, line in found.items()},
            unapplied=tuple(sorted(each["metadata"]["name"] for each in nodes if not _is_applied(each))),
        )

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


def masked(text: str) -> str:
    """An `frr.conf` with `***` for every password."""
    return _PASSWORD.sub(r"\1***", text)


def resets(before: Look, after: Look) -> frozenset[Session]:
    """Sessions that were up, are configured still or again, and whose connection is another one, or none."""
    return frozenset(
        key
        for key, line in before.sessions.items()
        if line.is_up and key in after.sessions and after.sessions[key].connection != line.connection
    )


async def _sessions(directory: Path, node: str) -> dict[Session, Line]:
    connection = await vty.Vty.connect(directory / "bgpd.vty")
    try:
        answer = await connection.execute(show.BGP_NEIGHBORS)
    finally:
        connection.close()
    found: dict[Session, Line] = {}
    for vrf in msgspec.json.decode(answer.text).values():
        for neighbor, said in vrf.items():
            if isinstance(said, dict):
                found[node, neighbor] = _line(said)
    return found


def _line(said: dict[str, Any]) -> Line:
    state = said.get("bgpState", "")
    connection = None
    if state == "Established":
        connection = (said.get("hostLocal", ""), said.get("portLocal", 0), said.get("portForeign", 0))
    return Line(state, connection, said.get("connectionsDropped", 0))


def _ingress(service: dict[str, Any]) -> tuple[str, ...]:
    found = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return tuple(each["ip"] for each in found)


def _owners(statuses: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for each in statuses:
        # Made first, filled in afterwards.
        if status := each.get("status"):
            found.setdefault(f"{status['serviceNamespace']}/{status['serviceName']}", set()).add(status["node"])
    return {service: tuple(sorted(nodes)) for service, nodes in sorted(found.items())}


def _is_applied(status: dict[str, Any]) -> bool:
    found = status.get("status", {}).get("configuration", {})
    return bool(found.get("state") == "Applied" and found.get("wanted") == found.get("applied"))


def _key(meta: dict[str, Any]) -> str:
    return f"{meta['namespace']}/{meta['name']}"
