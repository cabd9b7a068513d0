"""Endpoints of Services that are only planned: nobody knows them yet, so they are taken from what is alike, and that is said.

Called by `planning`. Pure. It must never change what the cluster itself says about a Service that is there.
"""

from collections.abc import Iterable, Iterator, Mapping

from cli import values
from cli.core import merging
from frr_adapter import refs
from frr_adapter.decode import core

Documents = Mapping[refs.ObjectRef, values.Document]

_Pairs = frozenset[tuple[str, str]]

_SHOWN = 5


def endpoints(
    documents: Documents, changes: Iterable[merging.Changed]
) -> tuple[dict[refs.ObjectRef, values.Document], tuple[str, ...]]:
    """The documents with endpoints for Services of type LoadBalancer that come, or whose selector changes, and a line for each guess."""
    found: dict[refs.ObjectRef, values.Document] = dict(documents)
    guessed: dict[str, list[str]] = {}
    slices = _slices(documents)
    known = _Known(documents, slices)
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
        rows, source = known.guess(service)
        made = _slice(service, rows)
        found[made.ref] = made
        guessed.setdefault(source, []).append(change.ref.key)
    return found, tuple(_note(keys, source) for source, keys in guessed.items())


def _note(keys: list[str], source: str) -> str:
    if len(keys) == 1:
        return f"Service {keys[0]}: its endpoints are not known yet; {source}"
    named = ", ".join(keys[:_SHOWN])
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"Services {named}{more}: their endpoints are not known yet; {source}"


class _Known:
    """What is there and may tell where pods run, found by what selects it: many Services may ask."""

    def __init__(self, documents: Documents, slices: Mapping[str, list[values.Document]]) -> None:
        self._slices = slices
        self._services: dict[tuple[str, _Pairs], list[refs.ObjectRef]] = {}
        self._pods: dict[tuple[str, tuple[str, str]], list[values.Document]] = {}
        self._nodes = sorted(ref.name for ref in documents if ref.kind == "Node")
        for ref, each in documents.items():
            if ref.kind == "Service" and ref.key in slices:
                self._services.setdefault((ref.namespace, frozenset(_selector(each).items())), []).append(ref)
            elif ref.kind == "Pod":
                for pair in _labels(each).items():
                    self._pods.setdefault((ref.namespace, pair), []).append(each)
        self._namespaces = frozenset(ref.namespace for ref in documents if ref.kind == "Pod")

    def guess(self, service: values.Document) -> tuple[list[values.Json], str]:
        """Endpoints, and how they were come by."""
        namespace, wanted = service.ref.namespace, frozenset(_selector(service).items())
        for ref in self._services.get((namespace, wanted), ()):
            if ref != service.ref:
                rows = [row for each in self._slices[ref.key] for row in _listed(each.raw.get("endpoints"))]
                return rows, f"taken to be those of {ref}, which selects the same pods"
        if namespace in self._namespaces:
            some = self._pods.get((namespace, min(wanted)), ())
            pods = [each for each in some if _labels(each).items() >= wanted and _node(each)]
            return [_row(_node(each), is_ready=_is_ready(each)) for each in pods], "taken from the pods that it selects"
        # Where traffic goes to any node, one endpoint says as much as many.
        is_local = service.part("spec").get("externalTrafficPolicy") == "Local"
        nodes = self._nodes if is_local else self._nodes[:1]
        return [_row(name) for name in nodes], "every node is taken to have a ready one"


def _wants(service: values.Document) -> bool:
    return service.part("spec").get("type") == "LoadBalancer" and bool(_selector(service))


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
    return _texts(service.part("spec", "selector"))


def _labels(document: values.Document) -> dict[str, str]:
    return _texts(document.part("metadata", "labels"))


def _texts(found: values.Json) -> dict[str, str]:
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _listed(value: object) -> list[values.Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _node(pod: values.Document) -> str:
    return str(pod.part("spec").get("nodeName") or "")


def _is_ready(pod: values.Document) -> bool:
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in _conditions(pod))


def _conditions(pod: values.Document) -> Iterator[values.Json]:
    yield from _listed(pod.part("status").get("conditions"))


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
