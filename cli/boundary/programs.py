"""How the programs are started, as far as their decisions depend on it: from their DaemonSet and Deployment, or as they say themselves.

Called by `sources`. Flags and variables are looked up in the programs' own tables. What is written nowhere has its default.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cli import values
from cli.boundary import naming
from controller import settings as controller_settings
from frr_adapter import flags
from frr_adapter.api import node_report
from speaker import settings as speaker_settings

_TABLES = {"speaker": speaker_settings.FLAGS, "controller": controller_settings.FLAGS}
_VARIABLE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_LABELS = ("app.kubernetes.io/component", "component")

Said = Mapping[str, Any]
"""Attribute of the settings -> value, only of what is given."""


def of(documents: Iterable[values.Document], namespace: str) -> tuple[values.Programs, tuple[str, ...]]:
    """The programs of that namespace, and lines about what cannot be read or contradicts itself."""
    gaps: list[str] = []
    said: dict[str, Said] = {}
    for document in documents:
        program = _program(document)
        if program and document.ref.namespace == namespace:
            said[program] = _said(program, document, gaps)
    speaker, controller = said.get("speaker", {}), said.get("controller", {})
    classes = {name: each.get("lb_class", "") for name, each in said.items()}
    if len(set(classes.values())) > 1:
        found = ", ".join(f'{name} "{text}"' for name, text in sorted(classes.items()))
        gaps.append(f"the programs differ in --lb-class ({found}): the speaker's is taken")
    both = {**controller, **speaker}
    programs = values.Programs(
        namespace=both.get("namespace", namespace),
        lb_class=classes.get("speaker", classes.get("controller", "")),
        ignore_exclude_lb=speaker.get("ignore_exclude_lb", False),
        l2_owner=speaker.get("l2_owner", "keep"),
        has_bgp=bool(speaker.get("frr_vty_dir", True)),
        log_level=speaker.get("log_level", "info"),
        frr_log_level=speaker.get("frr_log_level", ""),
    )
    return programs, tuple(gaps)


def corrected(
    programs: values.Programs, reports: Mapping[str, node_report.NodeReport]
) -> tuple[values.Programs, tuple[str, ...]]:
    """As the speakers say themselves that they run; they may still run as they were before an edit of the DaemonSet."""
    said = {node: _by_flags(report.speaker.flags) for node, report in sorted(reports.items())}
    if not said:
        return programs, ()
    first, programs = next(iter(said.items()))
    others = [node for node, each in said.items() if each != programs]
    differ = f"the speakers of {', '.join(others)} are started otherwise than that of {first}, whose flags are taken"
    return programs, (differ,) if others else ()


def is_speaker(labels: Mapping[str, Any]) -> bool:
    """Whether a pod with these labels is a speaker."""
    return any(labels.get(name) == "speaker" for name in _LABELS)


def _by_flags(said: node_report.Flags) -> values.Programs:
    return values.Programs(
        namespace=said.namespace,
        lb_class=said.lb_class,
        ignore_exclude_lb=said.ignore_exclude_lb,
        l2_owner=said.l2_owner,
        has_bgp=bool(said.frr_vty_dir),
        log_level=said.log_level,
        frr_log_level=said.frr_log_level,
    )


def _program(document: values.Document) -> str:
    """Which of the two the workload runs; empty for any other object."""
    if document.ref.kind not in naming.WORKLOADS:
        return ""
    name = "speaker" if document.ref.kind == "DaemonSet" else "controller"
    labels = _at(document.raw, "metadata", "labels") or {}
    is_it = document.ref.name == name or any(labels.get(label) == name for label in _LABELS)
    return name if is_it and _container(name, document) else ""


def _container(name: str, document: values.Document) -> values.Json | None:
    containers = _at(document.raw, "spec", "template", "spec", "containers")
    found = [each for each in containers if isinstance(each, dict)] if isinstance(containers, list) else []
    return next((each for each in found if each.get("name") == name), None)


def _said(program: str, document: values.Document, gaps: list[str]) -> Said:
    container = _container(program, document) or {}
    variables = _variables(container, document.ref.namespace)
    words = [*_texts(container.get("command")), *_texts(container.get("args"))]
    given = _given([_VARIABLE.sub(lambda match: variables.get(match[1], match[0]), word) for word in words])
    found: dict[str, Any] = {}
    for flag in _TABLES[program]:
        text = given.get(flag.name, variables.get(flag.env) or None if flag.env else None)
        if text is None:
            continue
        try:
            found[flag.attribute] = flags.boolean(text or "true") if flag.is_switch else flag.parse(text)
        except ValueError as error:
            gaps.append(f'{document.ref}: --{flag.name}: found "{text}"; {error}')
    return found


def _given(words: Sequence[str]) -> dict[str, str]:
    """Flag -> value, empty for a flag without one."""
    found: dict[str, str] = {}
    for word, following in zip(words, (*words[1:], "--"), strict=False):
        if word.startswith("-"):
            name, has_value, value = word.lstrip("-").partition("=")
            found[name] = value if has_value or following.startswith("-") else following
    return found


def _variables(container: values.Json, namespace: str) -> dict[str, str]:
    found: dict[str, str] = {}
    listed = container.get("env")
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            continue
        if isinstance(each.get("value"), str):
            found[each["name"]] = each["value"]
        elif _at(each, "valueFrom", "fieldRef", "fieldPath") == "metadata.namespace":
            found[each["name"]] = namespace
    return found


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def with_class(programs: values.Programs, lb_class: str | None) -> values.Programs:
    """The same with the class that the user names; None leaves it."""
    return programs if lb_class is None else dataclasses.replace(programs, lb_class=lb_class)
