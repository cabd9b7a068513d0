"""The answer of `validate`: what is wrong with manifests, with snippets, and what FRR says. Pure; the parts are judged elsewhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cli import values
from cli.core import checking, nodes, previewing, snippets
from cli.documents import validate as documents
from frr_adapter.frr import refusal

_ANY_NODE = "any"
"""Stands for all nodes where the files and the snapshot have none."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known before FRR is asked."""

    preview: previewing.Preview
    findings: tuple[checking.Finding, ...]
    snippet: snippets.Snippet | None
    objects: int
    gaps: tuple[str, ...]

    def configurations(self, templates: Mapping[str, str]) -> dict[str, str]:
        """Node -> text, one node of each group that gets the same."""
        found = nodes.Nodes(self.preview.world)
        return {group[0]: nodes.text(found.config(group[0]), templates) for group in found.groups()}

    def document(
        self,
        version: str = "",
        answers: Mapping[str, Iterable[refusal.Refusal]] | None = None,
        gaps: tuple[str, ...] = (),
    ) -> documents.ValidateDocument:
        """The answer; `answers` are what FRR objects to, by node."""
        namespace = self.preview.world.programs.namespace
        found = list(self.findings)
        told = {(each.ref, each.where, each.field) for each in found}
        for node, refusals in (answers or {}).items():
            for each in snippets.refused(self.snippet, refusals, node, namespace):
                if (each.ref, each.where, each.field) not in told:
                    told.add((each.ref, each.where, each.field))
                    found.append(each)
        errors = sum(each.severity is checking.Severity.ERROR for each in found)
        return documents.ValidateDocument(
            objects=self.objects,
            errors=errors,
            warnings=len(found) - errors,
            findings=tuple(map(_found, sorted(found, key=checking.order))),
            frr_version=version,
            gaps=(*self.gaps, *gaps),
        )


def judge(before: values.Gathered, files: values.Gathered, given: tuple[str, str] | None = None) -> Judged:
    """`given` is a file of snippets: its name and its text; it takes the place of the ConfigMap among the manifests."""
    namespace = before.programs.namespace
    manifests = list(files.documents)
    snippet = snippets.among(manifests)
    if given is not None:
        snippet, extra = snippets.in_file(given[1], given[0], namespace)
        manifests = [each for each in manifests if each.ref != extra.ref] + [extra]
    has_nodes = any(each.ref.kind == "Node" for each in (*before.documents, *manifests))
    preview = previewing.preview(before, _with(files, manifests), () if has_nodes else (_ANY_NODE,))
    found = list(checking.everything(preview.world, manifests))
    if snippet is not None:
        found += snippets.objections(snippet, snippets.configurations(preview.world), namespace)
    return Judged(preview, tuple(found), snippet, len(files.documents), (*before.gaps, *files.gaps))


def _with(files: values.Gathered, manifests: Iterable[values.Document]) -> values.Gathered:
    return values.Gathered(documents=tuple(manifests), programs=files.programs)


def _found(finding: checking.Finding) -> documents.FoundMistake:
    return documents.FoundMistake(
        finding.severity.value, str(finding.ref), finding.field, finding.message, finding.where
    )
