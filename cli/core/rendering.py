"""The answer of `render`: one node's configuration as a document. Pure; the text is made by the renderer of the speakers."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from cli import errors
from cli.core import checking, nodes, previewing
from cli.documents import render as documents
from frr_adapter import secret
from frr_adapter.frr import extras, refusal, reloading


def render(
    preview: previewing.Preview, node: str, templates: Mapping[str, str], gaps: Iterable[str]
) -> documents.RenderDocument:
    """The file of that node; without a name, of any node where all get the same.

    Raises `errors.NoAnswerError` when the name is needed, or nobody has it.
    """
    all_nodes = nodes.Nodes(preview.world)
    chosen = node or _only(all_nodes)
    config = all_nodes.config(chosen)
    found = checking.everything(preview.world)
    refused = tuple(_refused(each, config.secrets) for each in extras.objections(config))
    return documents.RenderDocument(
        node=chosen,
        frr_conf=nodes.text(config, templates),
        refusals=refused,
        problems=tuple(_told(each) for each in found if each.severity is checking.Severity.ERROR),
        gaps=(*gaps, *preview.nodes, *preview.endpoints),
    )


def checked(
    document: documents.RenderDocument, version: str, refusals: Iterable[refusal.Refusal]
) -> documents.RenderDocument:
    """With what that FRR objects to."""
    more = tuple(_refused(each, ()) for each in refusals)
    known = {each.statement for each in document.refusals}
    added = tuple(each for each in more if each.statement not in known)
    return msgspec.structs.replace(document, checked_by=f"FRR {version}", refusals=(*document.refusals, *added))


def remarks(document: documents.RenderDocument) -> Iterator[str]:
    """What is said beside the file, one line each."""
    yield from (f"note: {each}" for each in document.gaps)
    yield from (f"left out: {each}" for each in document.problems)
    yield from (f"refused: {each.statement}: {each.words}" for each in document.refusals)
    if document.checked_by and not document.refusals:
        yield f"checked: {document.checked_by} can read it"


def _only(all_nodes: nodes.Nodes) -> str:
    groups = all_nodes.groups()
    if len(groups) == 1:
        return groups[0][0]
    if not groups:
        raise errors.NoAnswerError("no node is known: give its name (--node)")
    names = ", ".join(", ".join(group[:2]) + (", ..." if len(group) > 2 else "") for group in groups)
    raise errors.NoAnswerError(f"nodes get different files: choose one (--node); known are {names}")


def _refused(each: refusal.Refusal, secrets: Iterable[secret.Secret]) -> documents.RefusedStatement:
    return documents.RefusedStatement(reloading.redact(each.statement, secrets), reloading.redact(each.words, secrets))


def _told(finding: checking.Finding) -> str:
    return f"{finding.where}: {finding.line}" if finding.where else finding.line
