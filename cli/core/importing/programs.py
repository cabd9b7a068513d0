"""How MetalLB's programs are started: flags and variables of its DaemonSet and Deployment, and values of its Helm chart.

Called by `importing.setup`. What a flag means here is asked of the programs' own tables.
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cli import values
from cli.core.importing import reading
from cli.core.importing.reading import Outcome
from controller import settings as controller_settings
from frr_adapter import flags
from speaker import settings as speaker_settings


class Mode(enum.StrEnum):
    """Who speaks BGP for MetalLB, as METALLB_BGP_TYPE says it."""

    NATIVE = "native"
    FRR = "frr"
    FRR_K8S = "frr-k8s"


_MODES = MappingProxyType(
    {
        Mode.NATIVE: (Outcome.DIFFERS, "MetalLB speaks BGP itself; here FRR does, in a container beside the speaker"),
        Mode.FRR: (Outcome.SAME, "FRR in a container beside the speaker, there and here"),
        Mode.FRR_K8S: (
            Outcome.DIFFERS,
            "the speaker configures its own FRR; frr-k8s is not needed, and must not run on the same nodes",
        ),
    }
)
_TABLES = MappingProxyType({"speaker": speaker_settings.FLAGS, "controller": controller_settings.FLAGS})
_GONE = MappingProxyType(
    {
        "bgp-debounce-timeout": (Outcome.DIFFERS, "leave it out: changes go to FRR at once"),
        "frrk8s-namespace": (Outcome.DIFFERS, "leave it out: there is no frr-k8s"),
        "frrk8s-secret-passthrough": (Outcome.DIFFERS, "leave it out: there is no frr-k8s"),
        "pprof-bind-address": (Outcome.UNSUPPORTED, "leave it out: there is no profiling port"),
        "config": (Outcome.UNSUPPORTED, "leave it out: the ConfigMap is not read; write its objects with --output"),
        "config-ns": (Outcome.UNSUPPORTED, "leave it out: objects of --namespace are read"),
    }
)
_VALUES = MappingProxyType(
    {
        "lb-class": "loadBalancerClass",
        "ignore-exclude-lb": "speaker.ignoreExcludeLB",
        "ml-wan-config": "speaker.wanConfig",
        "ml-bindport": "speaker.memberlist.mlBindPort",
        "port": "prometheus.metricsPort",
        "webhook-mode": "controller.webhookMode",
        "tls-min-version": "tls.minVersion",
        "tls-cipher-suites": "tls.cipherSuites",
        "tls-curve-preferences": "tls.curvePreferences",
    }
)
"""Flag -> value of our chart."""
_BY_CHART = frozenset(
    {"METALLB_BGP_TYPE", "METALLB_NODE_NAME", "METALLB_POD_NAME", "METALLB_HOST", "METALLB_NAMESPACE"}
)

_LEFT_OUT: Mapping[str, tuple[Outcome, str]] = MappingProxyType(
    {
        "frrk8s": (Outcome.DIFFERS, "leave it out: there is no frr-k8s; the speaker configures its own FRR"),
        "configInline": (Outcome.UNSUPPORTED, "leave it out: write it as a ConfigMap, and read that with import"),
        "existingConfigMap": (Outcome.UNSUPPORTED, "leave it out: read the ConfigMap with import"),
        "psp": (Outcome.LEFT, "leave it out: PodSecurityPolicies are gone"),
        "speaker.frr.metricsPort": (Outcome.LEFT, "leave it out: FRR's metrics are on the speaker's own port"),
        "speaker.frrMetrics": (Outcome.LEFT, "leave it out: there is no such container"),
        "speaker.reloader": (Outcome.LEFT, "leave it out: there is no such container"),
        "speaker.initContainers": (Outcome.LEFT, "leave it out: there are no such containers"),
        "speaker.bgpDebounceTimeout": (Outcome.DIFFERS, "leave it out: changes go to FRR at once"),
        "speaker.command": (Outcome.UNSUPPORTED, "leave it out: the image knows its programs"),
        "controller.command": (Outcome.UNSUPPORTED, "leave it out: the image knows its programs"),
        "speaker.image": (Outcome.LEFT, "leave it out: one image has all programs (image.repository)"),
        "controller.image": (Outcome.LEFT, "leave it out: one image has all programs (image.repository)"),
        "speaker.frr.image": (Outcome.LEFT, "leave it out: one image has all programs (image.repository)"),
        "nameOverride": (Outcome.LEFT, "leave it out: names and labels must not be those of MetalLB's pods"),
        "fullnameOverride": (Outcome.LEFT, "leave it out: names and labels must not be those of MetalLB's pods"),
    }
)
"""Values of MetalLB's chart that ours does not have, or that must not be taken over."""


@dataclass(frozen=True, slots=True)
class Started:
    """What workloads and Helm values say: the mode (None: nothing about it), and the values for our chart."""

    reading: reading.Reading
    mode: Mode | None = None


