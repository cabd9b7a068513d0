"""Lines of FRR that people add to the ConfigMap bgpextras: which of them cannot stand beside ours, and where they are written.

Called by `validate`. What speaks against a line is asked of the speakers' own reader (`frr.extras`). Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cli import values
from cli.core import checking, nodes, world
from frr_adapter import refs
from frr_adapter.frr import config as frr_config
from frr_adapter.frr import extras, refusal, reloading
from frr_adapter.resolve import view


@dataclass(frozen=True, slots=True)
class Snippet:
    """The lines, and where the first of them is written: `file` and `line`, or the object that holds them."""

    text: str
    file: str = ""
    document: values.Document | None = field(default=None, compare=False)

    def where(self, statement: str) -> str:
        """`file:line` of the line at the end of the statement (blocks and line, joined by ` / `)."""
        number = self.number(statement)
        if self.file:
            return f"{self.file}:{number or 1}"
        origin = self.document.origin if self.document else None
        if origin is None:
            return ""
        file, _, line = origin.at(f"data.{view.EXTRAS_KEY}").rpartition(":")
        # Several lines stand below their key in YAML; in JSON all are in one.
        below = number if number and "\n" in self.text and not file.endswith(".json") else 0
        return f"{file}:{int(line) + below}"

    def number(self, statement: str) -> int | None:
        """The number of that line among the lines, from 1."""
        wanted = statement.rpartition(" / ")[2]
        for number, line in enumerate(self.text.splitlines(), 1):
            if " ".join(line.split()) == wanted:
                return number
        return None


def in_file(text: str, file: str, namespace: str) -> tuple[Snippet, values.Document]:
    """The snippet, and the ConfigMap that it would be."""
    ref = refs.ObjectRef("ConfigMap", namespace, view.EXTRAS_CONFIG_MAP)
    metadata = {"name": ref.name, "namespace": namespace}
    data = {view.EXTRAS_KEY: text}
    raw = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    return Snippet(text, file), values.Document(ref, raw, values.Origin(file, 1))


def among(documents: Iterable[values.Document]) -> Snippet | None:
    """The snippet of the ConfigMap bgpextras, where that is among the documents."""
    for each in documents:
        data = each.raw.get("data")
        if each.ref.kind == "ConfigMap" and each.ref.name == view.EXTRAS_CONFIG_MAP and isinstance(data, dict):
            return Snippet(str(data.get(view.EXTRAS_KEY, "")), document=each)
    return None


def configurations(now: world.World) -> tuple[frr_config.FrrConfig, ...]:
    """One for each group of nodes that get the same."""
    all_nodes = nodes.Nodes(now)
    return tuple(all_nodes.config(group[0]) for group in all_nodes.groups())


def objections(
    snippet: Snippet, configs: Sequence[frr_config.FrrConfig], namespace: str
) -> tuple[checking.Finding, ...]:
    """What speaks against lines of the snippet on any of the nodes, each line once."""
    found = (each for config in configs for each in extras.objections(config))
    return tuple(dict.fromkeys(_finding(snippet, each, namespace) for each in found))


def refused(
    snippet: Snippet | None, refusals: Iterable[refusal.Refusal], node: str, namespace: str
) -> Iterator[checking.Finding]:
    """What FRR itself objects to; a line that is none of the snippet's is ours, and named with the node."""
    for each in refusals:
        if snippet is not None and snippet.number(each.statement) is not None:
            yield _finding(snippet, refusal.Refusal(each.statement, f"FRR: {each.words}"), namespace)
        else:
            text = f"FRR refuses {_hidden(each.statement)}: {each.words}"
            yield checking.Finding(refs.ObjectRef("Node", "", node), "frr.conf", text)


def _finding(snippet: Snippet, each: refusal.Refusal, namespace: str) -> checking.Finding:
    ref = refs.ObjectRef("ConfigMap", namespace, view.EXTRAS_CONFIG_MAP)
    number = snippet.number(each.statement)
    place = f"data.{view.EXTRAS_KEY}" + (f" line {number}" if number else "")
    return checking.Finding(ref, place, f'"{_hidden(each.statement)}": {each.words}', snippet.where(each.statement))


def _hidden(statement: str) -> str:
    return reloading.redact(statement, ())
