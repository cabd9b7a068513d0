"""Values of the chart: every one does something, a mistake in one is named, and they are MetalLB's where they mean the same."""

import json
import re

import pytest
import yaml

from tests import chart

VALUES = yaml.safe_load((chart.CHART / "values.yaml").read_text())
SCHEMA = json.loads((chart.CHART / "values.schema.json").read_text())
FREE = {
    "containerSecurityContext", "securityContext", "resources", "affinity", "rollingUpdate", "labels", "nodeSelector",
}  # fmt: skip
ALL_MONITORING = {
    **chart.PROMETHEUS,
    "prometheusRule": {"enabled": True},
    "grafanaDashboard": {"enabled": True},
}
BASES = (
    {"prometheus": {**ALL_MONITORING, "podMonitor": {"enabled": True}}},
    {
        "prometheus": {**ALL_MONITORING, "serviceMonitor": {"enabled": True}},
        "networkpolicies": {"restrictEgress": True},
    },
    {"tls": {"minVersion": "VersionTLS12"}, "image": {"tag": "1"}},
)
OTHERS = {
    "crds.validationFailurePolicy": "Fail",
    "controller.webhookMode": "disabled",
    "controller.logLevel": "debug",
    "speaker.logLevel": "debug",
    "speaker.frr.logLevel": "debugging",
    "speaker.layer2.owner": "hash",
    "speaker.updateStrategy.type": "OnDelete",
    "controller.strategy.type": "Recreate",
    "image.pullPolicy": "Always",
    "image.digest": f"sha256:{'1' * 64}",
    "tls.minVersion": "VersionTLS13",
    "controller.image": {"tag": "2"},
    "speaker.image": {"tag": "2"},
    "speaker.frr.image": {"tag": "2"},
    "speaker.memberlist.mlSecretKeyPath": "/elsewhere",
    "prometheus.podMonitor.interval": "7s",
    "prometheus.serviceMonitor.interval": "7s",
    "imagePullSecrets": [{"name": "a"}],
    "controller.extraArgs": ["--x"],
    "speaker.extraArgs": ["--x"],
}
INERT = {
    "rbac.create",
    "crds.enabled",
    "prometheus.rbacPrometheus",
    "prometheus.serviceAccount",
    "prometheus.namespace",
}


def leaves(values, path=""):
    """Paths of all values, an empty map or a free-form one counting as one value."""
    for key, value in values.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict) and value and key not in FREE:
            yield from leaves(value, here)
        else:
            yield here, value


def nested(path, value):
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def another(path, value):
    if path in OTHERS:
        return OTHERS[path]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return f"{value}x"
    if isinstance(value, list):
        return [*value, {"changed": "yes"}] if not value or isinstance(value[0], dict) else [*value, "^more$"]
    return {**value, "changed": "yes"}


