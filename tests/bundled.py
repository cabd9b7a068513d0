"""A bundle out of one text, for cases of the operator's command: objects as YAML documents, and what the cluster said besides.

Beside ordinary objects there may be documents of these kinds: `NodeReport` (its fields are those of the report), `Event`, and at most
one `Manifest` (fields of the bundle's own manifest: `programs`, `gaps`, `takenAt`, `source`).
"""

import dataclasses

import msgspec
import yaml

from cli import values
from cli.boundary import bundles, naming
from cli.core import nodes, world
from frr_adapter.api import node_report
from frr_adapter.frr import fingerprint


def pack(text: str) -> bytes:
    """The bundle's bytes."""
    documents, reports, events, manifest = [], {}, [], {}
    for raw in yaml.safe_load_all(text):
        match raw["kind"]:
            case "NodeReport":
                fields = {key: value for key, value in raw.items() if key != "kind"}
                report = msgspec.convert(fields, node_report.NodeReport)
                reports[report.speaker.node] = report
            case "Event":
                events.append(raw)
            case "Manifest":
                manifest = raw
            case _:
                documents.append(naming.document(raw, "metallb-system"))
    gathered = values.Gathered(
        documents=tuple(sorted(documents, key=lambda each: each.ref)),
        reports=reports,
        programs=msgspec.convert(manifest.get("programs", {}), values.Programs),
        source=manifest.get("source", "cluster lab"),
        taken_at=manifest.get("takenAt", "2026-01-01T00:00:00Z"),
        gaps=tuple(manifest.get("gaps", ())),
        events=tuple(events),
    )
    return bundles.packed(dataclasses.replace(gathered, documents=_with_fingerprints(gathered)), "0.0")


def _with_fingerprints(gathered: values.Gathered) -> tuple[values.Document, ...]:
    found = nodes.Nodes(world.Course(gathered.programs).advance(gathered.documents))
    for each in gathered.documents:
        if each.ref.kind == "NodeBGPStatus":
            said = each.raw["status"]["configuration"]
            composed = fingerprint.fingerprint(found.config(each.ref.name))
            said |= {key: composed for key in ("wanted", "applied") if said.get(key) == "COMPOSED"}
    return gathered.documents
