"""The first hops: whether the Service is one of ours, what every pool says to it, and which address it has. Called by `chain`.

The verdicts are the controller's own; for pools that were not needed they come from the functions that it would ask.
"""

from cli.core.explain import words
from cli.core.explain.case import Case
from cli.documents.explain import Hop
from controller import values
from controller.core import memory, pool_choice
from controller.core import request as requests
from frr_adapter import refs
from frr_adapter.model import pool, service

_OF_POOLS = frozenset(
    {
        values.Refusal.NO_POOLS,
        values.Refusal.UNKNOWN_POOL,
        values.Refusal.POOL_NOT_COMPATIBLE,
        values.Refusal.NO_AVAILABLE_IPS,
    }
)
"""Refusals that say something of pools; all others are about what the Service asks for."""

_POOL_FIELDS = {
    values.WhyNot.AUTO_ASSIGN_OFF: ("spec.autoAssign", "set autoAssign to true, or let the Service ask for the pool"),
    values.WhyNot.NAMESPACE: (
        "spec.serviceAllocation.namespaces",
        "allow the namespace of the Service, or use another pool",
    ),
    values.WhyNot.SELECTOR: (
        "spec.serviceAllocation.serviceSelectors",
        "change the selector, or give the Service a label that it matches",
    ),
    values.WhyNot.FAMILY: ("spec.addresses", "add addresses of the family, or change ipFamilies of the Service"),
    values.WhyNot.FULL: ("spec.addresses", "add addresses, or delete Services that need none"),
}

_POOL_ANNOTATION = f"metadata.annotations[{service.PREFIX}/{service.POOL_ANNOTATION}]"
_IPS_ANNOTATION = f"metadata.annotations[{service.PREFIX}/{service.IPS_ANNOTATION}]"


def type_hop(case: Case) -> Hop:
    """Type LoadBalancer, and the class of this installation."""
    found, ours = case.service, case.programs.lb_class
    if not found.is_load_balancer:
        text = f"type {found.type}: only Services of type LoadBalancer get addresses"
        return Hop("type", "failed", text, edit=words.edit(found.ref, "spec.type"), do="set type to LoadBalancer")
    if not service.is_handled(found, ours):
        theirs = f'loadBalancerClass "{found.load_balancer_class}"' if found.load_balancer_class else "no class"
        mine = f'serves loadBalancerClass "{ours}"' if ours else "serves Services without one (no --lb-class)"
        return Hop(
            "type",
            "failed",
            f"type LoadBalancer with {theirs}; this installation {mine}",
            edit=words.edit(found.ref, "spec.loadBalancerClass"),
            do="make the Service anew with the class of this installation, or let the programs serve its class (--lb-class)",
        )
    shown = f' and class "{ours}", as served here' if ours else ""
    return Hop("type", "ok", f"type LoadBalancer{shown}")


def pools_hop(case: Case) -> Hop:
    """A verdict for each pool, and whether one of them serves."""
    entry = case.entry
    if entry is None or isinstance(entry.outcome, values.Released):
        return Hop("pools", "follows", "no pool is asked for")
    outcome = entry.outcome
    verdicts = _verdicts(case, entry)
    details = tuple(f"{name}: {text}" for name, text in verdicts.items())
    if isinstance(outcome, values.Kept | values.Assigned):
        others = len(verdicts) - 1
        more = f"; {words.counted(others, 'other pool')} not used" if others > 0 else ""
        return Hop("pools", "ok", f"pool {outcome.pool} serves{more}", details)
    if outcome.why not in _OF_POOLS:
        open_ = [name for name, text in verdicts.items() if text.startswith("open")]
        return Hop("pools", "ok", f"open to the Service: {words.listed(open_) or 'none'}", details)
    return _closed(case, outcome, details)


def address_hop(case: Case) -> Hop:
    """What the Service has, and from where; or what stands in the way of its request."""
    entry, held = case.entry, ", ".join(case.service.ingress)
    if entry is None or isinstance(entry.outcome, values.Released):
        return Hop("address", "follows", f"{held}, not given by this installation" if held else "none")
    match entry.outcome:
        case values.Kept() as kept:
            details = [kept.detail, *map(str, kept.lacks)]
            return Hop("address", "ok", f"{held} from pool {kept.pool}", tuple(filter(None, details)))
        case values.Assigned() as assigned:
            return _unwritten(case, assigned, held)
        case values.Refused() as refused:
            return _refused(case, refused, held)


def _verdicts(case: Case, entry: memory.Entry) -> dict[str, str]:
    """Every pool and what it says, in the order in which they are tried, then the others by name."""
    outcome, request, catalog = entry.outcome, entry.request, case.decision.ledger.catalog
    refused = isinstance(outcome, values.Refused) and outcome.why in _OF_POOLS
    known = {each.pool: each for each in outcome.verdicts} if isinstance(outcome, values.Refused) and refused else {}
    serving = outcome.pool if isinstance(outcome, values.Kept | values.Assigned) else ""
    tried = [name for tier in catalog.automatic(request.namespace, request.labels).tiers for name in tier]
    order = [name for name in (request.pool, *tried, *catalog.pools) if name in catalog.pools]
    found = {}
    for name in dict.fromkeys(order):
        each = catalog.pools[name]
        if name == serving:
            found[name] = "serves"
        elif name in known:
            found[name] = known[name].detail or known[name].why.value
            found[name] += _compared(each, known[name].why, request)
        else:
            found[name] = _standing(each, request)
    return found


