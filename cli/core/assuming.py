"""Endpoints of Services that are only planned: nobody knows them yet, so they are taken from what is alike, and that is said.

Called by `planning`. Pure. It must never change what the cluster itself says about a Service that is there.
"""

from collections.abc import Iterable, Iterator, Mapping

from cli import values
from cli.core import merging
from frr_adapter import refs
from frr_adapter.decode import core

Documents = Mapping[refs.ObjectRef, values.Document]


def endpoints(
    documents: Documents, changes: Iterable[merging.Changed]
) -> tuple[dict[refs.ObjectRef, values.Document], tuple[str, ...]]:
    """The documents with endpoints for Services of type LoadBalancer that come, or whose selector changes, and a line for each guess."""
    found, notes = dict(documents), []
    slices = _slices(documents)
    for change in changes:
        service = documents.get(change.ref)
        if change.ref.kind != "Service" or service is None or not _wants(service):
            continue
        is_new = change.change is merging.Change.CREATED
        is_moved = any(field.startswith("spec.selector") for field in change.fields)
        there = slices.get(change.ref.key, [])
        if not (is_moved or (is_new and not there)):
            continue
        if not is_new:
            for each in there:
                del found[each.ref]
        rows, source = _guess(service, documents, slices)
        made = _slice(service, rows)
        found[made.ref] = made
        notes.append(f"{change.ref}: its endpoints are not known yet; {source}")
    return found, tuple(notes)


def _guess(
    service: values.Document, documents: Documents, slices: Mapping[str, list[values.Document]]
) -> tuple[list[values.Json], str]:
    namespace, wanted = service.ref.namespace, _selector(service)
    for ref, other in documents.items():
        is_alike = ref.kind == "Service" and ref.namespace == namespace and _selector(other) == wanted
        if is_alike and ref != service.ref and (found := slices.get(ref.key)):
            rows = [row for each in found for row in each.raw.get("endpoints") or ()]
            return rows, f"taken to be those of {ref}, which selects the same pods"
    pods = [each for ref, each in documents.items() if ref.kind == "Pod" and ref.namespace == namespace]
    if pods:
        found_pods = [each for each in pods if _labels(each).items() >= wanted.items() and _node(each)]
        return [
            _row(_node(each), is_ready=_is_ready(each)) for each in found_pods
        ], "taken from the pods that it selects"
    nodes = sorted(ref.name for ref in documents if ref.kind == "Node")
    return [_row(name) for name in nodes], "every node is taken to have a ready one"


def _wants(service: values.Document) -> bool:
    spec = service.raw.get("spec") or {}
    return spec.get("type") == "LoadBalancer" and bool(_selector(service))


def _slices(documents: Documents) -> dict[str, list[values.Document]]:
    found: dict[str, list[values.Document]] = {}
    for ref, each in documents.items():
        if ref.kind == "EndpointSlice" and (name := _labels(each).get(core.SERVICE_NAME_LABEL)):
            found.setdefault(f"{ref.namespace}/{name}", []).append(each)
    return found


def _slice(service: values.Document, rows: Iterable[values.Json]) -> values.Document:
    ref = refs.ObjectRef("EndpointSlice", service.ref.namespace, f"{service.ref.name} (planned)")
    metadata = {
        "name": ref.name,
        "namespace": ref.namespace,
        "labels": {core.SERVICE_NAME_LABEL: service.ref.name},
    }
    return values.Document(ref, {"kind": ref.kind, "metadata": metadata, "endpoints": list(rows)})


def _row(node: str, *, is_ready: bool = True) -> values.Json:
    return {"nodeName": node, "addresses": ["0.0.0.0"], "conditions": {"ready": is_ready}}


def _selector(service: values.Document) -> dict[str, str]:
    return dict((service.raw.get("spec") or {}).get("selector") or {})


def _labels(document: values.Document) -> dict[str, str]:
    return dict((document.raw.get("metadata") or {}).get("labels") or {})


def _node(pod: values.Document) -> str:
    return str((pod.raw.get("spec") or {}).get("nodeName") or "")


def _is_ready(pod: values.Document) -> bool:
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in _conditions(pod))


def _conditions(pod: values.Document) -> Iterator[values.Json]:
    yield from (pod.raw.get("status") or {}).get("conditions") or ()


def nodes(documents: Documents, names: Iterable[str]) -> tuple[dict[refs.ObjectRef, values.Document], tuple[str, ...]]:
    """The documents with a Node for each name that there is none of, with no label but its host name."""
    found, notes = dict(documents), []
    for name in names:
        ref = refs.ObjectRef("Node", "", name)
        if ref not in found:
            metadata = {"name": name, "labels": {"kubernetes.io/hostname": name}}
            found[ref] = values.Document(ref, {"kind": "Node", "metadata": metadata})
            notes.append(f"{ref}: not known; taken to be a healthy node with no label but its host name")
    return found, tuple(notes)
