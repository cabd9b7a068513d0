"""What every node of a world would run: plans, decisions and FRR configurations, made once for nodes that are alike. Pure.

Called by the commands that show, compare or explain nodes. The speakers' own planner and composer do the work; nodes are alike when
nothing that these read tells them apart but their names, so one stands for all. It must never plan anything by rules of its own.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cli import values as cli_values
from cli.core import world as worlds
from frr_adapter.frr import config as frr_config
from frr_adapter.frr import masking, render
from frr_adapter.model import advertisement, cluster, peer, pool, snapshot
from speaker import values
from speaker.core import bgp_plan, compose, composer, eligibility, routes

_ELSEWHERE = ""
"""Stands for every node but the one that is planned for."""

_Local = frozenset[str]
"""Keys of Services that keep traffic on the node and have an endpoint there."""


@dataclass(frozen=True, slots=True)
class _Character:
    """All that decides what a node announces, but for its name and its own endpoints."""

    pools: tuple[pool.Pool, ...]
    peers: tuple[peer.Peer, ...]
    advertisements: tuple[advertisement.BgpAdvertisement, ...]
    bfd_profiles: tuple[peer.BfdProfile, ...]
    extras: str
    refusal: values.Reason | None


@dataclass(frozen=True, slots=True)
class _Product:
    """What is planned for some node of a kind; its name is in there."""

    plan: values.BgpPlan
    config: frr_config.FrrConfig


class Nodes:
    """The nodes of one world. Everything is made when it is first asked for; a node that is not known is a KeyError.

    `before` are those of the world before this one; it only saves work: what was decided about a Service that did not change, on nodes
    that are still alike, is not decided again.
    """

    def __init__(self, world: worlds.World, before: "Nodes | None" = None) -> None:
        self._world = world
        self._before = {} if before is None else before.kinds(world.programs)
        self._nodes = {node.name: node for node in world.shared.nodes if node.name in world.nodes}
        self._kinds: dict[_Character, _Kind] = {}
        self._by_basis: dict[tuple[object, ...], _Kind] = {}
        self._by_name: dict[str, _Kind] = {}
        self._locals = _locals(world.shared.candidates)
        self._groups: tuple[tuple[str, ...], ...] | None = None

    def kinds(self, programs: cli_values.Programs) -> "dict[_Character, _Kind]":
        """What was made so far, as far as programs that are started in this way would decide the same."""
        return self._kinds if programs == self._world.programs else {}

    @property
    def names(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted(self._nodes))

    def config(self, node: str) -> frr_config.FrrConfig:
        """What FRR shall run there, with passwords."""
        return dataclasses.replace(self._product(node).config, hostname=node)

    def plan(self, node: str) -> values.BgpPlan:
        """What the node shall tell its peers; nothing where the speakers run without BGP."""
        return dataclasses.replace(self._product(node).plan, node=node)

    def decisions(self, node: str) -> tuple[values.Decision, ...]:
        """What the node decides about each Service over BGP; none where the speakers run without BGP."""
        return self._kind(node).decisions(self._local(node))

    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Nodes whose configurations differ in nothing but the name of the host; sorted, each group by its first node."""
        if self._groups is None:
            products: dict[int, tuple[_Product, list[str]]] = {}
            for name in self.names:
                product = self._product(name)
                products.setdefault(id(product), (product, []))[1].append(name)
            self._groups = _grouped(products.values())
        return self._groups

    def _product(self, node: str) -> _Product:
        return self._kind(node).product(self._local(node))

    def _local(self, node: str) -> _Local:
        return self._locals.get(node, frozenset())

    def _kind(self, name: str) -> "_Kind":
        kind = self._by_name.get(name)
        if kind is None:
            kind = self._by_name[name] = self._found(self._nodes[name])
        return kind

    def _found(self, node: cluster.Node) -> "_Kind":
        found = self._world.nodes[node.name].configuration
        refusal = eligibility.node_refusal(node, ignore_exclude=self._world.programs.ignore_exclude_lb)
        # Nodes with the same labels mostly have the very same configuration: its identity is a key that costs nothing.
        speaking = tuple(ad for ad in found.bgp_advertisements if node.name in ad.nodes)
        peers = tuple(item for item in found.peers if item.selects(node.labels))
        basis = (id(found), refusal, tuple(map(id, speaking)), tuple(map(id, peers)))
        kind = self._by_basis.get(basis)
        if kind is None:
            character = _Character(found.pools, peers, speaking, found.bfd_profiles, found.extras, refusal)
            kind = self._kinds.get(character)
            if kind is None:
                kind = self._kinds[character] = _Kind(self._world, node.name, self._before.get(character))
            self._by_basis[basis] = kind
        return kind


