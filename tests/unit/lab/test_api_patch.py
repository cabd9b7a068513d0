"""JSON patch, merge patch and strategic merge patch."""

import copy

import pytest

from lab.apiserver import patch
from lab.apiserver.patch import MalformedPatchError, PatchError

SERVICE = {
    "metadata": {"name": "a", "labels": {"x": "1"}, "finalizers": ["f1"]},
    "spec": {
        "type": "LoadBalancer",
        "selector": {"app": "a", "tier": "b"},
        "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 443, "name": "s"}],
    },
    "status": {
        "conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "False"}],
        "loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]},
    },
}


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ([{"op": "add", "path": "/b", "value": 1}], {"a": {"l": [1, 2]}, "b": 1}),
        ([{"op": "replace", "path": "/a/l/0", "value": 9}], {"a": {"l": [9, 2]}}),
        ([{"op": "add", "path": "/a/l/-", "value": 3}], {"a": {"l": [1, 2, 3]}}),
        ([{"op": "remove", "path": "/a/l"}], {"a": {}}),
        ([{"op": "test", "path": "/a/l/0", "value": 1}, {"op": "add", "path": "/c", "value": 0}], {"a": {"l": [1, 2]}, "c": 0}),
        ([{"op": "move", "from": "/a", "path": "/b"}], {"b": {"l": [1, 2]}}),
        ([{"op": "copy", "from": "/a/l/0", "path": "/b"}], {"a": {"l": [1, 2]}, "b": 1}),
        ([], {"a": {"l": [1, 2]}}),
    ],
)  # fmt: skip
def test_json_patch(ops, expected):
    obj = {"a": {"l": [1, 2]}}
    assert patch.json_patch(obj, ops) == expected
    assert obj == {"a": {"l": [1, 2]}}


@pytest.mark.parametrize(
    ("ops", "is_malformed"),
    [
        ([{"op": "test", "path": "/a", "value": 2}], False),
        ([{"op": "remove", "path": "/b"}], False),
        ([{"op": "replace", "path": "/b/c", "value": 2}], False),
        ([{"op": "add", "path": "/l/7", "value": 2}], False),
        ([{"op": "dance", "path": "/a"}], True),
        ([{"path": "/a"}], True),
        ([{"op": "add", "path": "/a"}], True),
        ({"a": 1}, True),
        (["x"], True),
    ],
)
def test_json_patches_that_fail(ops, is_malformed):
    with pytest.raises(PatchError) as caught:
        patch.json_patch({"a": 1, "l": []}, ops)
    assert isinstance(caught.value, MalformedPatchError) is is_malformed


# RFC 7386, appendix A, for objects
@pytest.mark.parametrize(
    ("obj", "changes", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(obj, changes, expected):
    before = copy.deepcopy(obj)
    assert patch.merge_patch(obj, changes) == expected
    assert obj == before


def spec(**changes):
    return {"spec": changes}


@pytest.mark.parametrize(
    ("name", "changes", "path", "expected"),
    [
        ("a map merges", {"metadata": {"labels": {"y": "2"}}}, "metadata.labels", {"x": "1", "y": "2"}),
        ("null removes", {"metadata": {"labels": {"x": None}}}, "metadata.labels", {}),
        (
            "ports merge by port",
            spec(ports=[{"port": 80, "nodePort": 31000}]),
            "spec.ports",
            [{"port": 80, "protocol": "TCP", "nodePort": 31000}, {"port": 443, "name": "s"}],
        ),
        ("a new port comes last", spec(ports=[{"port": 81, "name": None}]), "spec.ports.2", {"port": 81}),
        (
            "a port is deleted",
            spec(ports=[{"port": 80, "$patch": "delete"}]),
            "spec.ports",
            [{"port": 443, "name": "s"}],
        ),
        ("a list is replaced", spec(ports=[{"port": 1}, {"$patch": "replace"}]), "spec.ports", [{"port": 1}]),
        ("a map is replaced", spec(selector={"$patch": "replace", "z": "1"}), "spec.selector", {"z": "1"}),
        ("a map is emptied", spec(selector={"$patch": "delete"}), "spec.selector", {}),
        (
            "order",
            {"spec": {"$setElementOrder/ports": [{"port": 443}, {"port": 81}, {"port": 80}], "ports": [{"port": 81}]}},
            "spec.ports",
            [{"port": 443, "name": "s"}, {"port": 81}, {"port": 80, "protocol": "TCP", "nodePort": 30080}],
        ),
        ("finalizers merge", {"metadata": {"finalizers": ["f2", "f1"]}}, "metadata.finalizers", ["f1", "f2"]),
        (
            "a finalizer is deleted",
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["f1"]}},
            "metadata.finalizers",
            [],
        ),
        (
            "finalizers are ordered",
            {"metadata": {"$setElementOrder/finalizers": ["f2", "f1"], "finalizers": ["f2"]}},
            "metadata.finalizers",
            ["f2", "f1"],
        ),
        (
            "conditions merge by type",
            {"status": {"conditions": [{"type": "B", "status": "True"}]}},
            "status.conditions",
            [{"type": "A", "status": "True"}, {"type": "B", "status": "True"}],
        ),
        (
            "ingress is replaced",
            {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}]}}},
            "status.loadBalancer.ingress",
            [{"ip": "192.0.2.2"}],
        ),
        ("retained keys", spec(**{"$retainKeys": ["type"], "type": "ClusterIP"}), "spec", {"type": "ClusterIP"}),
        ("another type replaces", spec(selector="x"), "spec.selector", "x"),
    ],
)
def test_strategic_merge(name, changes, path, expected):
    live, given = copy.deepcopy(SERVICE), copy.deepcopy(changes)
    result = patch.strategic_merge(live, given, "Service")
    value = result
    for step in path.split("."):
        value = value[int(step) if step.isdigit() else step]
    assert value == expected, name
    assert (live, given) == (SERVICE, changes), "neither argument changes"


