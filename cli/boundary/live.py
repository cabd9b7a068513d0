"""Lists a live cluster: everything that answers depend on, with whatever rights there are. Called by `sources`.

What may not be read, or is not served, is a line and not an error; only a cluster of which nothing can be read gives no answer. It must
never write, and no password gets further than `naming`.
"""

import asyncio
import datetime as dt
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cli import errors, values
from cli.boundary import clusters, naming, nodes, programs, redaction
from frr_adapter import errors as adapter_errors
from frr_adapter.api import node_report
from frr_adapter.boundary import decoders, kube, ports, retry
from frr_adapter.decode import core

ALWAYS = tuple(naming.WORKLOADS)
KINDS = (*decoders.DECODERS, "ConfigurationState", "Lease", "NodeBGPStatus", *ALWAYS)
EVENT = "Event"

_PAGE = "500"
_MOST_EVENTS = 2000
_PACE = retry.Pace(first=0.2, longest=2.0, attempts=3)
EVERYWHERE = frozenset(each.kind for each in decoders.resources(decoders.DECODERS, "here") if not each.namespace)
_ASKED_OF_EVENTS = "involvedObject.kind=Service"


@dataclass(frozen=True, slots=True)
class Listing:
    """What came of listing one kind: the objects, or why not."""

    kind: str
    items: tuple[values.Json, ...] = ()
    failure: adapter_errors.KubernetesError | None = None


async def gather(
    access: clusters.Access,
    namespace: str,
    kinds: Sequence[str] | None,
    *,
    asks_nodes: bool,
    progress: nodes.Progress | None = None,
) -> values.Gathered:
    """Everything of those kinds (None: all), and what the nodes say. Raises `errors.NoAnswerError` when nothing can be read."""
    wanted = dict.fromkeys((*(KINDS if kinds is None else kinds), *ALWAYS, *(("Pod",) if asks_nodes else ())))
    taken_at = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    try:
        async with await kube.Kube.connect(access.kubeconfig, access.context) as api:
            await _check(api, access)
            has_events = kinds is None or EVENT in kinds
            listed, happened = await asyncio.gather(
                asyncio.gather(*(_list(api, kind, namespace) for kind in wanted if kind != EVENT)),
                _events(api, namespace) if has_events else _nothing(),
            )
            documents, gaps = _documents(listed, namespace)
            if not documents and all(each.failure is not None for each in listed):
                raise errors.NoAnswerError(f"{access.name}: nothing can be read: {listed[0].failure}")
            reports: Mapping[str, node_report.NodeReport] = {}
            if asks_nodes:
                reports, silent = await _ask(api, namespace, documents, progress)
                gaps = (*gaps, *silent)
    except adapter_errors.SettingsError as error:
        raise errors.NoAnswerError(_one_line(error)) from None
    missing = [*listed, happened]
    return values.Gathered(
        documents=documents,
        reports=reports,
        source=access.name,
        taken_at=taken_at,
        gaps=(*_untold(missing), *gaps),
        events=happened.items,
        unread=tuple(sorted(each.kind for each in missing if each.failure is not None)),
    )


async def _check(api: ports.KubePort, access: clusters.Access) -> None:
    """One request, so that a cluster which does not answer, or does not know us, costs one wait and not one for each kind."""
    try:
        await api.get("/version")
    except adapter_errors.KubernetesError as error:
        if error.status in {0, 401}:
            raise errors.NoAnswerError(f"{access.name}: {_one_line(error)}") from None


async def _list(api: ports.KubePort, kind: str, namespace: str, selector: str = "") -> Listing:
    known = naming.KINDS[kind]
    everywhere = kind in EVERYWHERE or bool(selector)
    path = known.collection("" if everywhere else namespace)
    asked = {"limit": _PAGE, **({"fieldSelector": selector} if selector else {})}
    try:
        try:
            items = await _pages(api, path, asked)
        except adapter_errors.KubernetesError as error:
            if error.status != 410:
                raise
            # The pages grew too old while they were read; the API advises one request without pages.
            asked.pop("limit")
            items = await _pages(api, path, asked)
    except (adapter_errors.KubernetesError, msgspec.DecodeError) as error:
        return Listing(kind, failure=_failure(error))
    for item in items:
        item["kind"], item["apiVersion"] = known.name, known.api_version
    return Listing(kind, tuple(items))


