"""`frr-adapter plan` against what then really happens: random changes of a running cluster come exactly as they were foretold.

Addresses, the `frr.conf` of every node to the letter, which BGP sessions are reset and which are left alone, owners on layer 2.
"""

import dataclasses
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cli.documents import plan
from lab import frr_install
from tests.live.conftest import LabCluster, LabFactory
from tests.live.predicting import course, foretelling, history, reality, second_router, step

pytestmark = [pytest.mark.live, pytest.mark.frr]

GIVEN = int(os.environ.get("PLAN_SEED", "0"))
"""Without it the ordinary test makes the same history each time, and the long one another each time."""


@pytest.fixture(scope="module")
def cluster(lab_factory: LabFactory) -> Iterator[LabCluster]:
    made = lab_factory(nodes=3, programs=True)
    with second_router.running(made):
        yield made


@pytest.mark.parametrize(
    ("seed", "steps", "seconds"),
    [
        pytest.param(2, 10, 45.0, marks=pytest.mark.timeout(300), id="some"),
        pytest.param(int(time.time()), 400, 3000.0, marks=[pytest.mark.long, pytest.mark.timeout(3600)], id="many"),
    ],
)
def test_random_changes_come_as_foretold(cluster: LabCluster, seed: int, steps: int, seconds: float) -> None:
    seed = GIVEN or seed
    going = course.Course(cluster, seed, int(frr_install.find().version.partition(".")[0]))
    going.begin()
    try:
        end = time.monotonic() + seconds
        while going.steps < steps and time.monotonic() < end:
            assert "\n".join(going.step(going.history.chance.choice((3, 4)))) == ""
    finally:
        going.end()
    print(f"seed {seed}, {going.steps} steps, foretold and seen: {dict(going.seen)}")
    assert going.seen["files"]
    assert going.seen["addresses"]


FILE = "hostname n1\nrouter bgp 64600\n neighbor 10.99.0.1 remote-as 64512\nexit\n"
UP = reality.Line("Established", ("10.99.0.11", 40000, 179), 0)
BEFORE = reality.Look(
    addresses={"default/web": ("198.51.100.0",), "default/l": ("10.99.0.200",)},
    owners={"default/l": ("n1",)},
    texts={"n1": FILE},
    sessions={("n1", "10.99.0.1"): UP, ("n1", "10.99.0.2"): reality.Line("Active", None, 0)},
    unapplied=(),
)
NOTHING = step.Step((), (), ())


def foretold(*nodes: plan.NodeChange) -> foretelling.Prediction:
    return foretelling.read(plan.PlanDocument(nodes=nodes), BEFORE, NOTHING, 8)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"addresses": {**BEFORE.addresses, "default/web": ("198.51.100.1",)}}, "addresses of default/web"),
        ({"addresses": {}}, "addresses of default/l"),
        ({"owners": {"default/l": ("n1", "n2")}}, "layer-2 owner of default/l"),
        ({"texts": {"n1": FILE.replace("64512", "64513")}}, "frr.conf of n1"),
        ({"sessions": {}}, "session n1 with 10.99.0.1: foretold, not real"),
        (
            {
                "sessions": {
                    **BEFORE.sessions,
                    ("n1", "10.99.0.1"): dataclasses.replace(UP, connection=("10.99.0.11", 40001, 179)),
                }
            },
            "reset of n1 with 10.99.0.1: real, not foretold",
        ),
    ],
)
def test_what_was_not_foretold_is_noticed(change: dict[str, Any], told: str) -> None:
    assert foretold().differences(BEFORE, BEFORE) == ()
    found = foretold().differences(BEFORE, dataclasses.replace(BEFORE, **change))
    assert found[0].startswith(told)


def test_what_was_foretold_and_does_not_come_is_noticed() -> None:
    ends = (plan.Reset("10.99.0.1", "AS changed"), plan.Reset("10.99.0.2", "AS changed"))
    asked = foretold(
        plan.NodeChange(("n1",), resets=(*ends, plan.Reset("10.99.0.1", "graceful restart", since_frr=10)))
    )
    # The second one was down before: there is nothing to end.
    assert asked.differences(BEFORE, BEFORE) == ("reset of n1 with 10.99.0.1: foretold, not real",)
    later = plan.NodeChange(("n1",), resets=(plan.Reset("10.99.0.1", "graceful restart", since_frr=10),))
    assert foretold(later).differences(BEFORE, BEFORE) == ()


def test_a_difference_holds_for_every_node_of_its_group_and_for_the_real_file_only() -> None:
    difference = "--- before\n+++ after\n@@ -1,3 +1,3 @@\n hostname n7\n-router bgp 64600\n+router bgp 64601\n  neighbor 10.99.0.1 remote-as 64512\n"
    asked = foretold(plan.NodeChange(("n1",), diff=difference))
    assert asked.texts["n1"] == FILE.replace("64600", "64601")
    asked = foretold(plan.NodeChange(("n1",), diff=difference.replace("64600", "64999")))
    assert asked.wrong == (
        "frr.conf of n1: line 2 is foretold to have been 'router bgp 64999', but it is 'router bgp 64600'",
    )


def test_a_history_is_that_of_its_seed() -> None:
    one, two, other = (history.History(seed) for seed in (7, 7, 8))
    steps = [each.step(4) for each in (one, two, other)]
    assert steps[0] == steps[1] != steps[2]
    assert one.objects == two.objects
