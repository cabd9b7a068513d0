"""Which advertisements speak for the Service, and why the others do not. Called by `chain` and by the hops after it.

What selects what is `resolve`'s answer; the object as written only tells which of its fields to name.
"""

from dataclasses import dataclass

from cli import values as command_values
from cli.core.explain import words
from cli.core.explain.case import Case
from cli.documents.explain import Hop
from frr_adapter import refs, selectors
from frr_adapter.model import advertisement, pool

_KINDS = ("BGPAdvertisement", "L2Advertisement")


@dataclass(frozen=True, slots=True)
class Judged:
    """One advertisement: `why` and the `field` that is the reason are empty when it speaks for the Service.

    `distance` says how far it got: the higher, the nearer it is to what was wanted.
    """

    ref: refs.ObjectRef
    why: str = ""
    field: str = ""
    distance: int = 0
    is_broken: bool = False
    """It is meant for the pool, and a mistake in it is all that keeps it from speaking."""

    @property
    def line(self) -> str:
        """For people."""
        return f"{self.ref.kind} {self.ref.name}: {self.why or 'speaks for the Service'}"


def hop(case: Case) -> Hop:
    """Which advertisements speak for the Service on the nodes in question."""
    source = case.pool
    if source is None:
        return Hop("advertisements", "follows", "there is no address to advertise")
    judged = [_judge(case, ref, source) for kind in _KINDS for ref in case.written(kind)]
    details = tuple(each.line for each in judged)
    speaking = [f"{each.ref.kind} {each.ref.name}" for each in judged if not each.why]
    broken = next((each for each in judged if each.is_broken), None)
    if broken is not None:
        others = f"; {words.listed(speaking)} still speaks for it" if speaking else ""
        text = f"{broken.ref.kind} {broken.ref.name} cannot be used: {broken.why}{others}"
        return Hop("advertisements", "failed", text, details, words.edit(broken.ref, broken.field), _MEND)
    if speaking:
        verb = "speaks" if len(speaking) == 1 else "speak"
        return Hop("advertisements", "ok", f"{words.listed(speaking)} {verb} for it", details)
    if not judged:
        where = refs.ObjectRef("L2Advertisement", case.programs.namespace, "NAME")
        return Hop(
            "advertisements",
            "failed",
            "there are no advertisements: addresses are given out, and nobody announces them",
            edit=words.edit(where, "spec.ipAddressPools"),
            do=f"make a BGPAdvertisement or an L2Advertisement for pool {source.name}",
        )
    nearest = max(judged, key=lambda each: each.distance)
    more = f" (and {words.counted(len(judged) - 1, 'other')} do not either)" if len(judged) > 1 else ""
    return Hop(
        "advertisements",
        "failed",
        f"none speaks for it: {nearest.line}{more}",
        details,
        words.edit(nearest.ref, nearest.field),
        _REMEDIES.get(nearest.field, _MEND),
    )


_MEND = "mend the field; until then speakers that knew an earlier version may go on with it"
_REMEDIES = {
    "spec.ipAddressPools": "name the pool there, or make an advertisement for it",
    "spec.ipAddressPoolSelectors": "change the selector, or give the pool a label that it matches",
    "spec.serviceSelectors": "change the selector, or give the Service a label that it matches",
    "spec.nodeSelectors": "change the selector, or give the node a label that it matches",
    "spec.peers": "name the peer there, or leave the list out",
}


def _judge(case: Case, ref: refs.ObjectRef, source: pool.Pool) -> Judged:
    is_bgp = ref.kind == "BGPAdvertisement"
    if is_bgp and not case.programs.has_bgp:
        return Judged(ref, "the speakers run without BGP", "spec")
    if case.question.peer and not is_bgp:
        return Judged(ref, "has no BGP peers")
    known = case.configuration.bgp_advertisements if is_bgp else case.configuration.l2_advertisements
    resolved = next((each for each in known if each.name == ref.name), None)
    problems = case.problems(ref)
    if resolved is None:
        why, field = (
            (words.headline(problems[0].message), problems[0].field) if problems else ("cannot be used", "spec")
        )
        named = case.spec(ref).get("ipAddressPools")
        is_meant = source.name in named if isinstance(named, list) and named else True
        return Judged(ref, why, field, 4, is_broken=is_meant)
    if source.name not in resolved.pools:
        taken = next((each for each in problems if f'"{source.name}"' in each.message), None)
        if taken is not None:
            return Judged(ref, words.headline(taken.message), taken.field, 5, is_broken=True)
        return _other_pool(case.spec(ref), ref, source)
    return _of_pool(case, ref, resolved)


def _of_pool(
    case: Case, ref: refs.ObjectRef, resolved: advertisement.BgpAdvertisement | advertisement.L2Advertisement
) -> Judged:
    """An advertisement of the right pool."""
    if not selectors.empty_or_matches(resolved.service_selectors, case.service.labels):
        labels = ",".join(f"{key}={value}" for key, value in sorted(case.service.labels)) or "no labels"
        wanted = " or ".join(map(str, resolved.service_selectors))
        return Judged(ref, f"wants Services with {wanted}; this one has {labels}", "spec.serviceSelectors", 2)
    if resolved.nodes.isdisjoint(case.asked):
        who = f"node {case.question.node}" if case.question.node else "no node"
        verb = "does not select" if case.question.node else "selects"
        return Judged(ref, f"{verb} {who}", "spec.nodeSelectors", 3)
    name = case.question.peer
    if isinstance(resolved, advertisement.BgpAdvertisement) and name and resolved.peers and name not in resolved.peers:
        return Judged(ref, f"is for peers {words.listed(sorted(resolved.peers))} only", "spec.peers", 3)
    return Judged(ref)


def _other_pool(spec: command_values.Json, ref: refs.ObjectRef, source: pool.Pool) -> Judged:
    if spec.get("ipAddressPoolSelectors"):
        labels = ",".join(f"{key}={value}" for key, value in sorted(source.labels)) or "no labels"
        named = f" and names {words.listed(spec['ipAddressPools'])}" if spec.get("ipAddressPools") else ""
        why = f"selects pools by label{named}; pool {source.name} has {labels}"
        return Judged(ref, why, "spec.ipAddressPoolSelectors", 1)
    return Judged(
        ref,
        f"is for pool {words.listed(spec.get('ipAddressPools') or ())}, not {source.name}",
        "spec.ipAddressPools",
        1,
    )