async def _pages(api: ports.KubePort, path: str, asked: Mapping[str, str]) -> list[values.Json]:
    found: list[values.Json] = []
    query = dict(asked)
    while True:
        answer = await retry.bounded(functools.partial(api.get, path, query), _PACE)
        page = msgspec.json.decode(answer, type=dict[str, Any])
        found += page.get("items") or ()
        token = (page.get("metadata") or {}).get("continue")
        if not token:
            return found
        query = {**asked, "continue": token}


async def _events(api: ports.KubePort, namespace: str) -> Listing:
    """Those about Services, wherever they are, and all in our namespace; the newest, newest last."""
    both = await asyncio.gather(_list(api, EVENT, namespace, _ASKED_OF_EVENTS), _list(api, EVENT, namespace))
    found = {_uid(event): redaction.hide(event) for listing in both for event in listing.items}
    failure = next((each.failure for each in both if each.failure is not None), None)
    return Listing(EVENT, tuple(sorted(found.values(), key=happened_at)[-_MOST_EVENTS:]), failure)


async def _nothing() -> Listing:
    return Listing(EVENT)


def happened_at(event: values.Json) -> tuple[str, str]:
    """When an event was seen last, and its name: to sort by."""
    metadata = event.get("metadata") or {}
    series = event.get("series") or {}
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        metadata.get("creationTimestamp"),
    )
    return next((str(each) for each in times if each), ""), str(metadata.get("name", ""))


def _uid(event: values.Json) -> str:
    metadata = event.get("metadata") or {}
    return str(metadata.get("uid") or f"{metadata.get('namespace')}/{metadata.get('name')}")


def _documents(listed: Iterable[Listing], namespace: str) -> tuple[tuple[values.Document, ...], tuple[str, ...]]:
    found: list[values.Document] = []
    gaps: list[str] = []
    for listing in listed:
        for item in listing.items:
            try:
                found.append(naming.document(item, namespace))
            except naming.NotOursError as error:
                gaps.append(f"{listing.kind}: {error}")
    return tuple(sorted(found, key=lambda each: each.ref)), tuple(gaps)


def _untold(listed: Iterable[Listing]) -> tuple[str, ...]:
    """One line for each reason why kinds could not be read."""
    reasons: dict[str, list[tuple[str, str]]] = {}
    for each in listed:
        if each.failure is not None:
            match each.failure.status:
                case 403:
                    reason = "no right to list"
                case 404:
                    reason = "this cluster does not have"
                case _:
                    reason = "cannot list"
            reasons.setdefault(reason, []).append((each.kind, _one_line(each.failure)))
    return tuple(
        f"{reason} {', '.join(kind for kind, _ in told)}: {told[0][1]}" for reason, told in sorted(reasons.items())
    )


async def _ask(
    api: kube.Kube, namespace: str, documents: Iterable[values.Document], progress: nodes.Progress | None
) -> tuple[Mapping[str, node_report.NodeReport], tuple[str, ...]]:
    speakers = [each.raw for each in documents if each.ref.kind == "Pod" and programs.is_speaker(_labels(each.raw))]
    pods = [core.decode_pod(msgspec.json.encode(raw)).value for raw in speakers]
    return await nodes.reports(api, namespace, [pod for pod in pods if pod is not None], progress)


def _labels(raw: values.Json) -> Mapping[str, Any]:
    labels = (raw.get("metadata") or {}).get("labels")
    return labels if isinstance(labels, dict) else {}


def _failure(error: Exception) -> adapter_errors.KubernetesError:
    if isinstance(error, adapter_errors.KubernetesError):
        return error
    return adapter_errors.KubernetesError(0, "Garbage", str(error))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
