"""A whole MetalLB setup: every object to the reader of its kind, then the question that matters: does each Service keep its address?

Called by the command `import`. The answer about addresses is the controller's own, over the objects as they would be.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import yaml

from cli import values
from cli.core import allocation, checking, world
from cli.core.importing import config_map, current, frr_k8s, pools, programs, reading
from cli.core.importing.reading import Outcome, Reading, Row
from cli.documents import import_ as answers
from controller import values as outcomes
from frr_adapter import addresses, refs
from frr_adapter.api import wire
from frr_adapter.model import service as service_model

_CONFIG_KINDS = ("IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "BFDProfile", "Community")
_STATUS_KINDS = ("ServiceL2Status", "ServiceBGPStatus", "ConfigurationState", "NodeBGPStatus")
_OF_CLUSTERS = (
    "FRRConfigurations are not read from a cluster: kubectl get frrconfigurations -A -o yaml | frr-adapter import -f -"
)
_WORKLOADS = ("DaemonSet", "Deployment")


@dataclass(frozen=True, slots=True)
class Setup:
    """What was read, and the values for our chart where there were some for MetalLB's."""

    reading: Reading
    helm: values.Json


def read(
    documents: Sequence[values.Document],
    how: values.Programs,
    parse: config_map.Parse,
    helm: tuple[str, values.Json] | None = None,
) -> Setup:
    """Everything that can be said of the documents; `helm` is a file name and values of MetalLB's chart.

    `parse` reads the YAML inside of the ConfigMap from before MetalLB 0.13.
    """
    found = Reading()
    started = [made for each in documents if each.ref.kind in _WORKLOADS and (made := programs.of_workload(each))]
    kept: values.Json = {}
    if helm is not None:
        from_helm, kept = programs.of_helm(helm[1], helm[0])
        started.append(from_helm)
    mode = next((each.mode for each in started if each.mode is not None), None)
    for each in started:
        found += each.reading
    for document in documents:
        found += _one(document, how.namespace, mode, parse)
    found += _frr_k8s(documents, how.namespace, found.produced)
    found += current.order_of_pools([each for each in documents if each.ref.kind == "IPAddressPool"])
    found = _named_once(documents, found)
    found += _services(documents, found, how)
    found += _left(documents)
    return Setup(Reading(_told_once(found.rows), found.produced), kept)


def _one(document: values.Document, namespace: str, mode: programs.Mode | None, parse: config_map.Parse) -> Reading:
    group = _group(document)
    kind = document.ref.kind
    if group == wire.GROUP and kind == "AddressPool":
        return pools.read(document, namespace)
    if group == wire.GROUP and kind in _CONFIG_KINDS:
        return current.read(document, namespace, mode)
    if group == "" and kind == "ConfigMap":
        return _config_map(document, namespace, mode, parse)
    return Reading()


def _config_map(
    document: values.Document, namespace: str, mode: programs.Mode | None, parse: config_map.Parse
) -> Reading:
    notes = reading.of(document)
    data = reading.mapping(document.raw.get("data"))
    match document.ref.name:
        case config_map.NAME if config_map.KEY in data:
            return config_map.read(document, namespace, parse)
        case "bgpextras":
            if mode is programs.Mode.NATIVE:
                notes.say(Outcome.DIFFERS, "FRR gets these lines; MetalLB's own BGP refuses them")
            return notes.reading
        case "metallb-excludel2":
            text = "the chart makes it: put patterns of your own into speaker.excludeInterfaces.patterns"
            notes.say(Outcome.LEFT, text)
            return notes.reading
        case _:
            return Reading()


def _group(document: values.Document) -> str:
    return str(document.raw.get("apiVersion", "")).rpartition("/")[0]