def _standing(each: pool.Pool, request: requests.Request) -> str:
    why = pool_choice.objection(each, request.namespace, request.labels)
    if why is not None:
        return why.value + _compared(each, why, request)
    if request.pool and request.pool != each.name:
        return f"not asked for: the Service names pool {request.pool}"
    if not each.auto_assign and request.pool != each.name:
        return values.WhyNot.AUTO_ASSIGN_OFF.value
    return f"open: {words.listed(block.text for block in each.blocks) or 'no addresses'}"


def _compared(each: pool.Pool, why: values.WhyNot, request: requests.Request) -> str:
    """What was found beside what is allowed, for the verdicts that compare the Service with the pool."""
    allocation = each.allocation
    if why is values.WhyNot.NAMESPACE and allocation is not None:
        allowed = words.listed(sorted(allocation.namespaces or ())) or "none"
        return f": {request.namespace}; allowed: {allowed}"
    if why is values.WhyNot.SELECTOR and allocation is not None:
        labels = ",".join(f"{key}={value}" for key, value in sorted(request.labels)) or "no labels"
        wanted = " or ".join(map(str, allocation.service_selectors))
        return f": the Service has {labels}; wanted: {wanted}"
    return ""


def _closed(case: Case, outcome: values.Refused, details: tuple[str, ...]) -> Hop:
    """No pool serves: the one that comes nearest is the one to edit."""
    found, namespace = case.service, case.programs.namespace
    match outcome.why:
        case values.Refusal.NO_POOLS:
            broken = [each for each in case.written("IPAddressPool") if case.problems(each)]
            if broken:
                problem = case.problems(broken[0])[0]
                return Hop(
                    "pools",
                    "failed",
                    f"no pool can be used: {problem.line}",
                    edit=words.edit(broken[0], problem.field),
                    do="mend the pool",
                )
            where = words.edit(refs.ObjectRef("IPAddressPool", namespace, "NAME"), "spec.addresses")
            return Hop("pools", "failed", "there are no pools", edit=where, do="make an IPAddressPool")
        case values.Refusal.UNKNOWN_POOL:
            names = words.listed(case.decision.ledger.catalog.pools)
            return Hop(
                "pools",
                "failed",
                f"{outcome.detail}; there are {names}",
                details,
                words.edit(found.ref, _POOL_ANNOTATION),
                "name one of the pools, or take the annotation away",
            )
    verdict = min(outcome.verdicts, key=lambda each: _distance(each.why))
    field, do = _POOL_FIELDS.get(verdict.why, ("spec", "change the pool"))
    text = f"no pool serves: {words.listed(details, at_most=3)}"
    where = words.edit(refs.ObjectRef("IPAddressPool", namespace, verdict.pool), field)
    return Hop("pools", "failed", text, details, where, do)


def _distance(why: values.WhyNot) -> int:
    """A pool that would serve but for want of addresses is nearer than one that is closed on purpose."""
    order = (
        values.WhyNot.FULL,
        values.WhyNot.PORT_IN_USE,
        values.WhyNot.SHARING_KEY,
        values.WhyNot.SELECTOR,
        values.WhyNot.NAMESPACE,
        values.WhyNot.FAMILY,
        values.WhyNot.AUTO_ASSIGN_OFF,
    )
    return order.index(why)


def _unwritten(case: Case, assigned: values.Assigned, held: str) -> Hop:
    given = ", ".join(map(str, assigned.ips))
    where = refs.ObjectRef("Deployment", case.programs.namespace, "controller")
    if assigned.added is not None and case.ips:
        return Hop("address", "ok", f"{held} from pool {assigned.pool}; {assigned.added} is to be added")
    return Hop(
        "address",
        "failed",
        f"{f'has {held}, but ' if held else 'pending: '}{given} from pool {assigned.pool} is free for it and not written yet",
        edit=words.edit(where),
        do="see whether the controller runs and what its log says",
    )


def _refused(case: Case, refused: values.Refused, held: str) -> Hop:
    state = f"has {held}, which is to be given up" if held else "pending"
    if refused.why in _OF_POOLS:
        return Hop("address", "follows", f"{state}: no pool serves")
    annotated = case.service.annotation(service.IPS_ANNOTATION)
    asked = _IPS_ANNOTATION if annotated is not None else "spec.loadBalancerIP"
    field, do = {
        values.Refusal.NO_CLUSTER_IP: (
            "spec.clusterIP",
            "a headless Service cannot be announced: give it a cluster IP",
        ),
        values.Refusal.NOT_ENOUGH_CLUSTER_IPS: (
            "spec.ipFamilyPolicy",
            "use PreferDualStack, or a cluster with both families",
        ),
        values.Refusal.UNKNOWN_FAMILY: ("spec.clusterIPs", "see the cluster IPs of the Service"),
        values.Refusal.SINGLE_STACK_POLICY: ("spec.ipFamilyPolicy", "set PreferDualStack or RequireDualStack"),
        values.Refusal.POOL_MISMATCH: (_POOL_ANNOTATION, "name the pool that holds the address, or take one wish away"),
        values.Refusal.ADDRESS_IN_USE: (
            asked,
            "ask for another address, or share it (allow-shared-ip on both Services)",
        ),
        values.Refusal.NOT_IN_CONFIG: (asked, "ask for an address of a pool, or add the address to one"),
    }.get(refused.why, (asked, "ask for one address, or for one of each family that the Service serves"))
    where = words.edit(case.service.ref, field)
    return Hop("address", "failed", f"{state}: {refused.detail}", edit=where, do=do)
