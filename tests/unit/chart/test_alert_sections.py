"""docs/operate.md says of every alert of the chart what to do, and of no other."""

import re
from pathlib import Path

import pytest

from tests import chart

PAGE = (Path(__file__).parents[3] / "docs/operate.md").read_text(encoding="utf-8")


SECTIONS = dict(re.findall(r"^### (\w+)\n\n((?:(?!^#).*\n)+)", PAGE.split("\n## Alerts\n")[1], re.MULTILINE))


def rules():
    found = chart.one(chart.rendered({"prometheus": {"prometheusRule": {"enabled": True}}}), "PrometheusRule")
    return {each["alert"]: each for group in found["spec"]["groups"] for each in group["rules"]}


def section(alert):
    return re.sub(r"\d+Percent$", "", alert)


def test_every_alert_has_its_section():
    assert SECTIONS.keys() == {section(alert) for alert in rules()}
    assert all(len(text) > 80 for text in SECTIONS.values())


@pytest.mark.parametrize("alert", sorted(rules()))
def test_an_alert_says_what_to_do_and_where_to_read_on(alert):
    """The page comes with the repository, at whatever address somebody has it: hence no `runbook_url`."""
    annotations = rules()[alert]["annotations"]
    what, where = annotations["description"].split(" See ")[0], annotations["description"].rpartition(" See ")[2]
    assert where == f"{section(alert)} in docs/operate.md."
    assert section(alert) in SECTIONS
    assert len(what) > 40
    assert "runbook_url" not in annotations
