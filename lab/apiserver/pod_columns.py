"""The cells of a Pod's row: how its phase, containers and restarts are summed up.

`builtin_columns` puts them beside the name. Pure. Source: the STATUS and RESTARTS columns of `kubectl get pods`.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from lab.apiserver import ages

_NONE = "<none>"


def cells(obj: dict[str, Any], now: datetime, age: str) -> list[Any]:
    """Ready, status, restarts, age, IP, node, nominated node, readiness gates."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    containers = status.get("containerStatuses") or []
    total = len(spec.get("containers") or ())
    ready = sum(1 for item in containers if item.get("ready") and "running" in (item.get("state") or {}))
    addresses = [item["ip"] for item in status.get("podIPs") or ()]
    return [
        f"{ready}/{total}",
        _status(obj, spec, status),
        _restarts(containers, now),
        age,
        addresses[0] if addresses else status.get("podIP") or _NONE,
        spec.get("nodeName") or _NONE,
        status.get("nominatedNodeName") or _NONE,
        _gates(spec, status),
    ]


def _status(obj: dict[str, Any], spec: dict[str, Any], status: dict[str, Any]) -> str:
    reason: str = status.get("reason") or status.get("phase") or ""
    starting = _starting(spec, status)
    if starting is not None:
        reason = starting
    else:
        reason = next(_stopped(status), reason)
        if reason == "Completed" and any(_is_running(item) for item in status.get("containerStatuses") or ()):
            is_ready = any(
                item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions") or ()
            )
            reason = "Running" if is_ready else "NotReady"
    if obj["metadata"].get("deletionTimestamp") and status.get("phase") not in {"Failed", "Succeeded"}:
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return reason


def _is_running(item: dict[str, Any]) -> bool:
    return bool(item.get("ready")) and "running" in (item.get("state") or {})


def _starting(spec: dict[str, Any], status: dict[str, Any]) -> str | None:
    """What the first unfinished init container does."""
    total = len(spec.get("initContainers") or ())
    for index, item in enumerate(status.get("initContainerStatuses") or ()):
        state = item.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if ended is not None:
            if ended.get("exitCode") == 0:
                continue
            return f"Init:{_ended(ended)}"
        if waiting and waiting.get("reason") not in {None, "", "PodInitializing"}:
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{total}"
    return None


def _stopped(status: dict[str, Any]) -> Iterator[str]:
    """Why containers do not run; the first container's reason counts."""
    for item in status.get("containerStatuses") or ():
        state = item.get("state") or {}
        if (state.get("waiting") or {}).get("reason"):
            yield state["waiting"]["reason"]
        elif state.get("terminated") is not None:
            yield _ended(state["terminated"])


def _ended(ended: dict[str, Any]) -> str:
    if ended.get("reason"):
        reason: str = ended["reason"]
        return reason
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _restarts(containers: list[dict[str, Any]], now: datetime) -> str:
    count = sum(item.get("restartCount", 0) for item in containers)
    ends = [
        ended["finishedAt"]
        for item in containers
        if (ended := (item.get("lastState") or {}).get("terminated")) and ended.get("finishedAt")
    ]
    return f"{count} ({ages.since(max(ends), now)} ago)" if count and ends else str(count)


def _gates(spec: dict[str, Any], status: dict[str, Any]) -> str:
    gates = [item["conditionType"] for item in spec.get("readinessGates") or ()]
    if not gates:
        return _NONE
    held = {item["type"] for item in status.get("conditions") or () if item["status"] == "True"}
    return f"{sum(1 for gate in gates if gate in held)}/{len(gates)}"
