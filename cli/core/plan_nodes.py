"""What changes in the FRR of every node between two moments: the file, how it is applied, and which sessions that costs.

Called by `planning`. Pure. Lines and resets are those of `frr_adapter.frr.delta` and `resets`, which the speakers use; nodes that change in
the same way are told of together.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from cli.core import blaming, differing, moment
from cli.documents import plan
from frr_adapter import errors
from frr_adapter.frr import config as frr_config
from frr_adapter.frr import delta, grammar, masking, render, statements
from frr_adapter.frr import resets as frr_resets

_ASKED = (grammar.Daemon.BGPD, grammar.Daemon.BFDD)
_NOTHING = frr_config.FrrConfig("")
_ANY = "a-node-of-the-group"
"""Stands for the name of the host while nodes are compared."""
ALL_VERSIONS = 99
"""Of a node whose FRR is not known: it may be any."""

Versions = Mapping[str, int]
"""Major version of FRR by node, where it is known."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changes on which nodes, and on how many nodes and sessions all together."""

    nodes: tuple[plan.NodeChange, ...] = ()
    count: int = 0
    reset_nodes: int = 0
    resets: int = 0
    gained: int = 0
    lost: int = 0


class Comparison:
    """Compares the nodes of two moments. `templates` as `render.render`; `chosen` are the nodes to look at, all when empty."""

    def __init__(
        self,
        before: moment.Moment,
        after: moment.Moment,
        templates: Mapping[str, str],
        versions: Versions,
        blame: blaming.Blame,
        chosen: Iterable[str] = (),
    ) -> None:
        self._before = before
        self._after = after
        self._templates = templates
        self._renderers: dict[frr_config.FrrConfig, render.Renderer] = {}
        self._printed: render.Printed = {}
        self._versions = versions
        self._blame = blame
        self._chosen = frozenset(chosen)

    def changes(self) -> Changes:
        """Everything, sorted by the first node of each group."""
        found: dict[plan.NodeChange, list[str]] = {}
        for names in self._pairs():
            change = self._change(names[0])
            if change is not None:
                found.setdefault(change, []).extend(names)
        nodes = sorted((_of(change, sorted(names)) for change, names in found.items()), key=lambda each: each.nodes)
        return Changes(
            tuple(nodes),
            sum(len(each.nodes) for each in nodes if each.way != "comments"),
            sum(len(each.nodes) for each in nodes if each.resets),
            sum(len(each.nodes) * len({(reset.vrf, reset.neighbor) for reset in each.resets}) for each in nodes),
            sum(len(each.nodes) * len(each.sessions_gained) for each in nodes),
            sum(len(each.nodes) * len(each.sessions_lost) for each in nodes),
        )

    def _pairs(self) -> Iterable[list[str]]:
        """Nodes with equal configurations before, and equal ones after, and FRR of one version."""
        was = _places(self._before.nodes.groups())
        shall = _places(self._after.nodes.groups())
        pairs: dict[tuple[int, int, int], list[str]] = {}
        for name in sorted({*was, *shall}):
            if not self._chosen or name in self._chosen:
                version = self._versions.get(name, ALL_VERSIONS)
                pairs.setdefault((was.get(name, -1), shall.get(name, -1), version), []).append(name)
        return pairs.values()

    def _change(self, name: str) -> plan.NodeChange | None:
        """What changes on that node, as if it had another name, so that nodes can be compared."""
        is_there, stays = name in self._before.world.nodes, name in self._after.world.nodes
        before = dataclasses.replace(self._before.nodes.config(name), hostname=_ANY) if is_there else _NOTHING
        after = dataclasses.replace(self._after.nodes.config(name), hostname=_ANY) if stays else _NOTHING
        if before == after:
            return None
        old = self._text(before) if is_there else ""
        new = self._text(after) if stays else ""
        gained, lost = _sessions(before, after)
        if not stays:  # its file goes with it
            return plan.NodeChange((), change="removed", way="stop", sessions_lost=lost)
        change = plan.NodeChange((), diff=differing.unified(old, new), sessions_gained=gained, sessions_lost=lost)
        if not is_there:
            return msgspec.structs.replace(change, change="added", way="start")
        found = _delta(before, after)
        version = self._versions.get(name, ALL_VERSIONS)
        ends = frr_resets.on_version(_resets(before, after), version)
        resets = tuple(self._blame.reset(each, before, after) for each in ends)
        if isinstance(found, delta.NeedsReload):
            return msgspec.structs.replace(change, way="reload", reason=found.reason, resets=resets)
        return msgspec.structs.replace(change, way="hot" if found else "comments", lines=_told(found), resets=resets)

    def _text(self, config: frr_config.FrrConfig) -> str:
        """The file, without passwords. Each renderer sees configurations that differ in their prefixes only, and prints those that are new."""
        shown = masking.configuration(config)
        rest = statements.without_prefixes(shown)
        if rest not in self._renderers:
            self._renderers[rest] = render.Renderer(self._templates, self._printed)
        return self._renderers[rest].render(shown)


def _of(change: plan.NodeChange, names: list[str]) -> plan.NodeChange:
    return msgspec.structs.replace(change, nodes=tuple(names), diff=change.diff.replace(_ANY, names[0]))


def _places(groups: Iterable[tuple[str, ...]]) -> dict[str, int]:
    return {name: place for place, names in enumerate(groups) for name in names}


def _sessions(
    before: frr_config.FrrConfig, after: frr_config.FrrConfig
) -> tuple[tuple[plan.Session, ...], tuple[plan.Session, ...]]:
    """Those that come and those that go. A session is told by its neighbor and VRF, whatever the AS of the node."""
    was, shall = (
        {
            (router.vrf, neighbor.name): plan.Session(neighbor.name, router.vrf, neighbor.peers)
            for router in each.routers
            for neighbor in router.neighbors
        }
        for each in (before, after)
    )
    gained = tuple(session for key, session in shall.items() if key not in was)
    return gained, tuple(session for key, session in was.items() if key not in shall)


def _delta(before: frr_config.FrrConfig, after: frr_config.FrrConfig) -> delta.Delta | delta.NeedsReload:
    try:
        return delta.delta(before, after)
    except errors.ApplyError as problem:  # as `boundary.hot` does it
        return delta.NeedsReload(str(problem))


def _resets(before: frr_config.FrrConfig, after: frr_config.FrrConfig) -> tuple[frr_resets.Reset, ...]:
    try:
        return frr_resets.resets(before, after)
    except errors.ApplyError:
        return ()


def _told(found: delta.Delta) -> int:
    """Lines of configuration that bgpd and bfdd are told."""
    return sum(line.path is not None for batch in found.batches if batch.daemon in _ASKED for line in batch.lines)
