"""Peers: references to BFD profiles and Secrets resolved, and what several peers of one node may not differ in."""

import dataclasses
from collections.abc import Iterable

from frr_adapter import problems, secret, selectors
from frr_adapter.model import cluster, peer, snapshot

SECRET_TYPE = "kubernetes.io/basic-auth"  # noqa: S105  # a type's name
LONGEST_PASSWORD = 80


def selecting(objects: snapshot.ConfigObjects, labels: selectors.Labels) -> snapshot.ConfigObjects:
    """The objects without the peers and BGP advertisements that do not select a node with these labels."""
    return dataclasses.replace(
        objects,
        peers=tuple(each for each in objects.peers if each.selects(labels)),
        bgp_advertisements=tuple(
            each
            for each in objects.bgp_advertisements
            if selectors.empty_or_matches(each.selection.node_selectors, labels)
        ),
    )


def resolve(
    objects: snapshot.ConfigObjects, previous: tuple[peer.Peer, ...], found: list[problems.Problem]
) -> tuple[peer.Peer, ...]:
    """Every usable peer, sorted by name.

    Of two peers that exclude each other, the one that already works stays, then the older one, then the first by name.
    """
    before = {each.ref: each for each in previous}
    profiles = {each.name for each in objects.bfd_profiles}
    secrets = {each.ref.name: each for each in objects.secrets}
    candidates: list[peer.Peer] = []
    for each in objects.peers:
        problem = _missing_reference(each, profiles, secrets)
        if problem is None:
            candidates.append(_with_password(each, secrets))
        else:
            found.append(problem)
            if each.ref in before:
                candidates.append(before[each.ref])
    accepted: list[peer.Peer] = []
    for each in sorted(candidates, key=lambda each: (each != before.get(each.ref), each.created, each.name)):
        problem = _conflict(each, accepted, objects.nodes)
        if problem is None:
            accepted.append(each)
            continue
        found.append(problem)
        fallback = before.get(each.ref)
        if fallback is not None and _conflict(fallback, accepted, objects.nodes) is None:
            accepted.append(fallback)
    return tuple(sorted(accepted, key=lambda each: each.name))


def _missing_reference(
    each: peer.Peer, profiles: set[str], secrets: dict[str, cluster.SecretObject]
) -> problems.Problem | None:
    if each.bfd_profile and each.bfd_profile not in profiles:
        message = f"peer {each.name} referencing non existing bfd profile {each.bfd_profile}"
        return problems.Problem(each.ref, "spec.bfdProfile", problems.Reason.NOT_FOUND, message, message)
    if not each.password_secret:
        return _unusable_password(each, each.password, "spec.password") if each.password else None
    field = "spec.passwordSecret.name"
    namespace = each.ref.namespace
    # The blank before the line break and the wording are what compatible tests compare with.
    closing = f"\nfailed to parse peer {each.name} password secret"
    held = secrets.get(each.password_secret)
    if held is None:
        message = f'parsing peer {each.name} secret ref not found for peer config "{namespace}"/"{each.name}"{closing}'
        return problems.Problem(each.ref, field, problems.Reason.NOT_FOUND, message, message)
    if held.type != SECRET_TYPE:
        message = (
            f'parsing peer {each.name} secret type mismatch on "{namespace}"/"{each.password_secret}", '
            f'type "{SECRET_TYPE}" is expected {closing}'
        )
        return problems.Problem(each.ref, field, problems.Reason.UNSUPPORTED, message, message)
    if held.password is None:
        message = (
            f'parsing peer {each.name} password not specified in the secret "{namespace}"/"{each.password_secret}"; '
            f"the key password is required{closing}"
        )
        return problems.Problem(each.ref, field, problems.Reason.REQUIRED, message, message)
    return _unusable_password(each, held.password, field)


def _unusable_password(each: peer.Peer, password: secret.Secret, field: str) -> problems.Problem | None:
    """FRR reads a password as one word of at most 80 characters (RFC 2385 keys; lib/command grammar WORD)."""
    text = password.reveal().rstrip("\r\n")  # a trailing line break comes from `echo` and is not meant
    if len(text) <= LONGEST_PASSWORD and text.isprintable() and " " not in text and text:
        return None
    message = (
        f"the password has {len(text)} characters or blanks or control characters in it; "
        f"FRR takes 1 to {LONGEST_PASSWORD} printable characters without blanks"
    )
    return problems.Problem(each.ref, field, problems.Reason.UNSUPPORTED, message)


def _with_password(each: peer.Peer, secrets: dict[str, cluster.SecretObject]) -> peer.Peer:
    if not each.password_secret:
        return each
    return dataclasses.replace(each, password=secrets[each.password_secret].password)


def _conflict(
    each: peer.Peer, accepted: Iterable[peer.Peer], nodes: tuple[cluster.Node, ...]
) -> problems.Problem | None:
    for other in accepted:
        if not _share_a_node(each, other, nodes):
            continue
        if (each.endpoint, each.vrf) == (other.endpoint, other.vrf):
            message = f"peer {each.endpoint} already exists, FRR mode doesn't support duplicate BGPPeers selecting the same node"
            return problems.Problem(each.ref, "spec.peerAddress", problems.Reason.DUPLICATE, message, message)
        if each.router_id != other.router_id:
            message = (
                f'found "{each.router_id}" where {other.ref} has "{other.router_id}"; '
                "all BGPPeers of a node must have the same router ID"
            )
            return problems.Problem(each.ref, "spec.routerID", problems.Reason.CONFLICT, message)
        if each.vrf == other.vrf and each.my_asn != other.my_asn:
            message = (
                f"found {each.my_asn} where {other.ref} has {other.my_asn}; "
                "all BGPPeers of a node in the same VRF must have the same myASN"
            )
            return problems.Problem(each.ref, "spec.myASN", problems.Reason.CONFLICT, message)
    return None


def _share_a_node(a: peer.Peer, b: peer.Peer, nodes: tuple[cluster.Node, ...]) -> bool:
    """Whether some node opens both sessions; without known nodes, assume so."""
    return not nodes or any(a.selects(node.labels) and b.selects(node.labels) for node in nodes)
