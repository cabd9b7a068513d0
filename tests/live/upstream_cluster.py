"""What a cluster does beside the load balancer, while one moves from MetalLB to this project: kubelets, the controllers of Deployments and
DaemonSets, and MetalLB's election of layer-2 owners.

Follows a lab's API ten times a second. A DaemonSet's pod on a node is real: MetalLB's is `tests.live.upstream_node`, ours are the lab's FRR
and speaker. Two pods never share a node, since they want the same ports. What a pod owns in the API goes with it.
"""

import asyncio
import contextlib
import hashlib
import ipaddress
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

from lab import control, kube, objects, plan, waiting, world
from lab.places import Places
from tests.live import upstream_node

OURS, THEIRS = "frr-adapter-speaker", "metallb-speaker"
_APPS = f"/apis/apps/v1/namespaces/{objects.SYSTEM_NAMESPACE}"
_PODS = f"/api/v1/namespaces/{objects.SYSTEM_NAMESPACE}/pods"
_ADVERTISEMENTS = f"/apis/metallb.io/v1beta1/namespaces/{objects.SYSTEM_NAMESPACE}/l2advertisements"
_MERGE = "application/merge-patch+json"
DAEMONS = ("mgmtd", "zebra", "bgpd", "bfdd", "staticd")
Json = dict[str, Any]
_PATIENCE = 20
"""Turns in a row that may fail."""
_READY = (
    f"exec 3<>/dev/tcp/127.0.0.1/{plan.HEALTH_PORT} && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3"
)


