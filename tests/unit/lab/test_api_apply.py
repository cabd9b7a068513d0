"""Server-side apply and the record of who owns which field."""

import copy

import pytest

from lab.apiserver import apply, fieldset, listtypes, merging
from lab.apiserver.apply import ApplyConflict
from lab.apiserver.patch import PatchError

CRD = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "a": {"type": "string"},
                "b": {"type": "string"},
                "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "list": {"type": "array", "items": {"type": "string"}},
                "whole": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "additionalProperties": {"type": "string"},
                },
                "map": {"type": "object", "additionalProperties": {"type": "object"}},
                "items": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name", "kind"],
                    "items": {"type": "object", "properties": {"name": {}, "kind": {"default": "K"}, "v": {}}},
                },
            },
        },
        "status": {"type": "object"},
    },
}
TYPES = listtypes.list_types(CRD)


def given(**spec):
    return {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "n"}, "spec": spec}


def do(live, applied, manager="me", *, force=False, now="T1", types=TYPES):
    version = applied["apiVersion"]
    return apply.apply(
        live, applied, manager=manager, force=force, schema=types, api_version=version, subresource="", now=now
    )


def update(live, new, manager="you", *, now="T2", types=TYPES, subresource=""):
    result = copy.deepcopy(new)
    version = result["apiVersion"]
    apply.track_update(
        live, result, manager=manager, api_version=version, subresource=subresource, now=now, schema=types
    )
    return result


def owned(obj, manager):
    for entry in obj["metadata"].get("managedFields", ()):
        if entry["manager"] == manager:
            return entry["fieldsV1"]
    return None


def test_the_first_apply_makes_the_object_and_owns_what_it_states():
    made = do(None, given(a="1", set=["x"], list=["y"], items=[{"name": "i", "v": 1}]))
    assert made["spec"] == {"a": "1", "set": ["x"], "list": ["y"], "items": [{"name": "i", "v": 1}]}
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "me",
            "operation": "Apply",
            "apiVersion": "x/v1",
            "time": "T1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:spec": {
                    "f:a": {},
                    "f:set": {'v:"x"': {}},
                    "f:list": {},
                    "f:items": {'k:{"kind":"K","name":"i"}': {".": {}, "f:name": {}, "f:v": {}}},
                }
            },
        }
    ]


def test_applying_the_same_again_changes_nothing():
    made = do(None, given(a="1", items=[{"name": "i"}]))
    assert do(made, given(a="1", items=[{"name": "i"}]), now="T9") == made


@pytest.mark.parametrize(
    ("name", "first", "second", "left"),
    [
        ("a member", {"a": "1", "b": "2"}, {"b": "2"}, {"b": "2"}),
        ("an item of a set", {"set": ["x", "y"]}, {"set": ["y"]}, {"set": ["y"]}),
        ("a whole set", {"a": "1", "set": ["x"]}, {"a": "1"}, {"a": "1"}),
        ("an item of a map list", {"items": [{"name": "i"}, {"name": "j"}]}, {"items": [{"name": "j"}]}, {"items": [{"name": "j"}]}),
        ("a member of an item", {"items": [{"name": "i", "v": 1}]}, {"items": [{"name": "i"}]}, {"items": [{"name": "i"}]}),
        ("an atomic list", {"list": ["x"], "a": "1"}, {"a": "1"}, {"a": "1"}),
        ("an atomic map", {"whole": {"k": "v"}, "a": "1"}, {"a": "1"}, {"a": "1"}),
        ("part of an atomic map", {"whole": {"k": "v", "l": "w"}}, {"whole": {"l": "w"}}, {"whole": {"l": "w"}}),
        ("an entry of a map", {"map": {"k": {"v": 1}, "l": {}}}, {"map": {"l": {}}}, {"map": {"l": {}}}),
    ],
)  # fmt: skip
def test_what_is_no_longer_applied_goes(name, first, second, left):
    assert do(do(None, given(**first)), given(**second))["spec"] == left, name


def test_what_somebody_else_owns_too_stays():
    shared = do(do(None, given(a="1", b="2"), "one"), given(a="1"), "two")
    left = do(shared, given(b="2"), "one")
    assert left["spec"] == {"a": "1", "b": "2"}
    assert owned(left, "one") == {"f:spec": {"f:b": {}}}
    assert owned(left, "two") == {"f:spec": {"f:a": {}}}


def test_what_an_ordinary_write_added_stays():
    made = do(None, given(a="1", items=[{"name": "i"}]))
    live = copy.deepcopy(made)
    live["spec"]["b"] = "theirs"
    live["spec"]["items"].append({"name": "j", "kind": "K"})
    live = update(made, live)
    left = do(live, given(a="1"))
    assert left["spec"] == {"a": "1", "b": "theirs", "items": [{"name": "j", "kind": "K"}]}


