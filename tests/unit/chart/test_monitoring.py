"""Alerts and dashboard: they speak of metrics that exist, under the names that people know."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import chart

PAGE = (Path(__file__).parents[3] / "docs/metrics.md").read_text()
KNOWN = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE, re.MULTILINE))
ENDINGS = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
SERIES = {f"{name}{ending}" for name, kind in KNOWN.items() for ending in ENDINGS[kind]}
SERIES |= {"process_resident_memory_bytes", "process_cpu_seconds_total"}
METRIC = re.compile(r"\b(?:metallb|frr_adapter|process)_\w+")
LABELS = re.compile(r"\$labels\.(\w+)")


def rules(**more):
    values = {"prometheus": {"prometheusRule": {"enabled": True, **more}}}
    (group,) = chart.one(chart.rendered(values), "PrometheusRule")["spec"]["groups"]
    return {each["alert"]: each for each in group["rules"]}


def dashboard():
    documents = chart.rendered({"prometheus": {"grafanaDashboard": {"enabled": True}}})
    return json.loads(chart.one(documents, "ConfigMap", "frr-adapter-dashboard")["data"]["frr-adapter.json"])


def test_the_alerts_of_metallb_are_there():
    assert set(rules()) >= {
        "MetalLBStaleConfig", "MetalLBConfigNotLoaded", "MetalLBAddressPoolExhausted", "MetalLBAddressPoolUsage75Percent",
        "MetalLBAddressPoolUsage85Percent", "MetalLBAddressPoolUsage95Percent", "MetalLBBGPSessionDown",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(rules()))
def test_an_alert_is_about_metrics_that_exist(name):
    rule = rules()[name]
    asked = METRIC.findall(rule["expr"])
    assert asked
    assert set(asked) <= SERIES
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"].keys() == {"summary", "message", "description"}


def labels_of(metric):
    row = re.search(rf"^\| `{metric}` \| \w+ \|(.*?)\|", PAGE, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", row[1])) if row else set()


@pytest.mark.parametrize("name", sorted(rules()))
def test_the_words_of_an_alert_use_labels_that_its_series_have(name):
    rule = rules()[name]
    every = set.intersection(*(labels_of(metric) for metric in METRIC.findall(rule["expr"])))
    assert set(LABELS.findall(json.dumps(rule["annotations"]))) <= every | {"pod", "instance", "namespace"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool here (Debian's package prometheus)")
@pytest.mark.parametrize("name", [name for name, values in chart.SETTINGS.items() if "prometheusRule" in str(values)])
def test_prometheus_reads_the_rules(tmp_path, name):
    values = chart.merged(chart.SETTINGS[name], {"prometheus": {"prometheusRule": {"enabled": True}}})
    written = tmp_path / "rules.yaml"
    written.write_text(yaml.safe_dump(chart.one(chart.rendered(values), "PrometheusRule")["spec"]))
    done = subprocess.run(["promtool", "check", "rules", written], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_pools_can_be_left_out_and_alerts_switched_off():
    found = rules(
        staleConfig={"enabled": False},
        addressPoolExhausted={"excludePools": 'a"b|c\\.d'},
        addressPoolUsage={"thresholds": [{"percent": 60}]},
        extraAlerts=[{"alert": "Mine", "expr": "vector(1)"}],
    )
    assert "MetalLBStaleConfig" not in found
    assert r'{pool!~"a\"b|c\\.d"}' in found["MetalLBAddressPoolExhausted"]["expr"]
    assert "MetalLBAddressPoolUsage60Percent" in found
    assert "labels" not in found["MetalLBAddressPoolUsage60Percent"]
    assert found["Mine"]["expr"] == "vector(1)"


def test_the_dashboard_is_about_metrics_that_exist_and_shows_most_of_them():
    found = dashboard()
    panels = [each for each in found["panels"] if each["type"] != "row"]
    asked = {metric for each in panels for target in each["targets"] for metric in METRIC.findall(target["expr"])}
    assert asked <= SERIES
    assert all(each["targets"] and each["title"] for each in panels)
    assert len({each["id"] for each in found["panels"]}) == len(found["panels"])
    shown = {name for name in KNOWN if name.startswith("frr_adapter_") and any(each.startswith(name) for each in asked)}
    assert len(shown) > 12
    variables = {each["name"] for each in found["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels))) - {"__rate_interval"}
    assert used <= variables


def test_panels_do_not_lie_on_each_other():
    cells = set()
    for each in dashboard()["panels"]:
        at = each["gridPos"]
        assert at["x"] + at["w"] <= 24
        covered = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not covered & cells
        cells |= covered
