"""The facts about one Service that the hops are made of, each worked out when it is first asked for. Called by the modules beside it.

Everything comes from the deciding functions of the programs, or from what speakers said. No words for people are made here.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from cli import errors, values
from cli.core import allocation, nodes
from cli.core import layer2 as contests
from cli.core import world as worlds
from cli.core.explain import sayings
from controller.core import memory
from frr_adapter import addresses, problems, refs
from frr_adapter.api import kinds
from frr_adapter.frr import show
from frr_adapter.model import advertisement, cluster, peer, pool, service
from speaker import values as speaker_values
from speaker.core import eligibility, l2_plan

_STATUSES = frozenset({"NodeBGPStatus", "ServiceL2Status", "ServiceBGPStatus", "ConfigurationState"})


@dataclass(frozen=True, slots=True)
class Question:
    """`service` is `namespace/name`; `node` and `peer` are empty for all of them."""

    service: str
    node: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """One peer that one node is to tell prefixes, sorted."""

    node: str
    peer: peer.Peer
    prefixes: tuple[addresses.Network, ...]

    @property
    def session(self) -> show.SessionKey:
        """VRF and neighbor, as FRR has them."""
        return (self.peer.vrf or show.DEFAULT_VRF, self.peer.endpoint)


@dataclass(frozen=True, slots=True)
class Missing:
    """A peer that shall hear of the Service and cannot be used on a node, and why."""

    node: str
    ref: refs.ObjectRef
    field: str
    message: str


class Case:
    """One question about one world. Raises `errors.NoAnswerError` when what it asks about does not exist."""

    def __init__(self, gathered: values.Gathered, question: Question) -> None:
        self.gathered = gathered
        self.question = question
        self.world = worlds.Course(gathered.programs).advance(gathered.documents)
        self.programs = gathered.programs
        self.configuration = self.world.controller.configuration
        self.nodes = nodes.Nodes(self.world)
        self.service = self._service()
        self.asked = self._asked()
        self._check_peer()

    @functools.cached_property
    def decision(self) -> memory.Decision:
        """The controller's decision about all Services."""
        return allocation.decide(self.world)

    @functools.cached_property
    def entry(self) -> memory.Entry | None:
        """The controller's decision about this one; None when it is not its own."""
        return self.decision.memory.entries.get(self.service.key)

    @functools.cached_property
    def ips(self) -> tuple[addresses.Address, ...]:
        """The addresses in the status; empty when there are none that can be announced."""
        found = eligibility.service_addresses(self.service)
        return () if isinstance(found, speaker_values.Reason) else found

    @functools.cached_property
    def pool(self) -> pool.Pool | None:
        """The pool that the addresses are from, as the speakers see it."""
        if not self.ips or not service.is_handled(self.service, self.programs.lb_class):
            return None
        allocated_from = eligibility.allocated_from(self.service)
        return eligibility.pool_of(self.ips, self.configuration.pools, allocated_from)

    @functools.cached_property
    def endpoints(self) -> tuple[cluster.Endpoint, ...]:
        """All endpoints, ready or not."""
        return self.world.shared.endpoints.get(self.service.key, ())

    @functools.cached_property
    def ready(self) -> tuple[cluster.Endpoint, ...]:
        """Those that can take traffic."""
        return tuple(each for each in eligibility.usable_endpoints(self.endpoints) if each.has_address)

    @functools.cached_property
    def bgp(self) -> tuple[advertisement.BgpAdvertisement, ...]:
        """The BGPAdvertisements that speak for the Service on a node in question, and to the peer in question."""
        if self.pool is None or not self.programs.has_bgp:
            return ()
        name = self.question.peer
        found = (
            each
            for each in self.configuration.bgp_advertisements
            if self.pool.name in each.pools
            and not each.nodes.isdisjoint(self.asked)
            and (not name or not each.peers or name in each.peers)
        )
        return eligibility.matching_advertisements(found, self.service)

    @functools.cached_property
    def layer2(self) -> tuple[advertisement.L2Advertisement, ...]:
        """The L2Advertisements that speak for the Service on a node in question; none when a BGP peer is asked about."""
        if self.pool is None or self.question.peer:
            return ()
        name = self.pool.name
        found = (
            each
            for each in self.configuration.l2_advertisements
            if name in each.pools and not each.nodes.isdisjoint(self.asked)
        )
        return eligibility.matching_advertisements(found, self.service)

    @functools.cached_property
    def verdicts(self) -> Mapping[str, speaker_values.Verdict]:
        """What each node in question decided over BGP; empty when no BGPAdvertisement speaks for the Service."""
        if not self.bgp:
            return {}
        found = {}
        for node in self.asked:
            mine = next((each for each in self.nodes.decisions(node) if each.service == self.service.key), None)
            if mine is not None:
                found[node] = mine.verdict
        return found

    @functools.cached_property
    def speaking(self) -> tuple[str, ...]:
        """The nodes in question that announce over BGP."""
        return tuple(name for name, verdict in self.verdicts.items() if isinstance(verdict, speaker_values.Announce))

    @functools.cached_property
    def contest(self) -> contests.Contest | None:
        """Who contends for the addresses on layer 2; None when no L2Advertisement speaks for the Service."""
        if not self.layer2:
            return None
        return contests.contests(self.world, self.gathered.reports).get(self.service.key)

    @functools.cached_property
    def live(self) -> speaker_values.Live | None:
        """Nodes whose speaker lives, with their interfaces; None where nobody watches that."""
        return contests.live(self.gathered.reports)

    @functools.cached_property
    def candidacies(self) -> tuple[l2_plan.Candidacy, ...]:
        """The L2Advertisements that speak for the Service, with the nodes that can carry each out."""
        programs = self.programs
        some = next(iter(self.world.nodes), "")
        basis = l2_plan.basis_of(
            self.world.at(some) if some else self.world.shared,
            ignore_exclude=programs.ignore_exclude_lb,
            live=self.live,
            keeps=programs.l2_owner == "keep",
        )
        return tuple(each for each in basis.candidacies if each.advertisement in self.layer2)

    def routes(self, node: str) -> tuple[speaker_values.Route, ...]:
        """The prefixes that the node originates for the Service."""
        return tuple(each for each in self.nodes.plan(node).routes if self.service.key in each.services)

    @functools.cached_property
    def told(self) -> tuple[Told, ...]:
        """Whom every announcing node is to tell of the Service, by node and peer."""
        found = []
        for node in self.speaking:
            routes = self.routes(node)
            for each in self.nodes.plan(node).peers:
                prefixes = tuple(
                    route.prefix for route in routes if any(offer.peer == each.name for offer in route.offers)
                )
                if prefixes and self.question.peer in ("", each.name):
                    found.append(Told(node, each, prefixes))
        return tuple(found)

    @functools.cached_property
    def missing(self) -> tuple[Missing, ...]:
        """Peers left out on the announcing nodes, though an advertisement of the Service is for them.

        As `resolve` finds here, or as a speaker says that can read what we cannot, such as Secrets.
        """
        found = []
        for node in self.speaking:
            working = {each.name for each in self.nodes.plan(node).peers}
            for ref in self.peers():
                if self.is_meant(ref.name):
                    found += self._missing(node, ref, is_working=ref.name in working)
        return tuple(found)

    @functools.cached_property
    def reached(self) -> tuple[Told, ...]:
        """Of `told`, those that nothing is known against."""
        lost = {(each.node, each.ref) for each in self.missing}
        return tuple(each for each in self.told if (each.node, each.peer.ref) not in lost)

    def is_meant(self, peer_name: str) -> bool:
        """Whether a BGPAdvertisement that speaks for the Service is for the peer, and the question is."""
        if self.question.peer not in ("", peer_name):
            return False
        return any(not each.peers or peer_name in each.peers for each in self.bgp)

    @functools.cached_property
    def statuses(self) -> Mapping[str, kinds.NodeBGPStatusStatus]:
        """NodeBGPStatus by node."""
        return sayings.statuses(self.world.documents)

    @functools.cached_property
    def has_statuses(self) -> bool:
        """Whether speakers of this installation write status objects that were read: then a missing one says something."""
        return any(ref.kind in _STATUSES for ref in self.world.documents)

    @functools.cached_property
    def said(self) -> Mapping[str, tuple[sayings.Saying, ...]]:
        """What the speaker of each node in question says is wrong with objects."""
        documents, reports = self.world.documents, self.gathered.reports
        return {
            name: sayings.problems(documents, name, reports.get(name), self.programs.namespace) for name in self.asked
        }

    @functools.cached_property
    def sessions(self) -> Mapping[str, sayings.Sessions | None]:
        """The sessions of each node in question; None where nobody says anything about them."""
        reports = self.gathered.reports
        return {name: sayings.sessions(self.statuses.get(name), reports.get(name)) for name in self.asked}

    def _missing(self, node: str, ref: refs.ObjectRef, *, is_working: bool) -> list[Missing]:
        if not is_working:
            # The controller's problems count only where the peer is used nowhere: it may select other nodes.
            is_used = any(each.ref == ref for each in self.configuration.peers)
            known = (*self.world.nodes[node].problems, *(() if is_used else self.world.problems))
            return [Missing(node, ref, each.field, each.summary) for each in known if each.ref == ref][:1]
        said = (each for each in self.said[node] if each.ref == ref and not each.is_refusal)
        return [Missing(node, ref, each.field, f"as {node} says: {each.message}") for each in said][:1]

    def problems(self, ref: refs.ObjectRef) -> tuple[problems.Problem, ...]:
        """What is wrong with the object, as the controller sees it."""
        return tuple(each for each in self.world.problems if each.ref == ref)

    def peers(self) -> tuple[refs.ObjectRef, ...]:
        """All BGPPeers as written, sorted."""
        return self.written("BGPPeer")

    def written(self, kind: str) -> tuple[refs.ObjectRef, ...]:
        """Objects of a kind of ours, usable or not, sorted."""
        namespace = self.programs.namespace
        return tuple(sorted(ref for ref in self.world.documents if ref.kind == kind and ref.namespace == namespace))

    def spec(self, ref: refs.ObjectRef) -> values.Json:
        """The object's spec as written."""
        return self.world.documents[ref].part("spec")

    def node(self, name: str) -> cluster.Node:
        """The Node."""
        return self.world.shared.node(name)

    def speaker(self, node: str) -> refs.ObjectRef:
        """The speaker's Pod on the node, or the DaemonSet that should make one."""
        for each in self.world.pods:
            if each.node == node and each.ref.namespace == self.programs.namespace and "speaker" in each.ref.name:
                return each.ref
        return refs.ObjectRef("DaemonSet", self.programs.namespace, "speaker")

    def _service(self) -> service.Service:
        key = self.question.service
        for each in self.world.controller.services:
            if each.key == key:
                return each
        name = key.partition("/")[2]
        near = [each.key for each in self.world.controller.services if each.ref.name == name]
        if "Service" in self.gathered.unread:
            raise errors.NoAnswerError(f"Service {key}: Services could not be read{self._reason()}")
        hint = f"; there is {', '.join(near[:3])}" if near else ""
        raise errors.NoAnswerError(f"Service {key} is not there{hint}")

    def _asked(self) -> tuple[str, ...]:
        name = self.question.node
        if not name:
            return self.nodes.names
        if name not in self.nodes.names:
            if "Node" in self.gathered.unread:
                raise errors.NoAnswerError(f"Node {name}: Nodes could not be read{self._reason()}")
            raise errors.NoAnswerError(f"Node {name} is not there; there are {', '.join(self.nodes.names) or 'none'}")
        return (name,)

    def _check_peer(self) -> None:
        name = self.question.peer
        known = [ref.name for ref in self.peers()]
        if name and name not in known:
            if "BGPPeer" in self.gathered.unread:
                raise errors.NoAnswerError(f"BGPPeer {name}: BGPPeers could not be read{self._reason()}")
            raise errors.NoAnswerError(f"BGPPeer {name} is not there; there are {', '.join(known) or 'none'}")

    def _reason(self) -> str:
        return f": {'; '.join(self.gathered.gaps)}" if self.gathered.gaps else ""
