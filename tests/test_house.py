"""The rules of the house that no other tool checks: floors, sizes, reasons that nobody uses, left-over markers."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from controller import settings as controller_settings
from controller import values as controller_values
from frr_adapter import flags, problems
from speaker import links
from speaker import settings as speaker_settings
from speaker import values as speaker_values

ROOT = Path(__file__).parents[1]
PACKAGES = ("frr_adapter", "controller", "speaker", "lab", "cli")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TEXTS = {path: path.read_text(encoding="utf-8") for path in MODULES}
LONGEST = 400


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_floors_hold():
    result = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_modules_are_short():
    long = {shown(path): lines for path, text in TEXTS.items() if (lines := text.count("\n")) >= LONGEST}
    assert long == {}


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_modules_say_what_they_are(path):
    assert ast.get_docstring(ast.parse(TEXTS[path]))


def test_no_module_is_called_after_nothing():
    vague = {"utils", "helpers", "common", "manager", "handler", "misc"}
    assert [shown(path) for path in MODULES if path.stem in vague] == []


def test_nothing_is_left_for_later():
    marker = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError|unittest\.mock")
    assert [shown(path) for path, text in TEXTS.items() if marker.search(text)] == []


@pytest.mark.parametrize(
    "reasons",
    [
        problems.Reason,
        speaker_values.Reason,
        links.Refusal,
        controller_values.Refusal,
        controller_values.WhyNot,
        controller_values.Clearing,
        controller_values.Keeping,
    ],
    ids=lambda kind: f"{kind.__module__}.{kind.__name__}",
)
def test_every_reason_is_used(reasons):
    """A reason that no code gives is a rule that nobody checks."""
    everything = "\n".join(TEXTS.values())
    unused = [each.name for each in reasons if not re.search(rf"\b{reasons.__name__}\.{each.name}\b", everything)]
    assert unused == []


@pytest.mark.parametrize("table", [controller_settings.FLAGS, speaker_settings.FLAGS], ids=["controller", "speaker"])
def test_every_flag_has_a_meaning_and_a_setting(table):
    assert all(flag.meaning for flag in table)
    assert len({flag.name for flag in table}) == len(table)


def test_settings_come_from_flags_and_variables_in_that_order():
    read = controller_settings.parse(["--lb-class=a"], {"METALLB_NAMESPACE": "elsewhere"})
    assert (read.lb_class, read.namespace, read.port) == ("a", "elsewhere", 9120)
    read = speaker_settings.parse(["--node-name", "n1", "--ignore-exclude-lb"], {"METALLB_NODE_NAME": "n2"})
    assert (read.node_name, read.ignore_exclude_lb, read.frr_level) == ("n1", True, "informational")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--port=many"], '--port: found "many"; a port from 0 to 65535 is allowed'),
        (["--log-level=loud"], '--log-level: found "loud"; allowed are all, debug, info, warn, error, none'),
    ],
)
def test_a_bad_flag_is_one_line(argv, words):
    with pytest.raises(flags.errors.SettingsError, match=re.escape(words)):
        controller_settings.parse(argv, {})


def test_a_speaker_without_a_node_name_says_so():
    with pytest.raises(flags.errors.SettingsError, match="--node-name: missing"):
        speaker_settings.parse([], {})


def test_dependencies_have_their_reason_beside_them():
    listed = re.findall(r'^  "[a-z0-9-]+(?:[<>=].*)?",?(.*)$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    dependencies = [rest for rest in listed if "#" in rest or ">=" in rest]
    assert len(dependencies) > 15
    assert all("#" in rest for rest in dependencies)


def test_the_lock_pins_every_package_by_hash():
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        pinned = re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)
        assert len(pinned) == len(set(pinned))
        assert text.count("--hash=sha256:") >= len(pinned)
        assert "://" not in text