class _Kind:
    """Nodes of one character; `node` is one of them and stands for all. `before` are nodes of the same character in another world."""

    def __init__(self, world: worlds.World, node: str, before: "_Kind | None") -> None:
        programs = world.programs
        self._world = world.at(node)
        self._node = self._world.node(node)
        self._has_bgp = programs.has_bgp
        self._ignore_exclude = programs.ignore_exclude_lb
        self._composer = composer.Composer(log_level=programs.log_level, frr_log_level=programs.frr_log_level)
        self._products: dict[_Local, _Product] = {}
        # What was decided about a Service, on nodes with and without an endpoint of it, and from what.
        self.memory: dict[tuple[str, bool], tuple[snapshot.Candidate, bgp_plan.Share]] = {}
        self._known = {} if before is None else before.memory
        # What a Service adds on nodes where it has no endpoint of its own, in the order of the Services, and what on others.
        self._usual: list[bgp_plan.Share] = []
        self._here: dict[str, bgp_plan.Share] = {}
        self._candidates = {each.service.key: each for each in self._world.candidates if each.service.is_local}
        self._local: _Local = frozenset()
        self._frame = values.BgpPlan(node)
        self._routes = routes.Routes(lambda *_: ())
        if self._has_bgp:
            self._begin()

    def product(self, local: _Local) -> _Product:
        """What a node of this character runs that has endpoints of just these Services."""
        found = self._products.get(local)
        if found is None:
            found = self._products[local] = self._make(local)
        return found

    def decisions(self, local: _Local) -> tuple[values.Decision, ...]:
        """What such a node decides about each Service."""
        shares = (
            self._share(each.decision.service) if each.decision.service in local else each for each in self._usual
        )
        return tuple(each.decision for each in shares)

    def _begin(self) -> None:
        """Everything but what a node's own endpoints decide."""
        world, name = self._world, self._node.name
        nobody = dataclasses.replace(world, services=(), joined=None)
        self._frame, _ = bgp_plan.plan(nobody, name, ignore_exclude=self._ignore_exclude)
        named = {each.name: each for each in world.configuration.bgp_advertisements}
        peers = self._frame.peers
        self._routes = routes.Routes(
            lambda names, family: bgp_plan.offers_of([named[each] for each in names], family, peers)
        )
        self._usual = [self._decide(each, is_here=False) for each in world.candidates]
        self._routes.change((), ((share.decision.service, share.prefixes) for share in self._usual))

    def _make(self, local: _Local) -> _Product:
        if not self._has_bgp:
            return _Product(self._frame, compose.compose(self._frame))
        self._routes.change(
            ((key, self._share(key).prefixes) for key in self._local - local),
            ((key, self._share(key).prefixes) for key in local - self._local),
        )
        self._local = local
        plan = dataclasses.replace(self._frame, routes=self._routes.routes)
        return _Product(plan, self._composer.compose(plan))

    def _share(self, key: str) -> bgp_plan.Share:
        """What the Service adds on nodes where it has an endpoint."""
        found = self._here.get(key)
        if found is None:
            found = self._here[key] = self._decide(self._candidates[key], is_here=True)
        return found

    def _decide(self, candidate: snapshot.Candidate, *, is_here: bool) -> bgp_plan.Share:
        key = (candidate.service.key, is_here)
        known = self._known.get(key)
        if known is not None and known[0].service is candidate.service and known[0].endpoints == candidate.endpoints:
            self.memory[key] = known
            return known[1]
        endpoints = candidate.endpoints
        if candidate.service.is_local:
            endpoints = _moved(candidate, self._node.name if is_here else _ELSEWHERE)
        share = bgp_plan.share_of(
            candidate.service,
            endpoints,
            self._world.configuration,
            self._node,
            ignore_exclude=self._ignore_exclude,
        )
        self.memory[key] = (candidate, share)
        return share


def text(config: frr_config.FrrConfig, templates: Mapping[str, str]) -> str:
    """The `frr.conf`, with `***` for passwords. Raises `errors.ApplyError` as `render` does."""
    return render.render(masking.configuration(config), templates)


def _locals(candidates: Iterable[snapshot.Candidate]) -> dict[str, _Local]:
    """Node -> Services that keep traffic on their nodes and can be reached there."""
    found: dict[str, set[str]] = {}
    for each in candidates:
        if each.service.is_local:
            for endpoint in each.endpoints:
                if endpoint.usable and endpoint.has_address and endpoint.node:
                    found.setdefault(endpoint.node, set()).add(each.service.key)
    return {node: frozenset(keys) for node, keys in found.items()}


def _moved(candidate: snapshot.Candidate, node: str) -> tuple[cluster.Endpoint, ...]:
    """The endpoints of the Service as if all were on that node."""
    return tuple(sorted({dataclasses.replace(each, node=node) for each in candidate.endpoints}))


def _grouped(products: Iterable[tuple[_Product, list[str]]]) -> tuple[tuple[str, ...], ...]:
    """Joins what was made separately and is equal all the same: such as nodes that are silent for different reasons."""
    groups: list[tuple[frr_config.FrrConfig, list[str]]] = []
    for product, names in products:
        bare = dataclasses.replace(product.config, hostname="")
        for config, members in groups:
            if config == bare:
                members.extend(names)
                break
        else:
            groups.append((bare, list(names)))
    return tuple(sorted(tuple(sorted(members)) for _, members in groups))
