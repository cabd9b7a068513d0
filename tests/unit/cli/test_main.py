"""The command as a whole: what `--help` says without loading anything is what the commands say of themselves; how commands end."""

import importlib
import pkgutil
import tomllib
from pathlib import Path

import pytest
import yaml

import frr_adapter
from cli import catalog, commands, errors, loading, main
from tests import command

ROOT = Path(__file__).parents[3]

NAMES = sorted(catalog.SUMMARIES)
SHARED = {"options"}


def module(name):
    return importlib.import_module(catalog.module(name))


def test_every_command_is_in_the_catalog():
    there = {each.name for each in pkgutil.iter_modules(commands.__path__)} - SHARED
    assert there == {catalog.module(name).rpartition(".")[2] for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_command_explains_itself(name):
    text = " ".join(module(name).command.__doc__.split("\n\n", 1)[0].split())
    assert text == catalog.SUMMARIES[name]
    assert module(name).EPILOG.startswith("Examples:\n")
    examples = [line for line in module(name).EPILOG.splitlines() if line.startswith("  ")]
    assert len(examples) >= 2
    assert any(f"frr-adapter {name}" in line for line in examples)
    ran = command.run(name, "--help")
    assert (ran.status, ran.stderr) == (0, "")
    assert all(line in ran.stdout for line in examples)


@pytest.mark.parametrize("name", NAMES)
def test_examples_use_options_that_exist(name):
    known = {each for param in loading.load(name).params for each in (*param.opts, *param.secondary_opts)}
    for line in module(name).EPILOG.splitlines():
        words = line.partition(f"frr-adapter {name}")[2].partition("|")[0].split()
        assert {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"} <= known


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",)])
def test_the_overview_names_every_command(words):
    ran = command.run(*words)
    assert ran.status == 0
    assert [line.split()[0] for line in ran.stdout.splitlines() if line.startswith("  ")] == list(catalog.SUMMARIES)
    assert max(map(len, ran.stdout.splitlines())) <= 110


def test_without_words_it_shows_itself_and_that_is_no_answer():
    ran = command.run()
    assert (ran.status, ran.stdout) == (errors.Exit.USAGE, catalog.overview("frr-adapter"))


def test_the_version():
    ran = command.run("--version")
    assert (ran.status, ran.stdout) == (0, f"frr-adapter {frr_adapter.__version__}\n")


def test_the_chart_and_the_package_have_the_same_version():
    chart = yaml.safe_load((ROOT / "charts/frr-adapter/Chart.yaml").read_text())
    assert chart["appVersion"] == frr_adapter.__version__
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert package["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "frr_adapter.__version__"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("pln",), 'frr-adapter: "pln" is no command; did you mean plan?\n'),
        (("xyzzy",), 'frr-adapter: "xyzzy" is no command; frr-adapter --help lists them\n'),
        (("--verbose",), 'frr-adapter: "--verbose" is no option; did you mean --version?\n'),
        (("schema", "nothing-like-it"), "frr-adapter: schema: invalid value for NAME: "),
        (("crds", "--colour"), "frr-adapter: crds: no such option: --colour (see frr-adapter crds --help)\n"),
        (("completion",), "frr-adapter: completion: missing argument"),
    ],
)
def test_a_wrong_command_line_is_one_line(words, told):
    ran = command.run(*words)
    assert ran.status == errors.Exit.USAGE
    assert ran.stdout == ""
    assert ran.stderr.startswith(told)
    assert ran.stderr.count("\n") == 1


def test_help_for_a_command_can_be_asked_either_way():
    assert command.run("help", "crds") == command.run("crds", "--help")


def test_as_a_plugin_it_calls_itself_as_the_user_does(capsys):
    assert main.main(["crds", "--nothing"], program="kubectl frr") == errors.Exit.USAGE
    assert main.main(["--help"], program="kubectl frr") == 0
    captured = capsys.readouterr()
    assert captured.err == "kubectl frr: crds: no such option: --nothing (see kubectl frr crds --help)\n"
    assert captured.out.startswith("Usage: kubectl frr COMMAND")


@pytest.mark.parametrize(
    ("raised", "status", "told"),
    [
        (errors.NoAnswerError("file x: not there"), 3, "frr-adapter: crds: file x: not there\n"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_how_a_command_ends_without_an_answer(monkeypatch, raised, status, told):
    def ending():
        raise raised

    # The interpreter's own descriptor is not this test's to close.
    monkeypatch.setattr(main.os, "dup2", lambda *_: None)
    monkeypatch.setattr(module("crds"), "command", ending)
    ran = command.run("crds")
    assert (ran.status, ran.stderr) == (status, told)


def test_a_mistake_of_ours_is_not_hidden(monkeypatch):
    def failing():
        raise ZeroDivisionError

    monkeypatch.setattr(module("crds"), "command", failing)
    with pytest.raises(ZeroDivisionError):
        command.run("crds")
