"""docs/operate.md says of every alert of the chart what to do, and of no other."""

import re
from pathlib import Path

from tests import chart

PAGE = (Path(__file__).parents[3] / "docs/operate.md").read_text(encoding="utf-8")


def test_every_alert_has_its_section():
    rules = chart.one(chart.rendered({"prometheus": {"prometheusRule": {"enabled": True}}}), "PrometheusRule")
    alerts = {each["alert"] for group in rules["spec"]["groups"] for each in group["rules"]}
    known = {re.sub(r"\d+Percent$", "", alert) for alert in alerts}
    sections = dict(re.findall(r"^### (\w+)\n\n((?:(?!^#).*\n)+)", PAGE.split("\n## Alerts\n")[1], re.MULTILINE))
    assert sections.keys() == known
    assert all(len(text) > 80 for text in sections.values())
