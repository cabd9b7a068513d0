"""Objects of MetalLB as it is today: they stay as they are. What is said here is where the same object does something else.

Called by `importing.setup`. The list of all differences is docs/compatibility.md; here are those that an object can show.
"""

from collections.abc import Sequence

from cli import values
from cli.core import checking
from cli.core.importing import reading
from cli.core.importing.programs import Mode
from cli.core.importing.reading import Outcome
from controller.core import conversion

_PATTERN = frozenset("*?[")


def read(document: values.Document, namespace: str, mode: Mode | None) -> reading.Reading:
    """One object of `checking`'s kinds, under a MetalLB of that mode (None: not known)."""
    match document.ref.kind:
        case "BGPPeer":
            return _peer(document, namespace, mode)
        case "L2Advertisement":
            return _l2(document)
        case _:
            return reading.of(document).reading


def _peer(document: values.Document, namespace: str, mode: Mode | None) -> reading.Reading:
    notes = reading.of(document)
    spec = reading.mapping(document.raw.get("spec"))
    if document.raw.get("apiVersion") == conversion.OLD:
        made = dict(reading.mapping(checking.current(document).raw.get("spec")))
        if made.pop("password", None):
            made["passwordSecret"] = reading.secret_for(notes, namespace, document.ref.name, "spec.password")
        notes.make(reading.V1BETA2, "BGPPeer", document.ref.namespace, document.ref.name, made)
        unsaid = [field for field in ("holdTime", "keepaliveTime") if not spec.get(field)]
        meant = f"; {' and '.join(unsaid)} left out mean 0 there (never), and are written so" if unsaid else ""
        notes.say(Outcome.CONVERTED, f"BGPPeer of v1beta2{meant}")
        return notes.reading
    if mode is Mode.NATIVE and not spec.get("holdTime") and not spec.get("keepaliveTime"):
        text = "MetalLB's own BGP proposes 90s where nothing is said, FRR 180s: say 90s to keep it"
        notes.say(Outcome.DIFFERS, text, "spec.holdTime")
    if mode is Mode.FRR_K8S:
        for field in ("sourceAddress", "localASN"):
            if spec.get(field):
                text = "has an effect here; MetalLB loses it on the way to frr-k8s"
                notes.say(Outcome.DIFFERS, text, f"spec.{field}")
    return notes.reading


def _l2(document: values.Document) -> reading.Reading:
    notes = reading.of(document)
    spec = document.raw.get("spec")
    names = reading.texts(spec.get("interfaces")) if isinstance(spec, dict) else []
    for index, name in enumerate(names):
        if _PATTERN & set(name):
            notes.say(Outcome.DIFFERS, f'"{name}" is a pattern here', f"spec.interfaces[{index}]")
    return notes.reading


def order_of_pools(pools: Sequence[values.Document]) -> reading.Reading:
    """What several pools mean that anybody may get an address from: which is tried first."""
    open_ones = [each.ref.name for each in pools if _is_open(each)]
    if len(open_ones) < 2:
        return reading.Reading()
    text = f"Services that ask for no pool get addresses of them in this order; MetalLB's is left to chance: {', '.join(sorted(open_ones))}"
    return reading.Reading((reading.Row("IPAddressPools", Outcome.DIFFERS, text),))


def _is_open(pool: values.Document) -> bool:
    spec = pool.raw.get("spec")
    if not isinstance(spec, dict):
        return False
    return spec.get("autoAssign") is not False and not spec.get("serviceAllocation")
