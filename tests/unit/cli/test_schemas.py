"""The published schemas are those of the types, and say which document of which version they describe."""

import json
from pathlib import Path

import jsonschema
import pytest

from cli import catalog
from cli.documents import schemas
from tests import command

FOLDER = Path(__file__).parents[3] / "docs/schemas"
NAMES = schemas.names()


def test_every_document_belongs_to_a_command():
    assert set(NAMES) <= set(catalog.SUMMARIES)
    assert {path.stem for path in FOLDER.glob("*.json")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_published_is_what_is_printed(name):
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert text == schemas.text(name), "make schemas writes it anew"
    assert command.run("schema", name).stdout == text


@pytest.mark.parametrize("name", NAMES)
def test_a_document_says_its_format(name):
    kind = schemas.document(name)
    schema = schemas.schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    own = schema["$defs"][kind.__name__]["properties"]["format"]
    assert own["enum"] == [f"frr-adapter.{name}/v1"]


def test_the_list_of_names():
    assert command.run("schema").stdout.split() == list(NAMES)


def test_all_are_written_to_a_directory(tmp_path):
    ran = command.run("schema", "--output", str(tmp_path / "new"))
    assert ran.stdout == f"{len(NAMES)} schemas written to {tmp_path}/new\n"
    assert {path.name for path in (tmp_path / "new").iterdir()} == {f"{name}.json" for name in NAMES}
    assert json.loads((tmp_path / "new/plan.json").read_text())["$defs"]
