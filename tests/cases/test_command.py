"""A command line and its files in, everything it prints out; and what it prints with `-o json`, against the published schema.

A case is a file `command/NAME/*.txt`: lines of `#` that say what it shows, the command line after `$ `, its files each under `== PATH`
(bundles, `.tar.gz`, as `tests.bundled` reads them), a line of five dashes, and the output: standard output, then standard error under
`stderr:`, then `exit N` where that is not 0.
`CASES_WRITE=1 pytest tests/cases/test_command.py` writes the output into the files; read it before you keep it.
"""

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

from cli import loading
from cli.documents import schemas
from tests import bundled, command

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "command"
CASES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.txt"))
DASHES = "\n-----\n"


@dataclass(frozen=True)
class Case:
    """`given` is the part above the dashes, as it stands."""

    path: Path
    given: str
    expected: str
    words: tuple[str, ...]
    files: dict[str, str]


def read(name: str) -> Case:
    path = FOLDER / f"{name}.txt"
    given, dashes, expected = path.read_text(encoding="utf-8").partition(DASHES)
    assert dashes or os.environ.get("CASES_WRITE"), f"{path} has no line of five dashes"
    line, *parts = f"{given}\n".split("\n== ")
    (words,) = (each for each in line.splitlines() if each.startswith("$ frr-adapter "))
    files = dict(part.split("\n", 1) for part in parts)
    return Case(path, given, expected, tuple(shlex.split(words)[2:]), files)


def shown(ran: command.Ran) -> str:
    text = ran.stdout
    if text and not text.endswith("\n"):
        text += "(no newline)\n"
    text += f"stderr:\n{ran.stderr}" if ran.stderr else ""
    return text + (f"exit {ran.status}\n" if ran.status else "")


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """No cluster within reach, nothing of this machine's, and files in a directory of their own."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "METALLB_NAMESPACE", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lay_out(case: Case, folder: Path) -> None:
    for name, text in case.files.items():
        path = folder / name.strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name.endswith(".tar.gz"):
            path.write_bytes(bundled.pack(text))
        else:
            path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_what_it_prints(name, alone):
    case = read(name)
    lay_out(case, alone)
    found = shown(command.run(*case.words))
    if os.environ.get("CASES_WRITE"):
        case.path.write_text(f"{case.given.rstrip()}{DASHES}{found}", encoding="utf-8")
        return
    assert found == case.expected


def published(name: str) -> dict:
    return json.loads((ROOT / "docs/schemas" / f"{name}.json").read_text(encoding="utf-8"))


def answers_in_json(words: tuple[str, ...]) -> bool:
    """Whether the command has a document, and the case does not ask for a form itself."""
    asked = any(word in ("-o", "--help") or word.startswith(("-o", "--output=")) for word in words)
    return (
        words[0] in schemas.names() and not asked and any("-o" in each.opts for each in loading.load(words[0]).params)
    )


@pytest.mark.parametrize("name", [name for name in CASES if answers_in_json(read(name).words)])
def test_its_json_is_as_published(name, alone):
    case = read(name)
    lay_out(case, alone)
    ran = command.run(*case.words, "-o", "json")
    if not ran.stdout:
        assert ran.status in (2, 3)
        assert ran.stderr.startswith(f"frr-adapter: {case.words[0]}: ")
        return
    jsonschema.validate(json.loads(ran.stdout), published(case.words[0]))
