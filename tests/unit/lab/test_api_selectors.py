"""Label and field selectors."""

import pytest

from lab.apiserver import selectors
from lab.apiserver.selectors import FieldTerm, SelectorError

LABELS = {"app": "web", "tier": "front", "count": "5", "empty": "", "example.com/role": "a"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("app", True),
        ("!app", False),
        ("! missing", True),
        ("missing", False),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier=front", True),
        ("app=web,tier=back", False),
        ("app!=web", False),
        ("missing!=web", True),
        ("app in (web,db)", True),
        ("app in (db)", False),
        ("app notin (db, cache)", True),
        ("missing notin (db)", True),
        ("app notin (web)", False),
        ("missing in (a)", False),
        ("count>4", True),
        ("count > 5", False),
        ("count<6", True),
        ("app>1", False),
        ("empty=", True),
        ("app=", False),
        ("empty in ()", True),
        ("empty in (,x)", True),
        ("example.com/role=a", True),
        ("in in (in)", False),
    ],
)
def test_labels(text, expected):
    assert selectors.matches_labels(selectors.parse_labels(text), LABELS) is expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("app=web,", "found ''"),
        ("app web", "found 'web'"),
        ("app in web", "found 'web', expected: '('"),
        ("app in (web", "expected: ',' or ')'"),
        ("=web", "found '='"),
        ("app=(", "found '('"),
        ("app=web tier=front", "found 'tier', expected: ','"),
        ("count>many", "the value must be an integer"),
        ("-app", "-app"),
        ("app=-web", "a valid label must be an empty string or consist of"),
        ("UPPER..com/x", "prefix part"),
        ("app=" + "x" * 64, "a valid label"),
    ],
)
def test_broken_labels(text, part):
    with pytest.raises(SelectorError) as caught:
        selectors.parse_labels(text)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("metadata.name=a", (FieldTerm("metadata.name", "a"),)),
        ("metadata.name==a,x!=y", (FieldTerm("metadata.name", "a"), FieldTerm("x", "y", negated=True))),
        (r"a=b\,c\=d\\e", (FieldTerm("a", "b,c=d\\e"),)),
        ("a=", (FieldTerm("a", ""),)),
    ],
)
def test_fields(text, expected):
    assert selectors.parse_fields(text) == expected


@pytest.mark.parametrize("text", ["metadata.name", "a=b=c", r"a=b\x", "a=b\\"])
def test_broken_fields(text):
    with pytest.raises(SelectorError):
        selectors.parse_fields(text)


@pytest.mark.parametrize(
    ("labels", "fields", "expected"),
    [
        ("app=web", "spec.on=true", True),
        ("app=web", "spec.on!=true", False),
        ("app=db", "", False),
        ("", "spec.count=3,metadata.name=n", True),
        ("", "spec.absent=", True),
    ],
)
def test_selection(labels, fields, expected):
    selection = selectors.Selection(selectors.parse_labels(labels), selectors.parse_fields(fields))
    document = {"metadata": {"name": "n", "labels": {"app": "web"}}, "spec": {"on": True, "count": 3}}
    assert selection.matches(document) is expected
    assert not selection.is_everything
    assert selection.single_name() == ("n" if "metadata.name" in fields else None)
