"""What holds for every object: patches and apply, whatever the values."""

import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.apiserver import apply, fieldset, listtypes, merging, ownership, patch, schema

ITEMS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["k"],
    "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}},
}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "a": {"type": "integer"},
                "o": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}},
                "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "items": ITEMS,
            },
        }
    },
}
TYPES = listtypes.list_types(SCHEMA)

NUMBER = st.integers(0, 2)
LETTER = st.sampled_from("abc")
SPEC = st.fixed_dictionaries(
    {},
    optional={
        "a": NUMBER,
        "o": st.fixed_dictionaries({}, optional={"x": NUMBER, "y": NUMBER}),
        "set": st.lists(LETTER, unique=True, min_size=1),
        "items": st.lists(
            st.fixed_dictionaries({"k": LETTER}, optional={"v": NUMBER}),
            unique_by=lambda item: item["k"],
            min_size=1,
            max_size=3,
        ),
    },
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | LETTER,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LETTER, inner, max_size=3),
    max_leaves=8,
)
OBJECT = st.dictionaries(LETTER, JSON, max_size=3)
FAST = settings(max_examples=30, deadline=None)


def thing(spec):
    return {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "n"}, "spec": spec}


def do(live, spec, manager="me", now="T1"):
    return apply.apply(
        live, thing(spec), manager=manager, force=True, schema=TYPES, api_version="x/v1", subresource="", now=now
    )


@FAST
@given(SPEC, SPEC)
def test_applying_twice_is_applying_once(first, second):
    live = do(do(None, first, "other"), second)
    assert do(live, second, now="T9") == live


@FAST
@given(SPEC, SPEC)
def test_what_is_stated_is_there_afterwards(first, second):
    live = do(do(None, first), second)
    assert states(live["spec"], second)


def states(live, stated):
    """Whether `live` has everything `stated` says; lists of either kind here hold what can be found by equality or key."""
    if isinstance(stated, dict):
        return all(name in live and states(live[name], value) for name, value in stated.items())
    if isinstance(stated, list):
        return all(any(states(other, item) for other in live) for item in stated)
    return live == stated


@FAST
@given(SPEC, SPEC)
def test_a_lone_applier_leaves_nothing_behind(first, second):
    changed = do(do(None, first), second)
    assert merging.compare(do(None, second)["spec"], changed["spec"], TYPES.member("spec")) == merging.Comparison(
        frozenset(), frozenset()
    )


@FAST
@given(SPEC, SPEC)
def test_after_an_update_every_difference_belongs_to_the_updater(first, second):
    live = do(None, first, "other")
    new = thing(second)
    apply.track_update(live, new, manager="me", api_version="x/v1", subresource="", now="T2", schema=TYPES)
    owners = {who.manager: what.fields for who, what in ownership.decode(new).items()}
    changed = merging.compare(live["spec"], new["spec"], TYPES.member("spec")).changed
    mine = {path[1:] for path in owners.get("me", ())}
    assert {path for path in changed if path} <= mine
    assert not owners.get("me", fieldset.EMPTY) & owners.get("other", fieldset.EMPTY)


@FAST
@given(OBJECT, OBJECT)
def test_a_merge_patch_applies_once(obj, change):
    once = patch.merge_patch(obj, change)
    assert patch.merge_patch(once, change) == once
    assert patch.merge_patch(obj, {}) == obj


@FAST
@given(OBJECT)
def test_pruning_and_defaulting_settle(obj):
    value = {"spec": copy.deepcopy(obj)}
    schema.prune(value, SCHEMA)
    schema.default(value, SCHEMA)
    settled = copy.deepcopy(value)
    assert schema.prune(value, SCHEMA) == []
    schema.default(value, SCHEMA)
    assert value == settled


@FAST
@given(OBJECT)
def test_validation_always_answers(obj):
    assert isinstance(schema.validate({"spec": obj}, SCHEMA), list)
    assert schema.validate({"spec": obj}, SCHEMA, {"spec": copy.deepcopy(obj)}) == []
