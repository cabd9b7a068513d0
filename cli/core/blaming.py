"""A session that would be reset -> the statement in frr.conf that does it, and the field of the object that the statement comes from.

Called by `plan_nodes`. Pure. Which sessions are reset and why is `frr_adapter.frr.resets`' word; here it is only traced back.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from cli import values
from cli.core import merging
from cli.documents import plan
from frr_adapter import refs
from frr_adapter.frr import config as frr_config
from frr_adapter.frr import grammar, masking, resets

_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "AS of the node": ("spec.myASN",),
        "AS": ("spec.peerASN", "spec.dynamicASN"),
        "router ID": ("spec.routerID",),
        "local AS": ("spec.localASN",),
        "BFD": ("spec.bfdProfile",),
        "password": ("spec.password", "spec.passwordSecret"),
        "port": ("spec.peerPort",),
        "multihop": ("spec.ebgpMultiHop", "spec.peerASN", "spec.dynamicASN"),
        "connected check": ("spec.ebgpMultiHop", "spec.dualStackAddressFamily", "spec.peerASN"),
        "source address": ("spec.sourceAddress",),
        "extended next hop": ("spec.dualStackAddressFamily",),
        "graceful restart": ("spec.enableGracefulRestart",),
        "address family": ("spec.dualStackAddressFamily", "spec.peerAddress"),
    }
)
"""The beginning of a reason -> the fields of a BGPPeer that it may come from; longer beginnings come first."""


class Blame:
    """`changes` are those of the objects, with their places in files; `namespace` that of BGPPeers."""

    def __init__(self, changes: Iterable[merging.Changed], namespace: str) -> None:
        self._changes = {each.ref: each for each in changes}
        self._namespace = namespace

    def reset(self, reset: resets.Reset, before: frr_config.FrrConfig, after: frr_config.FrrConfig) -> plan.Reset:
        """The session with everything that is known about what ends it."""
        router = next((each for each in after.routers if each.vrf == reset.vrf), frr_config.Router(0))
        neighbor = next((each for each in router.neighbors if each.name == reset.neighbor), None)
        peers = neighbor.peers if neighbor is not None else ()
        field, origin = self._field(reset.reason, peers)
        return plan.Reset(
            neighbor=reset.neighbor,
            reason=reset.reason,
            vrf=reset.vrf,
            since_frr=reset.since,
            statement=_statement(reset, masking.configuration(before), masking.configuration(after)),
            peers=peers,
            field=field,
            where=origin.at(field) if origin is not None else "",
        )

    def _field(self, reason: str, peers: Iterable[str]) -> tuple[str, values.Origin | None]:
        """The first field of the peers that changed and may be the cause; then of any other BGPPeer: some concern all sessions."""
        fields = next((found for head, found in _FIELDS.items() if reason.startswith(f"{head} ")), ())
        own = [refs.ObjectRef("BGPPeer", *_split(name, self._namespace)) for name in peers]
        others = [ref for ref in self._changes if ref.kind == "BGPPeer" and ref not in own]
        for ref in (*own, *others):
            change = self._changes.get(ref)
            if change is None:
                continue
            for field in fields:
                if any(each == field or each.startswith(f"{field}.") for each in change.fields):
                    return field, change.origin
        return "", None


def _split(name: str, namespace: str) -> tuple[str, str]:
    where, _, last = name.rpartition("/")
    return where or namespace, last


def _statement(reset: resets.Reset, before: frr_config.FrrConfig, after: frr_config.FrrConfig) -> str:
    """The line that is told to FRR, as it stands in the file or with `no`; passwords are masked already."""
    routers = [next((r for r in each.routers if r.vrf == reset.vrf), None) for each in (before, after)]
    was, shall = routers
    if was is None or shall is None:
        return ""
    path = grammar.in_router(shall)
    if reset.reason.startswith("AS of the node "):
        return path[-1]
    if reset.reason.startswith("router ID "):
        return grammar.router_id(shall).text
    neighbor = next((each for each in shall.neighbors if each.name == reset.neighbor), None)
    if neighbor is None:
        return ""
    if reset.reason.startswith("AS "):
        return grammar.remote_as(path, neighbor).text
    if reset.reason.startswith("address family "):
        *_, family, word = reset.reason.split()
        return (
            f"address-family {family} unicast / {'no ' if word == 'removed' else ''}neighbor {neighbor.name} activate"
        )
    for setting in grammar.SETTINGS:
        if reset.reason.startswith(f"{setting.name} "):
            words = setting.write(neighbor)
            line = (
                grammar.no_setting(path, neighbor, setting) if words is None else grammar.setting(path, neighbor, words)
            )
            return line.text
    return ""