@pytest.mark.parametrize(
    ("kind", "live", "changes", "expected"),
    [
        (
            "Pod",
            {
                "spec": {
                    "containers": [{"name": "a", "image": "1", "env": [{"name": "E", "value": "1"}]}, {"name": "b"}]
                }
            },
            {"spec": {"containers": [{"name": "a", "env": [{"name": "F", "value": "2"}]}]}},
            {
                "spec": {
                    "containers": [
                        {"name": "a", "image": "1", "env": [{"name": "E", "value": "1"}, {"name": "F", "value": "2"}]},
                        {"name": "b"},
                    ]
                }
            },
        ),
        (
            "Node",
            {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}},
            {"status": {"addresses": [{"type": "Hostname", "address": "n"}]}},
            {
                "status": {
                    "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": "n"}]
                }
            },
        ),
        (
            "Node",
            {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}},
            {"spec": {"taints": [{"key": "b", "effect": "NoSchedule"}]}},
            {"spec": {"taints": [{"key": "b", "effect": "NoSchedule"}]}},
        ),
        ("Secret", {"data": {"a": "MQ=="}}, {"data": {"b": "Mg==", "a": None}}, {"data": {"b": "Mg=="}}),
        ("EndpointSlice", {"endpoints": [{"addresses": ["192.0.2.1"]}]}, {"endpoints": []}, {"endpoints": []}),
        (
            "Deployment",
            {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "1"}]}}}},
            {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "2"}]}}}},
            {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "2"}]}}}},
        ),
        (
            "ConfigMap",
            {"metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]}},
            {"metadata": {"ownerReferences": [{"uid": "1", "$patch": "delete"}]}},
            {"metadata": {"ownerReferences": []}},
        ),
    ],
)
def test_strategic_merge_of_other_kinds(kind, live, changes, expected):
    assert patch.strategic_merge(live, changes, kind) == expected


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        (spec(ports=[{"name": "x"}]), "does not contain declared merge key: port"),
        (spec(selector={"$patch": "dance"}), "Unknown patch type found: dance"),
        (spec(**{"$retainKeys": ["type"], "sessionAffinity": "None"}), "retainKeys"),
        (spec(**{"$retainKeys": "type"}), "retainKeys"),
    ],
)
def test_strategic_merges_that_fail(changes, part):
    with pytest.raises(PatchError) as caught:
        patch.strategic_merge(SERVICE, changes, "Service")
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("ordered", "others", "before", "expected"),
    [
        ("ab", "", "ba", "ab"),
        ("ab", "x", "axb", "axb"),
        ("ba", "x", "axb", "xba"),
        ("ac", "xy", "xacy", "xacy"),
        ("n", "xy", "xy", "nxy"),
        ("", "xy", "xy", "xy"),
    ],
)
def test_interleave(ordered, others, before, expected):
    assert "".join(patch.interleave(list(ordered), list(others), list(before))) == expected