def _frr_k8s(documents: Sequence[values.Document], namespace: str, produced: Sequence[values.Document]) -> Reading:
    own = [each for each in documents if _group(each) == frr_k8s.GROUP and each.ref.kind == "FRRConfiguration"]
    blocks: dict[str, tuple[addresses.Block, ...]] = {}
    sessions: frr_k8s.Sessions = {}
    to_all: list[str] = []
    for each in (*documents, *produced):
        spec = reading.mapping(each.raw.get("spec"))
        if each.ref.kind == "IPAddressPool":
            blocks[each.ref.name] = tuple(_blocks(reading.texts(spec.get("addresses"))))
        elif each.ref.kind == "BGPPeer":
            key = (str(spec.get("peerAddress") or spec.get("interface") or ""), str(spec.get("vrf") or ""))
            sessions[key] = each.ref.name
        elif each.ref.kind == "BGPAdvertisement" and not spec.get("peers"):
            to_all.append(f"BGPAdvertisement {each.ref.name}")
    found = Reading()
    for each in own:
        found += frr_k8s.read(each, namespace, blocks, sessions, to_all)
    return found + frr_k8s.raw_lines(own, namespace)


def _blocks(texts: Sequence[str]) -> list[addresses.Block]:
    found = []
    for text in texts:
        try:
            found.append(addresses.parse_block(text))
        except ValueError:
            continue  # the decoder of the pool says so
    return found


# ---- Does it work here? ----


def _services(documents: Sequence[values.Document], found: Reading, how: values.Programs) -> Reading:
    """Mistakes in what would be applied, and what becomes of the addresses of Services."""
    after = {each.ref: checking.current(each) for each in documents if each.ref.kind in world.KINDS}
    after |= {each.ref: each for each in found.produced}
    after |= {each.ref: each for each in _secrets(after.values()) if each.ref not in after}
    course = world.Course(how)
    before = course.advance(after.values())
    rows = [_mistake(each, found) for each in checking.everything(before) if each.severity is checking.Severity.ERROR]
    settled, decision = allocation.settle(course, before)
    handled = (each for each in before.controller.services if service_model.is_handled(each, how.lb_class))
    old = {each.ref: each for each in handled if each.is_load_balancer}
    new = {each.ref: each for each in settled.controller.services}
    kept = 0
    for ref, service in old.items():
        had, gets = tuple(filter(None, service.ingress)), tuple(filter(None, new[ref].ingress))
        if had == gets:
            kept += bool(had)
            continue
        why = decision.outcomes.get(ref.key)
        text = f"has {', '.join(had) or 'no address'}, would have {', '.join(gets) or 'none'}"
        reason = f": {_reason(why)}" if why is not None and not gets else ""
        outcome = Outcome.DIFFERS if had else Outcome.CONVERTED
        rows.append(Row(str(ref), outcome, text + reason))
    if kept:
        plural = "Service keeps its address" if kept == 1 else "Services keep their addresses"
        rows.append(Row("Services", Outcome.SAME, f"{kept} {plural}"))
    return Reading(tuple(rows))


def _secrets(documents: Iterable[values.Document]) -> Iterator[values.Document]:
    """Every Secret that a peer names, as if it were there and fitting: whether it is, people see to."""
    for each in documents:
        spec = each.raw.get("spec")
        named = spec.get("passwordSecret") if each.ref.kind == "BGPPeer" and isinstance(spec, dict) else None
        if isinstance(named, dict) and isinstance(named.get("name"), str):
            ref = refs.ObjectRef("Secret", each.ref.namespace, named["name"])
            metadata = {"name": ref.name, "namespace": ref.namespace}
            data = {"password": base64.b64encode(b"***").decode()}
            raw = {"kind": "Secret", "metadata": metadata, "type": "kubernetes.io/basic-auth", "data": data}
            yield values.Document(ref, raw)


def _mistake(finding: checking.Finding, found: Reading) -> Row:
    """Mistakes of what is written anew belong to the object that it comes from, whose place it has."""
    written = {each.ref for each in found.produced}
    text = finding.message if finding.ref not in written else f"{finding.ref}: {finding.field}: {finding.message}"
    path = finding.field if finding.ref not in written else ""
    return Row(str(finding.ref), Outcome.MISTAKE, text, path, finding.where)


