"""JSON values against OpenAPI schemas, in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.core import structure

SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 5, "pattern": "^[a-z]+$"},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "least": {"type": "integer", "minimum": 1},
        "on": {"type": "boolean"},
        "list": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "anything": {"type": "object"},
    },
}


def found(value):
    return [(fault.path, fault.message) for fault in structure.faults(SCHEMA, value)]


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({"name": "a"}, []),
        ({"name": "a", "count": 9, "on": False, "list": ["x"], "labels": {"a": "b"}, "anything": {"x": 1}}, []),
        ({"name": "a", "count": None}, []),
        ({}, [("name", "is missing; it is required")]),
        ({"name": None}, [("name", "is missing; it is required")]),
        ("text", [("", 'found "text"; a map of fields is allowed')]),
        ({"name": 5}, [("name", "found 5; a string is allowed")]),
        ({"name": "a", "count": True}, [("count", "found true; a whole number is allowed")]),
        ({"name": "a", "count": 2.5}, [("count", "found 2.5; a whole number is allowed")]),
        ({"name": "a", "count": 0}, [("count", "found 0; 1 to 9 is allowed")]),
        ({"name": "a", "least": 0}, [("least", "found 0; at least 1 is allowed")]),
        ({"name": "a", "kind": "c"}, [("kind", 'found "c"; allowed are a, b')]),
        ({"name": "abcdef"}, [("name", "found 6 characters; at most 5 are allowed")]),
        ({"name": "A"}, [("name", 'found "A"; what fits ^[a-z]+$ is allowed')]),
        ({"name": "a", "list": []}, [("list", "found 0 entries; at least 1 are required")]),
        ({"name": "a", "list": ["x", 7]}, [("list[1]", "found 7; a string is allowed")]),
        ({"name": "a", "labels": {"tier": 1}}, [("labels.tier", "found 1; a string is allowed")]),
        ({"name": "a", "cuont": 1}, [("cuont", "is no field that is known here; did you mean count?")]),
        (
            {"name": "a", "zzz": 1},
            [
                (
                    "zzz",
                    "is no field that is known here; allowed are anything, count, kind, labels, least, list, name, on",
                )
            ],
        ),
    ],
)
def test_what_does_not_fit(value, faults):
    assert found(value) == faults


def test_long_values_are_cut():
    ((_, message),) = found({"name": ["x" * 100]})
    assert message == f'found ["{"x" * 58}...; a string is allowed'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 12) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SCHEMA["properties"], "x"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SCHEMA["properties"], "x"]), VALUES))
def test_what_is_repaired_has_no_wrong_types(value):
    faults = tuple(structure.faults(SCHEMA, value))
    repaired = structure.repaired(value, faults)
    assert not [each for each in structure.faults(SCHEMA, repaired) if each.wanted]
    if not any(each.wanted for each in faults):
        assert repaired == value
