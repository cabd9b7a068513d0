import hypothesis
import pytest
from hypothesis import strategies as st

from frr_adapter import problems, refs
from frr_adapter.boundary import store, watch
from frr_adapter.decode import decoded


def ref(name: str) -> refs.ObjectRef:
    return refs.ObjectRef("Thing", "ns", name)


def problem(name: str, field: str = "spec") -> problems.Problem:
    return problems.Problem(ref(name), field, problems.Reason.MALFORMED, "is bad")


def upserted(name: str, value: object, *found: problems.Problem) -> watch.Upserted:
    return watch.Upserted("Thing", decoded.Decoded(ref(name), "1", value, found))


@pytest.fixture
def things() -> store.Store:
    return store.Store(("Thing", "Other"))


def test_values_are_sorted_by_reference_and_keep_identity_until_changed(things):
    for name in "cab":
        assert things.apply(upserted(name, (name,)))
    first = things.objects("Thing")
    assert first == (("a",), ("b",), ("c",))
    assert things.objects("Thing") is first
    assert things.objects("Other") == ()
    assert things.apply(upserted("b", ("changed",)))
    assert things.objects("Thing") == (("a",), ("changed",), ("c",))


def test_an_equal_value_is_no_change_and_the_old_one_stays(things):
    old = ("v", 1)
    things.apply(upserted("a", old))
    before = things.objects("Thing")
    assert not things.apply(upserted("a", ("v", int("1"))))
    assert things.objects("Thing") is before
    assert things.objects("Thing")[0] is old


def test_a_change_of_one_kind_leaves_the_tuples_of_others(things):
    things.apply(watch.Upserted("Other", decoded.Decoded(ref("o"), "1", ("o",))))
    before = things.objects("Other")
    things.apply(upserted("a", ("a",)))
    assert things.objects("Other") is before


def test_a_version_that_cannot_be_used_loses_nothing_and_is_told(things):
    things.apply(upserted("a", ("good",)))
    assert things.apply(upserted("a", None, problem("a")))
    assert things.objects("Thing") == (("good",),)
    assert things.all_problems == (problem("a"),)
    assert not things.apply(upserted("a", None, problem("a")))
    assert things.apply(upserted("a", ("good",)))
    assert things.all_problems == ()


def test_an_object_that_never_was_usable_is_only_a_problem(things):
    assert things.apply(upserted("a", None, problem("a")))
    assert things.objects("Thing") == ()
    assert things.apply(watch.Deleted("Thing", ref("a")))
    assert things.all_problems == ()


def test_a_deleted_object_takes_its_problems_along(things):
    things.apply(upserted("a", ("good",)))
    things.apply(upserted("a", None, problem("a")))
    assert things.apply(watch.Deleted("Thing", ref("a")))
    assert (things.objects("Thing"), things.all_problems) == ((), ())
    assert not things.apply(watch.Deleted("Thing", ref("a")))


def test_problems_are_sorted_and_keep_identity_until_changed(things):
    things.apply(upserted("b", None, problem("b")))
    things.apply(upserted("a", ("partly",), problem("a", "z"), problem("a", "y")))
    found = things.all_problems
    assert found == (problem("a", "y"), problem("a", "z"), problem("b"))
    things.apply(upserted("c", ("good",)))
    assert things.all_problems is found


def test_the_world_is_known_when_every_kind_was_listed_once(things):
    assert (things.all_listed, things.unlisted) == (False, ("Other", "Thing"))
    assert things.apply(watch.Listed("Thing"))
    assert (things.all_listed, things.unlisted) == (False, ("Other",))
    assert things.apply(watch.Listed("Other"))
    assert things.all_listed
    assert not things.apply(watch.Listed("Other"))


def test_a_kind_nobody_asked_for_is_refused(things):
    with pytest.raises(KeyError):
        things.apply(watch.Upserted("Stranger", decoded.Decoded(ref("a"), "1", ("a",))))


_NAMES = st.sampled_from("abcd")
_STEPS = st.one_of(
    st.tuples(st.just("put"), _NAMES, st.integers(0, 2), st.booleans()),
    st.tuples(st.just("spoil"), _NAMES, st.just(0), st.just(True)),
    st.tuples(st.just("delete"), _NAMES, st.just(0), st.just(False)),
)


@hypothesis.given(st.lists(_STEPS, max_size=30))
def test_any_history_gives_what_a_store_built_from_scratch_gives(steps):
    things = store.Store(("Thing",))
    values: dict[str, tuple[int]] = {}
    faults: dict[str, problems.Problem] = {}
    for step, name, number, faulty in steps:
        before = (things.objects("Thing"), things.all_problems)
        match step:
            case "put":
                values[name] = (number,)
                changed = things.apply(upserted(name, (number,), *([problem(name)] if faulty else [])))
            case "spoil":
                changed = things.apply(upserted(name, None, problem(name)))
            case _:
                values.pop(name, None)
                changed = things.apply(watch.Deleted("Thing", ref(name)))
        faults.pop(name, None)
        if faulty:
            faults[name] = problem(name)
        after = (things.objects("Thing"), things.all_problems)
        assert after[0] == tuple(values[name] for name in sorted(values))
        assert after[1] == tuple(sorted(faults.values()))
        assert changed == (after != before)
        for new, old in zip(after, before, strict=True):
            assert (new is old) == (new == old) or new == ()
