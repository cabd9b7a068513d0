"""What may follow on an unfinished command line."""

import pytest

from cli import catalog, completing
from tests import command


def words(*line):
    return [word for word, _ in completing.candidates(line).words]


def test_names_come_with_what_they_are_for():
    assert completing.candidates([""]).words == tuple(catalog.SUMMARIES.items())
    assert words("pl") == ["plan"]
    assert words() == list(catalog.SUMMARIES)
    assert words("zzz") == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("completion", "z"), ["zsh"]),
        (("render", "-o", ""), ["table", "json", "yaml"]),
        (("validate", "--output", "j"), ["json"]),
        (("validate", "--output=j"), ["--output=json"]),
        (("validate", "--output", "=", "j"), ["json"]),
        (("validate", "--output", "="), ["table", "json", "yaml"]),
        (("validate", "--str"), ["--strict"]),
        (("crds", "--conv"), ["--convert-in"]),
        (("nothing", ""), []),
    ],
)
def test_options_and_their_values(line, found):
    assert words(*line) == found


def test_every_option_is_offered_with_its_help():
    offered = dict(completing.candidates(["crds", "-"]).words)
    assert set(offered) == {"--output", "-o", "--convert-in", "--help"}
    assert offered["-o"] == "yaml or json"


@pytest.mark.parametrize(
    ("line", "files"),
    [
        (("validate", "-f", ""), True),
        (("validate", "--frr-snippets", "x"), True),
        (("validate", "-n", ""), False),
        (("validate", "--str"), False),
        (("crds", ""), False),
    ],
)
def test_whether_files_may_follow(line, files):
    assert completing.candidates(line).files is files


def test_the_answer_is_in_lines_that_kubectl_understands():
    ran = command.run("__complete", "comp")
    assert (ran.status, ran.stdout) == (0, "completion\tPrint the completion script of a shell.\n:4\n")
    assert command.run("__complete", "validate", "-f", "").stdout == ":0\n"