@pytest.mark.parametrize(
    ("theirs", "mine", "path"),
    [
        ({"a": "1"}, {"a": "2"}, ".spec.a"),
        ({"list": ["x"]}, {"list": ["y"]}, ".spec.list"),
        ({"whole": {"k": "v"}}, {"whole": {"k": "w"}}, ".spec.whole"),
        ({"items": [{"name": "i", "v": 1}]}, {"items": [{"name": "i", "v": 2}]}, '.spec.items[kind="K",name="i"].v'),
    ],
)
def test_conflict(theirs, mine, path):
    live = do(None, given(**theirs), "them")
    with pytest.raises(ApplyConflict) as caught:
        do(live, given(**mine), "me")
    assert caught.value.conflicts == (("them", path),)
    assert caught.value.causes == (('conflict with "them"', path),)
    assert str(caught.value) == f'Apply failed with 1 conflict: conflict with "them": {path}'

    forced = do(live, given(**mine), "me", force=True)
    assert forced["spec"] == mine
    mine_now, theirs_now = (
        {fieldset.show(item) for item in fieldset.decode(owned(forced, who) or {})} for who in ("me", "them")
    )
    assert path in mine_now - theirs_now


def test_several_conflicts_are_listed_by_manager():
    live = do(None, given(a="1", b="1"), "them")
    changed = copy.deepcopy(live)
    changed["spec"]["list"] = ["x"]
    live = update(live, changed, "him")
    with pytest.raises(ApplyConflict) as caught:
        do(live, given(a="2", b="2", list=["y"]))
    assert str(caught.value).splitlines() == [
        'Apply failed with 3 conflicts: conflicts with "him" using x/v1:',
        "- .spec.list",
        'conflicts with "them":',
        "- .spec.a",
        "- .spec.b",
    ]


@pytest.mark.parametrize("same", [{"a": "1"}, {"set": ["x"]}, {"items": [{"name": "i", "v": 1}]}])
def test_equal_values_are_shared_without_conflict(same):
    live = do(do(None, given(**same), "one"), given(**same), "two")
    assert live["spec"] == same
    assert owned(live, "one") == owned(live, "two")


def test_forcing_takes_the_field_from_the_other():
    live = do(do(None, given(a="1", b="1"), "them"), given(a="2"), force=True)
    assert owned(live, "them") == {"f:spec": {"f:b": {}}}
    assert owned(live, "me") == {"f:spec": {"f:a": {}}}


def test_items_keep_the_live_order_where_the_applied_one_says_nothing():
    live = update(None, given(items=[{"name": n, "kind": "K"} for n in "abc"]))
    merged = do(live, given(items=[{"name": "c"}, {"name": "d"}]))
    assert [item["name"] for item in merged["spec"]["items"]] == ["a", "b", "c", "d"]


def test_null_states_nothing():
    made = do(None, given(a="1", b=None))
    assert made["spec"] == {"a": "1"}
    assert owned(made, "me") == {"f:spec": {"f:a": {}}}


def test_an_object_nobody_tracked_belongs_to_before_first_apply():
    live = given(a="1", b="1")
    with pytest.raises(ApplyConflict) as caught:
        do(live, given(a="2"))
    assert caught.value.conflicts == (("before-first-apply", ".spec.a"),)
    assert owned(do(live, given(a="1")), "before-first-apply") == {"f:spec": {"f:a": {}, "f:b": {}}}


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"items": [{"kind": "K"}]}, '.spec.items: element 0: associative list with keys has an element that omits key field "name"'),
        ({"items": [{"name": "i"}, {"name": "i"}]}, '.spec.items: duplicate entries for key [kind="K",name="i"]'),
        ({"set": ["x", "x"]}, '.spec.set: duplicate entries for key [="x"]'),
    ],
)  # fmt: skip
def test_lists_whose_items_cannot_be_told_apart(spec, part):
    with pytest.raises(PatchError) as caught:
        do(None, given(**spec))
    assert str(caught.value) == part


def test_creating_owns_new_containers_too_and_never_the_name():
    made = update(
        None, {**given(a="1", map={"k": {"v": 1}}), "metadata": {"name": "n", "uid": "u", "labels": {"l": "1"}}}
    )
    assert owned(made, "you") == {
        "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
        "f:spec": {".": {}, "f:a": {}, "f:map": {".": {}, "f:k": {".": {}, "f:v": {}}}},
    }


