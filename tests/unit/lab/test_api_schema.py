"""Pruning, defaulting and validation of custom resources by their structural schema."""

import copy

import pytest

from lab.apiserver import cel, formats, schema
from lab.apiserver.fielderrors import FieldError

STRING = {"type": "string"}
NOT_CHECKED = (
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


def spec_of(**properties):
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


def errors(obj, rules, old=None):
    return [(error.path, error.kind, error.message) for error in schema.validate(obj, rules, old)]


@pytest.mark.parametrize(
    ("name", "rules", "obj", "removed", "left"),
    [
        ("unknown member", spec_of(a=STRING), {"spec": {"a": "x", "foo": 1}}, ["spec.foo"], {"spec": {"a": "x"}}),
        ("top level", spec_of(a=STRING), {"spec": {}, "extra": {}}, ["extra"], {"spec": {}}),
        (
            "inside a list",
            spec_of(list={"type": "array", "items": {"type": "object", "properties": {"a": STRING}}}),
            {"spec": {"list": [{"a": "x", "bar": 1}, {"a": "y"}]}},
            ["spec.list[0].bar"],
            {"spec": {"list": [{"a": "x"}, {"a": "y"}]}},
        ),
        (
            "inside a map",
            spec_of(map={"type": "object", "additionalProperties": {"type": "object", "properties": {"a": STRING}}}),
            {"spec": {"map": {"k": {"a": "x", "b": "y"}}}},
            ["spec.map.k.b"],
            {"spec": {"map": {"k": {"a": "x"}}}},
        ),
        (
            "preserved, but known objects below are pruned",
            spec_of(
                any={
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"known": {"type": "object", "properties": {"a": STRING}}},
                }
            ),
            {"spec": {"any": {"free": {"deep": 1}, "known": {"a": "x", "b": "y"}}}},
            ["spec.any.known.b"],
            {"spec": {"any": {"free": {"deep": 1}, "known": {"a": "x"}}}},
        ),
        (
            "embedded resource",
            spec_of(pod={"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"a": STRING}}),
            {"spec": {"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "n"}, "a": "x", "b": "y"}}},
            ["spec.pod.b"],
            {"spec": {"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "n"}, "a": "x"}}},
        ),
        (
            "metadata keeps what every object has",
            spec_of(),
            {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n", "labels": {"a": "b"}, "nick": "x"}},
            ["metadata.nick"],
            {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n", "labels": {"a": "b"}}},
        ),
        (
            "several, sorted",
            spec_of(a=STRING),
            {"spec": {"z": 1, "b": 1}, "aa": 1},
            ["aa", "spec.b", "spec.z"],
            {"spec": {}},
        ),
    ],
)
def test_prune(name, rules, obj, removed, left):
    assert schema.prune(obj, rules) == removed, name
    assert obj == left, name
    assert schema.prune(obj, rules) == [], "a second run finds nothing"


@pytest.mark.parametrize(
    ("name", "rules", "obj", "expected"),
    [
        ("scalar", spec_of(a={"type": "integer", "default": 5}), {"spec": {}}, {"spec": {"a": 5}}),
        ("present stays", spec_of(a={"type": "integer", "default": 5}), {"spec": {"a": 0}}, {"spec": {"a": 0}}),
        ("no parent, no default", spec_of(a={"type": "integer", "default": 5}), {}, {}),
        (
            "a default object is filled too",
            spec_of(o={"type": "object", "default": {}, "properties": {"a": {"type": "string", "default": "x"}}}),
            {"spec": {}},
            {"spec": {"o": {"a": "x"}}},
        ),
        (
            "items of lists",
            spec_of(l={"type": "array", "items": {"type": "object", "properties": {"a": {"default": 1}}}}),
            {"spec": {"l": [{}, {"a": 2}]}},
            {"spec": {"l": [{"a": 1}, {"a": 2}]}},
        ),
        (
            "values of maps",
            spec_of(
                m={"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"default": 1}}}}
            ),
            {"spec": {"m": {"k": {}}}},
            {"spec": {"m": {"k": {"a": 1}}}},
        ),
        (
            "null becomes the default",
            spec_of(a={"type": "integer", "default": 5}),
            {"spec": {"a": None}},
            {"spec": {"a": 5}},
        ),
        ("null without default goes", spec_of(a={"type": "integer"}), {"spec": {"a": None}}, {"spec": {}}),
        (
            "nullable null stays",
            spec_of(a={"type": "integer", "nullable": True, "default": 5}),
            {"spec": {"a": None}},
            {"spec": {"a": None}},
        ),
        (
            "null item",
            spec_of(l={"type": "array", "items": {"type": "string", "default": "x"}}),
            {"spec": {"l": [None, "y"]}},
            {"spec": {"l": ["x", "y"]}},
        ),
    ],
)
def test_default(name, rules, obj, expected):
    schema.default(obj, rules)
    assert obj == expected, name


def test_defaults_are_not_shared_between_objects():
    rules = spec_of(l={"type": "array", "default": []})
    one, two = {"spec": {}}, {"spec": {}}
    schema.default(one, rules)
    schema.default(two, rules)
    one["spec"]["l"].append("x")
    assert two == {"spec": {"l": []}}


@pytest.mark.parametrize(
    ("rules", "value", "kind", "message"),
    [
        ({"type": "integer", "maximum": 10}, 99, "Invalid", "Invalid value: 99: spec.x in body should be less than or equal to 10"),
        ({"type": "integer", "maximum": 10, "exclusiveMaximum": True}, 10, "Invalid", "Invalid value: 10: spec.x in body should be less than 10"),
        ({"type": "integer", "minimum": 1}, 0, "Invalid", "Invalid value: 0: spec.x in body should be greater than or equal to 1"),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, 1, "Invalid", "Invalid value: 1: spec.x in body should be greater than 1"),
        ({"type": "integer", "multipleOf": 5}, 7, "Invalid", "Invalid value: 7: spec.x in body should be a multiple of 5"),
        ({"type": "integer", "format": "int64"}, 1 << 63, "TypeInvalid", 'Invalid value: "number": spec.x in body must be of type integer: "number"'),
        ({"type": "string", "enum": ["b", "c"]}, "a", "NotSupported", 'Unsupported value: "a": supported values: "b", "c"'),
        ({"type": "integer", "enum": [1, 2]}, 3, "NotSupported", 'Unsupported value: 3: supported values: "1", "2"'),
        ({"type": "integer"}, "a", "TypeInvalid", 'Invalid value: "string": spec.x in body must be of type integer: "string"'),
        ({"type": "integer"}, 1.5, "TypeInvalid", 'Invalid value: "number": spec.x in body must be of type integer: "number"'),
        ({"type": "string"}, 1, "TypeInvalid", 'Invalid value: "integer": spec.x in body must be of type string: "integer"'),
        ({"type": "boolean"}, "true", "TypeInvalid", 'Invalid value: "string": spec.x in body must be of type boolean: "string"'),
        ({"type": "integer"}, True, "TypeInvalid", 'Invalid value: "boolean": spec.x in body must be of type integer: "boolean"'),
        ({"type": "array", "items": STRING}, {}, "TypeInvalid", 'Invalid value: "object": spec.x in body must be of type array: "object"'),
        ({"type": "string"}, None, "TypeInvalid", 'Invalid value: "null": spec.x in body must be of type string: "null"'),
        ({"x-kubernetes-int-or-string": True}, True, "TypeInvalid", 'Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean"'),
        ({"type": "string", "pattern": "^[a-z]+$"}, "A", "Invalid", "Invalid value: \"A\": spec.x in body should match '^[a-z]+$'"),
        ({"type": "string", "pattern": "^a$"}, "a\n", "Invalid", "Invalid value: \"a\\n\": spec.x in body should match '^a$'"),
        ({"type": "string", "maxLength": 2}, "abc", "TooLong", "Too long: may not be more than 2 bytes"),
        ({"type": "string", "minLength": 1}, "", "Invalid", 'Invalid value: "": spec.x in body should be at least 1 chars long'),
        ({"type": "string", "format": "date-time"}, "today", "TypeInvalid", 'Invalid value: "today": spec.x in body must be of type date-time: "today"'),
        ({"type": "array", "maxItems": 1, "items": STRING}, ["a", "b"], "TooMany", "Too many: 2: must have at most 1 item"),
        ({"type": "array", "minItems": 1, "items": STRING}, [], "Invalid", "Invalid value: 0: spec.x in body should have at least 1 items"),
        ({"type": "object", "required": ["a"]}, {}, "Required", "Required value"),
        ({"type": "object", "minProperties": 1}, {}, "Invalid", "Invalid value: 0: spec.x in body should have at least 1 properties"),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, "a", "Invalid", 'Invalid value: "": "spec.x" must validate at least one schema (anyOf)'),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object"}, {}, "Invalid", 'Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found none valid'),
        ({"not": {"enum": ["a"]}, "type": "string"}, "a", "Invalid", 'Invalid value: "": "spec.x" must not validate the schema (not)'),
    ],
)  # fmt: skip
def test_each_way_to_be_wrong(rules, value, kind, message):
    path = "spec.x.a" if kind == "Required" else "spec.x"
    expected = (path, f"FieldValue{kind}", message)
    assert errors({"spec": {"x": value}}, spec_of(x=rules)) == [expected]
    with_rules = {**spec_of(x=rules), "x-kubernetes-validations": [{"rule": "true"}]}
    blocking = kind in {"Required", "TypeInvalid", "NotSupported", "TooLong", "TooMany"}
    not_checked = [("<nil>", "FieldValueInvalid", NOT_CHECKED)] if blocking else []
    assert errors({"spec": {"x": value}}, with_rules) == [expected, *not_checked]


@pytest.mark.parametrize(
    ("rules", "value"),
    [
        ({"type": "integer", "maximum": 10}, 10),
        ({"type": "number"}, 1),
        ({"type": "integer"}, 2.0),
        ({"type": "integer", "format": "int32"}, 1 << 31),
        ({"type": "string", "nullable": True}, None),
        ({"x-kubernetes-int-or-string": True}, 80),
        ({"x-kubernetes-int-or-string": True}, "http"),
        ({"type": "string", "pattern": "b"}, "abc"),
        ({"type": "string", "pattern": "[$]"}, "a$"),
        ({"type": "string", "pattern": r"\$$"}, "a$"),
        ({"type": "string", "format": "never-heard-of"}, "x"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object"}, {"b": 1}),
        ({"allOf": [{"minimum": 1}, {"maximum": 3}], "type": "integer"}, 2),
    ],
)
def test_valid(rules, value):
    assert errors({"spec": {"x": value}}, spec_of(x=rules)) == []


def test_paths_of_lists_and_maps():
    item = {"type": "object", "properties": {"p": {"type": "integer", "maximum": 1}}}
    rules = spec_of(
        list={"type": "array", "items": item},
        map={"type": "object", "additionalProperties": {"type": "integer", "maximum": 1}},
    )
    found = schema.validate({"spec": {"list": [{"p": 0}, {"p": 2}], "map": {"k": 2}}}, rules)
    assert [error.path for error in found] == ["spec.list[1].p", "spec.map.k"]


@pytest.mark.parametrize(
    ("list_type", "keys", "items", "expected"),
    [
        ("set", (), ["a", "b", "a"], ("spec.x[2]", 'Duplicate value: "a"')),
        ("map", ("name",), [{"name": "a"}, {"name": "a", "v": 1}], ("spec.x[1]", 'Duplicate value: {"name":"a"}')),
        ("map", ("name",), [{"name": "a"}, {"name": "b"}], None),
        ("atomic", (), ["a", "a"], None),
    ],
)
def test_duplicates(list_type, keys, items, expected):
    rules = {"type": "array", "x-kubernetes-list-type": list_type, "x-kubernetes-list-map-keys": list(keys)}
    found = [(error.path, error.message) for error in schema.validate({"spec": {"x": items}}, spec_of(x=rules))]
    assert found == ([expected] if expected else [])


def test_what_did_not_change_is_not_checked_again():
    rules = spec_of(a={"type": "integer", "maximum": 10}, b=STRING)
    old = {"spec": {"a": 99, "b": "x"}}
    assert errors({"spec": {"a": 99, "b": "y"}}, rules, old) == []
    assert len(errors({"spec": {"a": 98, "b": "y"}}, rules, old)) == 1


def rule(text, **more):
    return {"rule": text, **more}


@pytest.mark.parametrize(
    ("rules", "value", "message"),
    [
        ({"type": "object", "x-kubernetes-validations": [rule("has(self.a)", message="a is needed")]}, {}, 'Invalid value: "object": a is needed'),
        ({"type": "string", "x-kubernetes-validations": [rule("self.startsWith('x')")]}, "y", "Invalid value: \"string\": failed rule: self.startsWith('x')"),
        ({"type": "integer", "x-kubernetes-validations": [rule("self > 3", messageExpression="'found ' + string(self)")]}, 1, 'Invalid value: "integer": found 1'),
        ({"type": "integer", "x-kubernetes-validations": [rule("self > 3", messageExpression="1/0", message="m")]}, 1, 'Invalid value: "integer": m'),
        ({"type": "array", "items": STRING, "x-kubernetes-validations": [rule("self.all(x, size(x) < 3)")]}, ["abc"], 'Invalid value: "array": failed rule: self.all(x, size(x) < 3)'),
        ({"type": "array", "items": STRING, "x-kubernetes-validations": [rule("self.exists(x, x == 'b')")]}, ["a"], "Invalid value: \"array\": failed rule: self.exists(x, x == 'b')"),
        ({"type": "object", "properties": {"q": STRING}, "x-kubernetes-validations": [rule("self.q == 'a'")]}, {}, "Invalid value: \"object\": no such key: q evaluating rule: self.q == 'a'"),
    ],
)  # fmt: skip
def test_rules(rules, value, message):
    assert errors({"spec": {"x": value}}, spec_of(x=rules)) == [("spec.x", "FieldValueInvalid", message)]


@pytest.mark.parametrize("given_format", [{}, {"format": "duration"}])
@pytest.mark.parametrize(
    ("value", "broken"),
    [("1s", []), ("1m30s", []), ("65535s", []), ("500ms", ["range", "whole"]), ("1.5s", ["whole"]), ("65536s", ["range"]), ("1.001s", ["whole"])],
)  # fmt: skip
def test_rules_on_durations(given_format, value, broken):
    rules = {
        "type": "string",
        **given_format,
        "x-kubernetes-validations": [
            rule("duration(self) >= duration('1s') && duration(self).getSeconds() <= 65535", message="range"),
            rule("duration(self).getMilliseconds() % 1000 == 0", message="whole"),
        ],
    }
    found = [error.message.rpartition(": ")[2] for error in schema.validate({"spec": {"x": value}}, spec_of(x=rules))]
    assert found == broken


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1s", 1),
        ("1.001s", 1.001),
        ("1h1m1s", 3661),
        ("-1.5h", -5400),
        ("+5ms", 0.005),
        (".5s", 0.5),
        ("3us", 3e-6),
    ],
)
def test_durations(text, seconds):
    assert formats.duration(text).total_seconds() == pytest.approx(seconds, abs=0)


@pytest.mark.parametrize("value", ["abc", "1d", "", "5"])
def test_a_rule_that_cannot_be_evaluated_says_why(value):
    rules = {"type": "string", "x-kubernetes-validations": [rule("duration(self) > duration('0')", message="m")]}
    detail = f"type conversion error from '{value}' to 'google.protobuf.Duration' evaluating rule: m"
    assert errors({"spec": {"x": value}}, spec_of(x=rules)) == [
        ("spec.x", "FieldValueInvalid", f'Invalid value: "string": {detail}')
    ]


@pytest.mark.parametrize(
    "text",
    [
        "self.split(',').size() == 2 && self.split(',').isSorted()",
        "self.indexOf('b') == 2",
        "self.upperAscii() == 'A,B' && self.upperAscii().lowerAscii() == self",
        "self.split('').join() == self && self.split(',').join('+') == 'a+b'",
        "self.replace(',', '').trim() == 'ab'",
        "self.split(',').indexOf('z') == -1",
        "[1, 2, 3].sum() == 6 && [3, 1].min() == 1 && [3, 1].max() == 3",
        "self.matches('^[a-z],[a-z]$') && self.contains(',') && self.endsWith('b')",
        "[self == 'x', self == 'a,b'].exists_one(v, v) && self.split(',').map(v, v + v) == ['aa', 'bb']",
        "self == 'x' ? false : self.split(',').filter(v, v > 'a') == ['b']",
    ],
)
def test_the_language(text):
    rules = {"type": "string", "x-kubernetes-validations": [rule(text)]}
    assert errors({"spec": {"x": "a,b"}}, spec_of(x=rules)) == []


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [(None, {"x": True}, 0), ({"x": True}, {"x": True}, 0), ({"x": True}, {"x": False}, 1), ({}, {"x": True}, 0)],
)
def test_transition_rules_run_only_where_an_old_value_is_known(old, new, count):
    rules = spec_of(
        x={"type": "boolean", "x-kubernetes-validations": [rule("self == oldSelf", message="Value is immutable")]}
    )
    found = errors({"spec": new}, rules, None if old is None else {"spec": old})
    assert found == [("spec.x", "FieldValueInvalid", 'Invalid value: "boolean": Value is immutable')] * count


def test_items_of_map_lists_have_old_values_and_others_have_none():
    items = {
        "type": "object",
        "properties": {"k": STRING, "v": {"type": "integer", "x-kubernetes-validations": [rule("self == oldSelf")]}},
    }
    by_key = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": items}
    old = {"spec": {"x": [{"k": "a", "v": 1}, {"k": "b", "v": 2}]}}
    new = {"spec": {"x": [{"k": "b", "v": 3}, {"k": "c", "v": 1}]}}
    assert [error.path for error in schema.validate(new, spec_of(x=by_key), old)] == ["spec.x[0].v"]
    assert schema.validate(new, spec_of(x={"type": "array", "items": items}), old) == []


def test_rules_see_escaped_names_and_a_field_path_and_a_reason():
    rules = spec_of(**{"namespace": STRING, "a-b": STRING})
    rules["properties"]["spec"]["x-kubernetes-validations"] = [
        rule(
            "self.__namespace__ == self.a__dash__b", fieldPath=".namespace", reason="FieldValueForbidden", message="no"
        )
    ]
    assert schema.validate({"spec": {"namespace": "x", "a-b": "x"}}, rules) == []
    found = schema.validate({"spec": {"namespace": "x", "a-b": "y"}}, rules)
    assert found == [FieldError("spec.namespace", "FieldValueForbidden", "Forbidden: no")]


@pytest.mark.parametrize(
    ("name", "spelled"), [("a", "a"), ("in", "__in__"), ("x.y/z", "x__dot__y__slash__z"), ("1a", None)]
)
def test_escape(name, spelled):
    assert cel.escape(name) == spelled


def test_validating_changes_nothing():
    rules = spec_of(x={"type": "array", "items": STRING})
    obj = {"spec": {"x": ["a", 1]}}
    before = copy.deepcopy(obj)
    assert schema.validate(obj, rules)
    assert obj == before


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "date-time",
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456+01:00"),
            ("2026-01-02", "2026-13-02T03:04:05Z"),
        ),
        ("date", ("2026-01-02",), ("2026-02-30", "x")),
        ("duration", ("1h2m3.5s", "0", "300ms"), ("1", "1 day", "")),
        ("ipv4", ("192.0.2.1",), ("2001:db8::1", "1.2.3")),
        ("ipv6", ("2001:db8::1",), ("192.0.2.1",)),
        ("cidr", ("192.0.2.0/24", "2001:db8::/32"), ("192.0.2.0", "192.0.2.0/33")),
        ("byte", ("aGVsbG8=",), ("?",)),
        ("hostname", ("a.example.com",), ("-a", "a..b")),
        ("mac", ("02:00:00:00:00:01",), ("02:00",)),
        ("email", ("a@b",), ("a",)),
        ("uri", ("https://example.com/x",), ("x",)),
        ("uuid", ("123e4567-e89b-12d3-a456-426614174000",), ("123",)),
    ],
)
def test_formats(name, good, bad):
    assert [text for text in good if not formats.is_string_valid(text, name)] == []
    assert [text for text in bad if formats.is_string_valid(text, name)] == []