def of_workload(document: values.Document) -> Started | None:
    """A DaemonSet or Deployment of MetalLB; None when it runs neither of its programs."""
    notes = reading.of(document)
    mode = None
    found = False
    for program, path, container in _containers(document):
        found = True
        environment = {str(each.get("name")): each.get("value") for each in reading.maps(container.get("env"))}
        if program == "speaker":
            mode = _mode(environment.get("METALLB_BGP_TYPE"))
            outcome, text = _MODES[mode]
            notes.say(outcome, text, f"{path}.env", shows_path=False)
        _flags(notes, program, reading.texts(container.get("args")), f"{path}.args")
        _variables(notes, program, environment, f"{path}.env")
    return Started(notes.reading, mode) if found else None


def _containers(document: values.Document) -> Iterator[tuple[str, str, values.Json]]:
    spec = document.raw.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    pod = template.get("spec") if isinstance(template, dict) else None
    for index, each in enumerate(reading.maps(pod.get("containers") if isinstance(pod, dict) else None)):
        program = next((name for name in _TABLES if name in (each.get("name"), document.ref.name)), None)
        is_ours = each.get("name") in (*_TABLES, "metallb-speaker", "metallb-controller")
        if program is not None and is_ours:
            yield program, f"spec.template.spec.containers[{index}]", each


def _mode(said: object) -> Mode:
    return Mode(str(said)) if said in set(Mode) else Mode.NATIVE


def _flags(notes: reading.Notes, program: str, args: list[str], path: str) -> None:
    known = {flag.name: flag for flag in _TABLES[program]}
    same: list[str] = []
    for index, word in enumerate(args):
        if not word.startswith("-"):
            continue
        name, equals, text = word.lstrip("-").partition("=")
        if not equals and index + 1 < len(args) and not args[index + 1].startswith("-"):
            text = args[index + 1]
        if name in _GONE:
            outcome, meaning = _GONE[name]
            notes.say(outcome, f"--{name}: {meaning}", f"{path}[{index}]", shows_path=False)
        elif name not in known:
            notes.say(
                Outcome.UNSUPPORTED, f"--{name}: the {program} has no such flag", f"{path}[{index}]", shows_path=False
            )
        elif wrong := _wrong(known[name], text):
            notes.say(Outcome.MISTAKE, f'--{name}: found "{text}"; {wrong}', f"{path}[{index}]", shows_path=False)
        elif name in _VALUES or name == "log-level":
            value = _VALUES.get(name, f"{program}.logLevel")
            notes.say(Outcome.CONVERTED, f"chart: --set {value}={text or 'true'}", f"{path}[{index}]", shows_path=False)
        else:
            same.append(f"--{name}")
    if same:
        notes.say(Outcome.SAME, f"{', '.join(same)}: the same flag, set by the chart", path, shows_path=False)


def _wrong(flag: flags.Flag, text: str) -> str:
    try:
        (flags.boolean if flag.is_switch else flag.parse)(text or ("true" if flag.is_switch else ""))
    except ValueError as error:
        return str(error)
    return ""


def _variables(notes: reading.Notes, program: str, environment: Mapping[str, object], path: str) -> None:
    known = {flag.env: flag.name for flag in _TABLES[program] if flag.env}
    for name, value in environment.items():
        if value is None or name in _BY_CHART:
            continue
        if name == "FRR_LOGGING_LEVEL":
            notes.say(Outcome.CONVERTED, f"chart: --set speaker.frr.logLevel={value}", path, shows_path=False)
        elif name.startswith("METALLB_") and name not in known:
            notes.say(Outcome.LEFT, f"{name}: the {program} does not read it", path, shows_path=False)


# ---- Helm values ----


def of_helm(given: values.Json, file: str) -> tuple[Started, values.Json]:
    """Values for MetalLB's chart, and those for ours: the same but for what is named."""
    notes = reading.Notes(f"Helm values {file}", values.Origin(file, 1))
    kept = _without(given, "", notes)
    mode = _helm_mode(given)
    if mode is not None:
        outcome, text = _MODES[mode]
        notes.say(outcome, text)
    if kept:
        notes.say(Outcome.SAME, f"the others have their names here: {', '.join(sorted(kept))}")
    return Started(notes.reading, mode), kept


def _without(given: values.Json, path: str, notes: reading.Notes) -> values.Json:
    kept: values.Json = {}
    for name, value in given.items():
        where = f"{path}.{name}" if path else name
        if where in _LEFT_OUT:
            outcome, text = _LEFT_OUT[where]
            notes.say(outcome, text, where)
        elif isinstance(value, dict) and value:
            if inner := _without(value, where, notes):
                kept[name] = inner
        else:
            kept[name] = value
    return kept


def _helm_mode(given: values.Json) -> Mode | None:
    """As MetalLB's chart decides: frr-k8s unless it is turned off, then FRR where it is turned on."""
    frr_k8s, speaker = given.get("frrk8s"), given.get("speaker")
    frr = speaker.get("frr") if isinstance(speaker, dict) else None
    if isinstance(frr, dict) and frr.get("enabled"):
        return Mode.FRR
    if isinstance(frr_k8s, dict):
        return Mode.FRR_K8S if frr_k8s.get("enabled", True) or frr_k8s.get("external") else Mode.NATIVE
    return None