def test_creating_a_core_object_owns_no_struct_that_is_always_there():
    types = apply.core_list_types("Service")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "n"},
        "spec": {"ports": [{"port": 80, "protocol": "TCP"}], "selector": {"a": "b"}, "type": "ClusterIP"},
        "status": {"loadBalancer": {}},
    }
    assert owned(update(None, service, types=types), "you") == {
        "f:spec": {
            "f:ports": {".": {}, 'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:protocol": {}}},
            "f:selector": {},
            "f:type": {},
        }
    }


def test_an_update_takes_what_it_changes_and_loses_what_goes():
    live = do(None, given(a="1", b="1", set=["x", "y"]), "them")
    new = copy.deepcopy(live)
    new["spec"] = {"a": "2", "set": ["x"]}
    result = update(live, new)
    assert owned(result, "them") == {"f:spec": {"f:set": {'v:"x"': {}}}}
    assert owned(result, "you") == {"f:spec": {"f:a": {}}}
    assert [entry["operation"] for entry in result["metadata"]["managedFields"]] == ["Apply", "Update"]


def test_an_update_that_changes_nothing_keeps_the_times():
    live = update(None, given(a="1"))
    assert update(live, live, now="T9") == live


def test_an_update_through_a_subresource_is_another_owner():
    live = update(None, given(a="1"))
    new = {**live, "status": {"ok": True}}
    entries = update(live, new, subresource="status", now="T3")["metadata"]["managedFields"]
    assert [(entry.get("subresource"), entry["fieldsV1"]) for entry in entries] == [
        (None, {"f:spec": {".": {}, "f:a": {}}}),
        ("status", {"f:status": {".": {}, "f:ok": {}}}),
    ]


def test_a_write_without_managed_fields_keeps_the_live_ones():
    live = update(None, given(a="1"))
    result = update(live, given(a="1"))
    assert result["metadata"]["managedFields"] == live["metadata"]["managedFields"]


@pytest.mark.parametrize("claimed", [[], [{}]])
def test_an_empty_list_forgets_every_owner(claimed):
    live = update(None, given(a="1"))
    new = copy.deepcopy(live)
    new["metadata"]["managedFields"] = claimed
    assert "managedFields" not in update(live, new)["metadata"]


def test_an_update_of_an_untracked_object_does_not_start_tracking():
    assert "managedFields" not in update(given(a="1"), given(a="2"))["metadata"]


def test_tracking_never_fails():
    live = update(None, given(a="1"))
    assert update(live, given(items=[{}]))["metadata"]["managedFields"] == live["metadata"]["managedFields"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"f:a": {}},
        {"f:a": {".": {}, "f:b": {}}},
        {"f:l": {'k:{"n":"x"}': {".": {}, "f:v": {}}, 'v:"y"': {}}},
    ],
)
def test_fields_are_read_and_written_alike(fields):
    assert fieldset.encode(fieldset.decode(fields)) == fields


def test_ports_of_services_default_their_protocol_in_the_key():
    types = apply.core_list_types("Service")
    live = {"apiVersion": "v1", "spec": {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}]}, "metadata": {}}
    applied = {"apiVersion": "v1", "spec": {"ports": [{"port": 80, "name": "web"}]}, "metadata": {}}
    merged = do(update(None, live, types=types), applied, types=types)
    assert merged["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "nodePort": 30080, "name": "web"}]


@pytest.mark.parametrize(
    ("before", "after", "changed", "removed"),
    [
        ({"a": 1}, {"a": 1}, set(), set()),
        ({"a": 1}, {"a": 2}, {("f:a",)}, set()),
        ({"a": 1}, {}, set(), {("f:a",)}),
        ({}, {"a": {}}, {("f:a",)}, set()),
        ({"a": {}}, {"a": {"b": 1}}, {("f:a", "f:b")}, set()),
        ({"a": {"b": 1}}, {}, set(), {("f:a",), ("f:a", "f:b")}),
        ({"a": {"b": 1}}, {"a": "x"}, {("f:a",)}, {("f:a", "f:b")}),
        ({"a": [1]}, {"a": [2]}, {("f:a",)}, set()),
    ],
)
def test_compare(before, after, changed, removed):
    found = merging.compare(before, after, listtypes.PLAIN)
    assert (found.changed, found.removed) == (changed, removed)


def test_core_list_types():
    service, pod, other = (apply.core_list_types(kind) for kind in ("Service", "Pod", "Unheard"))
    assert service.member("spec").member("ports").keys == ("port", "protocol")
    assert service.member("status").member("loadBalancer").member("ingress").list_type == "atomic"
    assert service.member("spec").member("selector").is_atomic
    containers = pod.member("spec").member("containers")
    assert (containers.keys, containers.item().member("env").keys) == (("name",), ("name",))
    assert other.member("metadata").member("finalizers").list_type == "set"
    assert other.member("spec") == listtypes.PLAIN
