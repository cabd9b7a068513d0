"""The chart as the real Helm engine renders it. Used by the chart's tests and by `tests.manifests`.

`helm` is the engine's library; where there is none for this machine, tests that need it are skipped.
"""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

helm = pytest.importorskip("helm_python", reason="there is no Helm engine for this machine (helm-python-sdk)")

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts/frr-adapter"
RELEASE = "frr-adapter"
NAMESPACE = "metallb-system"
PROMETHEUS = {"serviceAccount": "prometheus", "namespace": "monitoring"}
Document = dict[str, Any]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

SETTINGS: dict[str, Document] = {
    "default": {},
    "layer 2 only": {"speaker": {"frr": {"enabled": False}}},
    "no layer 2 membership": {"speaker": {"memberlist": {"enabled": False}}},
    "no webhook": {"controller": {"webhookMode": "disabled"}},
    "webhook only": {"controller": {"webhookMode": "onlywebhook"}, "speaker": {"enabled": False}},
    "one controller": {"controller": {"replicas": 1, "strategy": {"type": "Recreate"}}},
    "speakers only": {"controller": {"enabled": False}, "speaker": {"secretName": "shared"}},
    "controller only": {"speaker": {"enabled": False}},
    "bare": {
        "rbac": {"create": False},
        "crds": {"enabled": False},
        "networkpolicies": {"enabled": False},
        "prometheus": {"metricsPort": 0},
        "controller": {"serviceAccount": {"create": False, "name": "c"}, "webhookMode": "disabled", "priorityClassName": ""},
        "speaker": {
            "serviceAccount": {"create": False, "name": "s"},
            "excludeInterfaces": {"enabled": False},
            "memberlist": {"enabled": False},
            "tolerateMaster": False,
            "startupProbe": {"enabled": False},
            "livenessProbe": {"enabled": False},
            "readinessProbe": {"enabled": False},
            "resources": None,
        },
    },
    "pod monitors": {
        "prometheus": {
            **PROMETHEUS,
            "podMonitor": {"enabled": True, "interval": "15s", "additionalLabels": {"release": "p"}},
            "prometheusRule": {
                "enabled": True,
                "addressPoolUsage": {"excludePools": "test-.*", "thresholds": [{"percent": 60}]},
                "extraAlerts": [{"alert": "Mine", "expr": "vector(1)"}],
            },
            "grafanaDashboard": {"enabled": True},
        }
    },
    "service monitors": {
        "prometheus": {
            **PROMETHEUS,
            "serviceMonitor": {"enabled": True, "relabelings": [{"action": "labeldrop", "regex": "pod"}]},
            "prometheusRule": {"enabled": True, "staleConfig": {"enabled": False}},
        }
    },
    "secure metrics, pods": {
        "prometheus": {**PROMETHEUS, "secure": True, "podMonitor": {"enabled": True}},
        "tls": {"minVersion": "VersionTLS12"},
    },
    "secure metrics, services": {
        "prometheus": {**PROMETHEUS, "serviceMonitor": {"enabled": True}},
        "tls": {"controllerMetricsTLSSecret": "c-tls", "speakerMetricsTLSSecret": "s-tls"},
    },
    "closed": {
        "networkpolicies": {
            "defaultDeny": True,
            "apiPort": 443,
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        },
        "crds": {"validationFailurePolicy": "Fail"},
        "tls": {"minVersion": "VersionTLS12", "cipherSuites": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "curvePreferences": "29"},
    },
    "everything said": {
        "loadBalancerClass": "example.org/frr",
        "fullnameOverride": "lb",
        "imagePullSecrets": [{"name": "registry"}],
        "image": {"repository": "registry.example/frr-adapter", "digest": f"sha256:{'0' * 64}", "pullPolicy": "Always"},
        "prometheus": {"scrapeAnnotations": True, "metricsPort": 7472},
        "controller": {
            "replicas": 3,
            "logLevel": "debug",
            "image": {"tag": "9", "digest": ""},
            "nodeSelector": {"a": "b"},
            "tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
            ],
            "podDisruptionBudget": {"minAvailable": "50%"},
            "podAnnotations": {"a": "b"},
            "labels": {"team": "net"},
            "extraArgs": ["--lease-duration=30"],
            "extraEnv": [{"name": "TZ", "value": "UTC"}],
            "runtimeClassName": "plain",
        },
        "speaker": {
            "logLevel": "warn",
            "ignoreExcludeLB": True,
            "wanConfig": True,
            "sysNice": True,
            "layer2": {"owner": "hash", "kernelProxy": True},
            "memberlist": {"mlBindPort": 7947, "mlBindAddrOverride": "192.0.2.1", "mlSecretKeyPath": "/etc/key"},
            "frr": {"logLevel": "debugging", "image": {"tag": "10"}, "bgpPort": 179},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "nodeSelector": {"lb": "yes"},
            "updateStrategy": {"type": "OnDelete", "rollingUpdate": None},
            "extraContainers": [{"name": "more", "image": "busybox"}],
        },
    },
}  # fmt: skip
"""Combinations of values that differ in what they render."""


def merged(*layers: Document) -> Document:
    """Values over values, as Helm lays them."""
    found: Document = {}
    for layer in layers:
        for key, value in layer.items():
            below = found.get(key)
            found[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return found


def rendered(values: Document | None = None, name: str = RELEASE, namespace: str = NAMESPACE) -> tuple[Document, ...]:
    """Every object of the release, NOTES.txt left out."""
    return tuple(json.loads(_rendered(json.dumps(values or {}), name, namespace)))


@functools.cache
def loaded() -> Any:
    """The chart as the engine holds it, read once."""
    return helm.Chart.load(CHART)


@functools.cache
def _rendered(values: str, name: str, namespace: str) -> str:
    found = texts(json.loads(values), name, namespace).values()
    return json.dumps([each for text in found for each in yaml.load_all(text, Loader=_Loader) if each])


def texts(values: Document, name: str = RELEASE, namespace: str = NAMESPACE) -> dict[str, str]:
    """The same before it is read, by template: ten times as fast."""
    files = loaded().render(values, name=name, namespace=namespace)
    return {path: text for path, text in sorted(files.items()) if not path.endswith("NOTES.txt")}


def notes(values: Document | None = None) -> str:
    return str(loaded().render(values or {}, name=RELEASE, namespace=NAMESPACE)["frr-adapter/templates/NOTES.txt"])


def one(documents: tuple[Document, ...], kind: str, name: str = "") -> Document:
    """The only object of that kind, and of that name if one is given."""
    (found,) = (each for each in documents if each["kind"] == kind and name in {"", each["metadata"]["name"]})
    return found
