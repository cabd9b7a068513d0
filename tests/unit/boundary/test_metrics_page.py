"""docs/metrics.md names every metric of both programs, and no other."""

import inspect
import re
from pathlib import Path

import pytest

from frr_adapter.boundary import bgp_metrics, layer2_metrics, metrics

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| `(?P<name>\w+)` \| (?P<type>\w+) \| (?P<labels>.*?)\| (?P<meaning>.+) \|")
GROUPS = {
    name: group
    for module in (metrics, bgp_metrics, layer2_metrics)
    for name, group in inspect.getmembers(module, inspect.isclass)
    if group.__module__ == module.__name__ and name.endswith("Metrics") and group is not metrics.Metrics
}


class Recording(metrics.Metrics):
    """A registry that remembers what was registered."""

    def __init__(self):
        super().__init__()
        self.rows = set()

    def gauge(self, name, documentation, labels=()):
        self.rows.add((name, "gauge", labels))
        return super().gauge(name, documentation, labels)

    def counter(self, name, documentation, labels=()):
        self.rows.add((name, "counter", labels))
        return super().counter(name, documentation, labels)

    def histogram(self, name, documentation, buckets, labels=()):
        self.rows.add((name, "histogram", labels))
        return super().histogram(name, documentation, buckets, labels)


def registered(group):
    registry = Recording()
    group(registry)
    return registry.rows


def test_the_page_names_every_metric_with_its_type_and_labels():
    rows = [(row["name"], row["type"], tuple(re.findall(r"`(\w+)`", row["labels"]))) for row in ROW.finditer(PAGE)]
    assert len(rows) == len(set(rows))
    assert set(rows) == set().union(*map(registered, GROUPS.values()))


@pytest.mark.parametrize("name", GROUPS)
def test_the_page_says_in_which_program_they_are(name):
    users = {
        program
        for program in ("controller", "speaker")
        if any(f"metrics.{name}(" in path.read_text(encoding="utf-8") for path in (ROOT / program).rglob("*.py"))
    }
    for metric, _, _ in registered(GROUPS[name]):
        section = PAGE[: PAGE.index(f"`{metric}` |")].rpartition("\n## ")[2].partition("\n")[0]
        said = {program for program in ("controller", "speaker") if program in section}
        assert users == (said or {"controller", "speaker"}), metric
