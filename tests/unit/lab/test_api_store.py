"""The store: versions, history, snapshots, portions."""

import pytest

from lab.apiserver import reads, refusal
from lab.apiserver.registry import Registry
from lab.apiserver.request import Target
from lab.apiserver.store import HistoryGoneError, Store

KIND = Registry().get("", "configmaps")


def filled(history=100, names="abc"):
    store = Store(history)
    for name in names:
        put(store, name, "0")
    return store


def put(store, name, value):
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "n"},
        "data": {"v": value},
    }
    return store.put("configmaps", document)


def remove(store, name):
    entry = store.get("configmaps", ("n", name))
    return store.remove("configmaps", entry.key, entry.fresh())


def values(entries):
    return {key[1]: entry.document["data"]["v"] for key, entry in sorted(entries.items())}


def test_every_write_has_a_version_of_its_own():
    store = filled()
    versions = [entry.version for entry in store.shelf("configmaps").entries.values()]
    assert sorted(set(versions)) == sorted(versions)
    assert max(versions) == store.version
    assert store.get("configmaps", ("n", "a")).document["metadata"]["resourceVersion"] == str(min(versions))


def test_body_leaves_the_type_out():
    assert b'"kind"' not in filled().get("configmaps", ("n", "a")).body


def test_since_gives_the_changes_in_order():
    store = filled()
    then = store.version
    put(store, "a", "1")
    put(store, "d", "0")
    remove(store, "b")
    changes = store.shelf("configmaps").since(then)
    assert [(c.entry.key[1], c.previous is not None, c.gone) for c in changes] == [
        ("a", True, False),
        ("d", False, False),
        ("b", True, True),
    ]


def test_the_past_is_rebuilt_from_the_changes():
    store = filled()
    then = store.version
    put(store, "a", "1")
    put(store, "d", "0")
    remove(store, "b")
    shelf = store.shelf("configmaps")
    assert values(shelf.at(then)) == {"a": "0", "b": "0", "c": "0"}
    assert values(shelf.at(then + 1)) == {"a": "1", "b": "0", "c": "0"}
    assert values(shelf.at(store.version)) == {"a": "1", "c": "0", "d": "0"}


def test_a_past_long_gone_is_refused():
    store = filled(history=4)
    then = store.version
    for value in range(20):
        put(store, "a", str(value))
    shelf = store.shelf("configmaps")
    with pytest.raises(HistoryGoneError):
        shelf.since(then)
    assert shelf.since(shelf.horizon)


def test_a_new_shelf_remembers_nothing_from_before():
    store = filled()
    assert store.shelf("secrets").horizon == store.version


def portion(store, **query):
    return reads.list_portion(store, Target(KIND, "n"), query)


def names(found):
    return [entry.key[1] for entry in found.entries]


def test_portions_cover_the_list_once():
    store = filled(names="edcba")
    first = portion(store, limit="2")
    put(store, "aa", "late")
    second = portion(store, limit="2", **{"continue": first.list_meta["continue"]})
    third = portion(store, limit="2", **{"continue": second.list_meta["continue"]})
    assert [names(first), names(second), names(third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert first.list_meta["remainingItemCount"] == 3
    assert "continue" not in third.list_meta
    versions = {found.list_meta["resourceVersion"] for found in (first, second, third)}
    assert len(versions) == 1


def test_an_expired_portion_offers_the_rest():
    store = filled(history=2)
    first = portion(store, limit="1")
    for value in range(9):
        put(store, "c", str(value))
    with pytest.raises(refusal.ApiError) as caught:
        portion(store, limit="1", **{"continue": first.list_meta["continue"]})
    assert caught.value.status["reason"] == "Expired"
    rest = portion(store, **{"continue": caught.value.status["metadata"]["continue"]})
    assert names(rest) == ["b", "c"]


def test_a_cached_list_ignores_the_limit():
    assert names(portion(filled(), limit="1", resourceVersion="0")) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"resourceVersion": "9999"}, 504),
        ({"resourceVersion": "x"}, 400),
        ({"limit": "-1"}, 400),
        ({"resourceVersionMatch": "Exact"}, 422),
        ({"resourceVersion": "1", "resourceVersionMatch": "Odd"}, 422),
        ({"resourceVersion": "0", "resourceVersionMatch": "Exact"}, 422),
        ({"continue": "!"}, 400),
    ],
)
def test_refused_queries(query, code):
    with pytest.raises(refusal.ApiError) as caught:
        portion(filled(), **query)
    assert caught.value.code == code