class Cluster:
    """`running` maps nodes to the DaemonSet whose pod is there. `trouble` is what went wrong; tests look at it."""

    def __init__(
        self, places: Places, the_plan: plan.Plan, told: tuple[str, ...], held: dict[str, tuple[str, ...]]
    ) -> None:
        """`told` goes to the router; `held` are the addresses of each Service on layer 2, the first one elects."""
        self._places = places
        self._plan = the_plan
        self._told = told
        self._held = held
        self._theirs = {node.name: upstream_node.Pod(places, node) for node in the_plan.nodes}
        self._over = threading.Event()
        self._ready: set[str] = set()
        self.running: dict[str, str] = {}
        self.trouble: list[str] = []
        self.turns = 0

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        thread = threading.Thread(target=lambda: asyncio.run(self._follow()), name="cluster")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            for pod in self._theirs.values():
                pod.stop()

    def order(self, operation: str, target: str) -> None:
        control.ask(self._places.control_socket, {"op": operation, "target": target}, seconds=20)

    async def _follow(self) -> None:
        async with kube.Api(kube.read_kubeconfig(self._places.kubeconfig)) as api:
            failures = 0
            while not self._over.is_set():
                try:
                    await self._turn(api)
                    failures = 0
                except kube.ApiError as error:  # an object that changed or went meanwhile
                    failures += 1
                    if failures == _PATIENCE:
                        self.trouble.append(str(error))
                except Exception:
                    self.trouble.append(traceback.format_exc())
                    return
                self.turns += 1
                await asyncio.sleep(0.1)

    async def _turn(self, api: kube.Api) -> None:
        nodes = {
            each["metadata"]["name"]: each["metadata"].get("labels", {}) for each in await api.list("/api/v1/nodes")
        }
        daemons = {each["metadata"]["name"]: each for each in await api.list(f"{_APPS}/daemonsets")}
        deployments = {each["metadata"]["name"]: each for each in await api.list(f"{_APPS}/deployments")}
        await self._elect(api, nodes)
        for node, labels in nodes.items():
            wanted = {
                name
                for name, each in daemons.items()
                if _selects(each["spec"]["template"]["spec"].get("nodeSelector"), labels)
            }
            present = self.running.get(node)
            if present is not None and present not in wanted:
                await asyncio.to_thread(self._stop, node, present)
                del self.running[node]
                await api.call("DELETE", f"{_PODS}/{_pod_name(present, node)}", {"gracePeriodSeconds": 0})
                await self._elect(api, nodes)
                present = None
            if present is None and wanted:
                chosen = min(wanted)
                pod = self._pod(chosen, node, daemons[chosen])
                await api.apply(pod)
                await asyncio.to_thread(self._start, node, chosen)
                self.running[node] = chosen
        for name, each in daemons.items():
            await self._tell_daemons(api, name, each, nodes)
        for name, each in deployments.items():
            await self._tell_deployment(api, name, each)
        if "frr-adapter-controller" not in deployments:
            self._ready.discard(plan.CONTROL)
            await asyncio.to_thread(self.order, "stop", "controller")

    def _start(self, node: str, name: str) -> None:
        if name == THEIRS:
            self._theirs[node].start(self._told)
            return
        for daemon in self._frr(node):
            self.order("start", f"{node}/{daemon}")
            path = self._places.node(node) / f"{daemon}.vty"
            end = time.monotonic() + 20
            while not asyncio.run(waiting.vty_answers(path)):
                assert time.monotonic() < end, path
                time.sleep(0.02)
        self.order("start", f"{node}/speaker")

    def _stop(self, node: str, name: str) -> None:
        if name == THEIRS:
            self._theirs[node].stop()
            return
        self._ready.discard(node)
        for program in ("speaker", *reversed(self._frr(node))):
            self.order("stop", f"{node}/{program}")

    def _frr(self, node: str) -> tuple[str, ...]:
        children = control.ask(self._places.control_socket, {"op": "status"})["children"]
        present = {each["target"] for each in children}
        return tuple(each for each in DAEMONS if f"{node}/{each}" in present)

    def _pod(self, name: str, node: str, daemons: Json) -> Json:
        labels = daemons["spec"]["template"]["metadata"]["labels"]
        made = objects.speaker_pod(self._plan.node(node))
        # The lab's speakers look for others by these labels, the chart's by those of the template.
        labels = labels if name == THEIRS else {**labels, **objects.SPEAKER_LABELS}
        owner = {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "name": name,
            "uid": daemons["metadata"]["uid"],
            "controller": True,
        }
        made["metadata"] = {
            **made["metadata"],
            "name": _pod_name(name, node),
            "labels": labels,
            "ownerReferences": [owner],
        }
        return made

    async def _elect(self, api: kube.Api, nodes: dict[str, dict[str, str]]) -> None:
        """The first by digest of the live nodes that an advertisement selects answers for all addresses of a Service."""
        live = [node for node, name in self.running.items() if name == THEIRS]
        selectors = [each.get("spec", {}).get("nodeSelectors") or [{}] for each in await api.list(_ADVERTISEMENTS)]
        candidates = [
            node
            for node in live
            if any(_selects(one.get("matchLabels"), nodes[node]) for some in selectors for one in some)
        ]
        holding: dict[str, list[str]] = {node: [] for node in live}
        for addresses in self._held.values():
            if candidates:
                first = ipaddress.ip_address(addresses[0])
                owner = min(candidates, key=lambda node: hashlib.sha256(f"{node}#{first}".encode()).digest())
                holding[owner] += addresses
        for node, some in holding.items():
            self._theirs[node].hold(tuple(some))

    async def _tell_daemons(self, api: kube.Api, name: str, each: Json, nodes: dict[str, dict[str, str]]) -> None:
        selector = each["spec"]["template"]["spec"].get("nodeSelector")
        wanted = sum(_selects(selector, labels) for labels in nodes.values())
        mine = [node for node, running in self.running.items() if running == name]
        ready = [node for node in mine if name == THEIRS or await self._is_ready(node)]
        status = {
            "observedGeneration": each["metadata"]["generation"],
            "desiredNumberScheduled": wanted, "currentNumberScheduled": len(mine), "updatedNumberScheduled": len(mine),
            "numberReady": len(ready), "numberAvailable": len(ready), "numberMisscheduled": 0,
        }  # fmt: skip
        await _told(api, f"{_APPS}/daemonsets/{name}", each, status)

    async def _tell_deployment(self, api: kube.Api, name: str, each: Json) -> None:
        replicas = each["spec"]["replicas"]
        if name == "frr-adapter-controller":
            await asyncio.to_thread(self.order, "start" if replicas else "stop", "controller")
            if replicas and not await self._is_ready(plan.CONTROL):
                return
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
        await _told(
            api, f"{_APPS}/deployments/{name}", each, {"observedGeneration": each["metadata"]["generation"], **counts}
        )

    async def _is_ready(self, namespace: str) -> bool:
        """Asked until it was ready once."""
        if namespace not in self._ready:
            entry = world.entry_to(world.running(self._places), self._places, namespace)
            asked = await asyncio.create_subprocess_exec(
                *entry, "bash", "-c", _READY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
            answer, _ = await asked.communicate()
            self._ready |= {namespace} if b" 200 " in answer else set()
        return namespace in self._ready


async def _told(api: kube.Api, path: str, each: Json, status: Json) -> None:
    present = each.get("status") or {}
    if any(present.get(key, 0) != value for key, value in status.items()):
        await api.call("PATCH", f"{path}/status", {"status": status}, _MERGE)


def _selects(selector: dict[str, str] | None, labels: dict[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in (selector or {}).items())


def _pod_name(daemons: str, node: str) -> str:
    return f"speaker-{node}" if daemons == OURS else f"{daemons}-{node}"