@pytest.mark.parametrize(
    ("path", "value"),
    [each for each in leaves(VALUES) if each[0] not in INERT],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_every_value_does_something(path, value):
    changed = nested(path, another(path, value))
    if path == "prometheus.prometheusRule.addressPoolUsage.thresholds":
        changed = nested(path, [{"percent": 50}])
    bases = [chart.merged({"crds": {"enabled": False}}, base) for base in BASES]
    if path.endswith("Monitor.enabled") or path == "speaker.memberlist.enabled":
        bases = [{**chart.merged({"crds": {"enabled": False}}, {"prometheus": chart.PROMETHEUS})}]
    if path == "tls.cipherSuites":
        bases = bases[2:]
    if path == "prometheus.metricsPort":
        bases = [{}]
    assert any(chart.texts(chart.merged(base, changed)) != chart.texts(base) for base in bases)


@pytest.mark.parametrize("path", sorted(INERT))
def test_switches_of_whole_parts_do_something_too(path):
    base = {"prometheus": {**chart.PROMETHEUS, "podMonitor": {"enabled": True}}}
    found = dict(leaves(VALUES))[path]
    assert chart.texts(chart.merged(base, nested(path, another(path, found)))) != chart.texts(base)


def test_the_schema_knows_every_value_and_no_other():
    """Free-form parts excepted: those are Kubernetes' own."""

    def walk(values, schema, path=""):
        while "$ref" in schema:
            schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
        properties = schema.get("properties")
        if properties is None or not isinstance(values, dict):
            return
        assert schema["additionalProperties"] is False, path
        unset = {"global", "rollingUpdate", "repository", "tag", "digest", "pullPolicy", "initialDelaySeconds"}
        unset |= {"successThreshold", "timeoutSeconds"} if path.endswith("startupProbe") else set()
        assert set(values) <= set(properties) <= set(values) | unset, path
        for key, value in values.items():
            walk(value, properties[key], f"{path}.{key}")

    walk(VALUES, SCHEMA)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"speakr": {}}, "additional properties 'speakr' not allowed"),
        ({"speaker": {"frr": {"enable": True}}}, "at '/speaker/frr': additional properties 'enable' not allowed"),
        ({"speaker": {"logLevel": "loud"}}, "at '/speaker/logLevel': value must be one of 'all', 'debug'"),
        ({"controller": {"webhookMode": "on"}}, "value must be one of 'enabled', 'disabled', 'onlywebhook'"),
        ({"controller": {"replicas": "two"}}, "at '/controller/replicas': got string, want integer"),
        ({"image": {"digest": "latest"}}, "at '/image/digest'"),
        ({"prometheus": {"metricsPort": 70000}}, "at '/prometheus/metricsPort'"),
        ({"configInline": {}}, "additional properties 'configInline' not allowed"),
        ({"frrk8s": {"enabled": True}}, "additional properties 'frrk8s' not allowed"),
        (
            {"prometheus": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}},
            "podMonitor.enabled and serviceMonitor.enabled are both true",
        ),
        (
            {"prometheus": {"podMonitor": {"enabled": True}}},
            "prometheus.serviceAccount and prometheus.namespace: missing",
        ),
        ({"prometheus": {"metricsPort": 0, "podMonitor": {"enabled": True}}}, "prometheus.metricsPort: found 0"),
        (
            {"speaker": {"nodeSelector": {"a": "b"}, "memberlist": {"enabled": False}}},
            "speaker.nodeSelector: needs speaker.memberlist.enabled",
        ),
        ({"tls": {"cipherSuites": "X"}}, "tls.cipherSuites: only with tls.minVersion VersionTLS12"),
    ],
)
def test_a_mistake_is_named(values, words):
    with pytest.raises(chart.helm.HelmError, match=re.escape(words)):
        chart.rendered(values)


@pytest.mark.parametrize("values", chart.SETTINGS.values(), ids=chart.SETTINGS)
def test_the_linter_has_nothing_to_say(values):
    report = chart.helm.lint(chart.CHART, values, strict=True, namespace=chart.NAMESPACE)
    assert [each for each in report["messages"] if "icon is recommended" not in each["error"]] == []
    assert report["errors"] == []


def test_the_notes_say_what_to_do_next():
    told = chart.notes()
    for word in ("IPAddressPool", "BGPPeer", "BGPAdvertisement", "pod-security", "validationFailurePolicy: Ignore"):
        assert word in told
    layer2 = chart.notes(chart.SETTINGS["layer 2 only"])
    assert "kind: L2Advertisement" in layer2
    assert "kind: BGPPeer" not in layer2
    assert "loadBalancerClass: example.org/frr" in chart.notes(chart.SETTINGS["everything said"])
    assert "must give Services their addresses" in chart.notes(chart.SETTINGS["speakers only"])
    assert "no metrics" in chart.notes(chart.SETTINGS["bare"])
    assert "stay with it" in chart.notes(chart.SETTINGS["no layer 2 membership"])