def _reason(outcome: outcomes.Outcome) -> str:
    if not isinstance(outcome, outcomes.Refused):
        return ""
    return "; ".join(filter(None, (outcome.detail or outcome.why.value, *map(str, outcome.verdicts))))


def _left(documents: Sequence[values.Document]) -> Reading:
    """One line for all that is none of a configuration: roles, definitions, webhooks, and what programs write themselves."""
    counts: Counter[str] = Counter()
    for each in documents:
        group, kind = _group(each), each.ref.kind
        is_status = (group == wire.GROUP and kind in _STATUS_KINDS) or (
            group == frr_k8s.GROUP and kind != "FRRConfiguration"
        )
        if is_status or kind not in (*world.KINDS, *_WORKLOADS, "AddressPool", "FRRConfiguration"):
            counts[kind] += 1
    if not counts:
        return Reading()
    listed = ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in sorted(counts.items()))
    return Reading((Row("others", Outcome.LEFT, f"the chart and the programs have their own: {listed}"),))


# ---- The names of what is written ----


def _named_once(documents: Sequence[values.Document], found: Reading) -> Reading:
    """Each object that is written once; what would take the name of another one is told."""
    there = {each.ref: each for each in documents}
    made: dict[refs.ObjectRef, values.Document] = {}
    rows: list[Row] = []
    for each in found.produced:
        other = made.get(each.ref) or there.get(each.ref)
        if other is not None and other.raw.get("spec") == each.raw.get("spec"):
            continue
        # A BGPPeer of v1beta1 is written anew under its own name.
        is_itself = other is not None and other.origin == each.origin and other.ref == each.ref
        if other is not None and not is_itself:
            where = each.origin.at("") if each.origin else ""
            text = "two different objects would have this name; rename one of them before you read them again"
            rows.append(Row(str(each.ref), Outcome.MISTAKE, text, "metadata.name", where))
            continue
        made[each.ref] = each
    return Reading((*found.rows, *rows), tuple(made[ref] for ref in sorted(made)))


def _told_once(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Without "the same" of objects of which something else is said, and without repetitions."""
    different = {each.subject for each in rows if each.outcome is not Outcome.SAME}
    kept = [each for each in rows if each.outcome is not Outcome.SAME or each.text or each.subject not in different]
    return tuple(dict.fromkeys(kept))


# ---- As files and as the answer ----


def files(setup: Setup) -> dict[str, str]:
    """File name -> text: one file for each kind that is written anew, and the values for our chart."""
    by_kind: dict[str, list[values.Json]] = {}
    for each in setup.reading.produced:
        by_kind.setdefault(each.ref.kind, []).append(each.raw)
    found = {f"{kind.lower()}.yaml": _yaml_all(objects) for kind, objects in sorted(by_kind.items())}
    return found | ({"values.yaml": _yaml(setup.helm)} if setup.helm else {})


def document(setup: Setup, gathered: values.Gathered, written: Sequence[str] = ()) -> answers.ImportDocument:
    """The answer of the command."""
    rows = setup.reading.rows
    counts = Counter(each.outcome.value for each in rows)
    return answers.ImportDocument(
        source=gathered.source,
        rows=tuple(
            answers.ImportedRow(each.subject, each.outcome.value, each.text, each.field, each.where) for each in rows
        ),
        counts={outcome.value: counts[outcome.value] for outcome in Outcome if counts[outcome.value]},
        produced=tuple(each.raw for each in setup.reading.produced),
        helm_values=setup.helm,
        written=tuple(written),
        gaps=(*gathered.gaps, *(() if gathered.source == "files" else (_OF_CLUSTERS,))),
    )


def has_findings(setup: Setup) -> bool:
    """Whether something is not supported, or wrong."""
    return any(each.outcome in (Outcome.UNSUPPORTED, Outcome.MISTAKE) for each in setup.reading.rows)


def _yaml_all(objects: Sequence[values.Json]) -> str:
    return "".join(f"---\n{_yaml(each)}" for each in objects)


def _yaml(value: values.Json) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
