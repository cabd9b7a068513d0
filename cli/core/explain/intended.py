"""What FRR is to say for the Service: prefixes, attributes, statements and peers, and which peers are missing. Called by `chain`.

A peer is missing when its object cannot be used: as `resolve` finds here, or as a speaker says that can read what we cannot (Secrets).
"""

from collections.abc import Iterator

from cli.core.explain import words
from cli.core.explain.case import Case, Missing
from cli.documents.explain import Edit, Hop
from frr_adapter import addresses, refs
from frr_adapter.frr import grammar
from speaker import values


def hop(case: Case) -> Hop:
    """The prefixes, what is said of them, and to whom."""
    if not case.bgp:
        text = "not announced over BGP"
        return Hop("intent", "notApplicable", text) if case.layer2 else Hop("intent", "follows", "nothing is announced")
    if not case.speaking:
        return Hop("intent", "follows", "no node announces over BGP")
    lost, unsent = case.missing, _unsent(case)
    details = tuple(_statements(case))
    if lost:
        return _lost(case, lost, details)
    if unsent:
        return _mute(case, unsent, details)
    return Hop("intent", "ok", _said(case), details)


def _said(case: Case) -> str:
    prefixes = sorted({prefix for each in case.told for prefix in each.prefixes}, key=lambda each: (each.version, each))
    peers = sorted({each.peer.name for each in case.told})
    telling = {each.node for each in case.told}
    silent = [name for name in case.speaking if name not in telling]
    rest = f"; no peer for {words.listed(silent)}" if silent else ""
    who = words.listed(name for name in case.speaking if name in telling)
    return f"{words.listed(map(str, prefixes))} to {words.listed(peers)}, from {who}{rest}"


def _unsent(case: Case) -> tuple[addresses.Address, ...]:
    """Addresses of the Service that nobody is told of, by any node in question; one peer alone need not carry both families."""
    if case.question.peer and case.told:
        return ()
    sent = {prefix for each in case.told for prefix in each.prefixes}
    return tuple(ip for ip in case.ips if not any(ip.version == net.version and ip in net for net in sent))


def _lost(case: Case, lost: tuple[Missing, ...], details: tuple[str, ...]) -> Hop:
    first = lost[0]
    names = sorted({each.ref.name for each in lost})
    nodes = sorted({each.node for each in lost if each.ref == first.ref})
    left = f"; told are {words.listed(sorted({each.peer.name for each in case.reached}))}" if case.reached else ""
    text = f"BGPPeer {first.ref.name} cannot be used on {words.listed(nodes)}: {words.headline(first.message)}{left}"
    more = tuple(f"BGPPeer {name} cannot be used" for name in names if name != first.ref.name)
    return Hop("intent", "failed", text, (*more, *details), words.edit(first.ref, first.field), _remedy(case, first))


def _remedy(case: Case, first: Missing) -> str:
    spec, namespace = case.spec(first.ref), case.programs.namespace
    if first.field.startswith("spec.passwordSecret"):
        name = (spec.get("passwordSecret") or {}).get("name") or "NAME"
        return f"make Secret {namespace}/{name} of type kubernetes.io/basic-auth with the key password, or name the right one"
    if first.field == "spec.bfdProfile":
        return f"make BFDProfile {namespace}/{spec.get('bfdProfile')}, or name one that there is"
    return "mend the field; until then speakers that knew an earlier version may go on with it"


def _mute(case: Case, unsent: tuple[addresses.Address, ...], details: tuple[str, ...]) -> Hop:
    where, why, do = _nobody(case, unsent)
    who = words.listed(case.speaking)
    text = f"{who} would announce {words.listed(map(str, unsent))}, but to nobody: {why}"
    return Hop("intent", "failed", text, details, where, do)


def _nobody(case: Case, silent: tuple[addresses.Address, ...]) -> tuple[Edit, str, str]:
    """Why no peer is told these addresses: the object to edit, the reason, and what to do."""
    written, namespace = case.peers(), case.programs.namespace
    if not written:
        where = refs.ObjectRef("BGPPeer", namespace, "NAME")
        return words.edit(where, "spec.peerAddress"), "there is no BGPPeer", "make a BGPPeer"
    meant = [ref for ref in written if case.is_meant(ref.name)]
    if not meant:
        first = next(each for each in case.bgp if each.peers)
        where = refs.ObjectRef("BGPAdvertisement", namespace, first.name)
        why = f"BGPAdvertisement {first.name} names peers {words.listed(sorted(first.peers))}, which are not there"
        return (
            words.edit(where, "spec.peers"),
            why,
            f"name peers that there are ({words.listed(ref.name for ref in written)})",
        )
    working = {each.ref: each for node in case.speaking for each in case.nodes.plan(node).peers}
    hearing = [working[ref] for ref in meant if ref in working]
    if not hearing:
        return (
            words.edit(meant[0], "spec.nodeSelectors"),
            f"BGPPeer {words.listed(ref.name for ref in meant)} does not select {words.listed(case.speaking)}",
            "change the selector, or give the node a label that it matches",
        )
    families = words.listed(sorted({f"IPv{ip.version}" for ip in silent}))
    return (
        words.edit(hearing[0].ref, "spec.dualStackAddressFamily"),
        f"no session of {words.listed(each.name for each in hearing)} carries {families}",
        f"set dualStackAddressFamily to true, or make a BGPPeer with an {families} address",
    )


def _statements(case: Case) -> Iterator[str]:
    """What is in the frr.conf of the first announcing node: one line for each prefix and what peers are told with it."""
    if not case.told:
        return
    node = case.told[0].node
    told = {prefix for each in case.told for prefix in each.prefixes}
    found = {route.prefix: route for route in case.routes(node) if route.prefix in told}
    for router in case.nodes.config(node).routers:
        for family in router.families:
            for item in family.originations:
                if item.prefix in found:
                    line = grammar.network(grammar.in_family(router, family.name), item)
                    yield f"{node}: {' / '.join((*(line.path or ()), line.text))}{_attributes(found[item.prefix])}"


def _attributes(route: values.Route) -> str:
    """What all peers are told with the prefix, in FRR's words; peers that are told something of their own are left to `config`."""
    told = {(offer.local_pref, offer.communities) for offer in route.offers}
    if len(told) != 1:
        return f" ({', '.join(offer.peer for offer in route.offers)} are told different attributes)"
    ((local_pref, communities),) = told
    parts = [f"local preference {local_pref}"] if local_pref else []
    parts += [f"communities {' '.join(map(str, communities))}"] if communities else []
    return f" ({'; '.join(parts)})" if parts else ""
