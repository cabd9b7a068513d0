"""Beside MetalLB in one namespace: what must differ does, and what is the same is named in docs/migrate-from-metallb.md."""

import pytest

from tests import chart

THEIRS = (
    {"app": "metallb", "component": "speaker"},
    {
        "app.kubernetes.io/name": "metallb",
        "app.kubernetes.io/instance": "metallb",
        "app.kubernetes.io/component": "speaker",
    },
)
"""Labels of MetalLB's speakers: of its plain manifests, and of its chart."""


def environment(container):
    return {each["name"]: each.get("value") for each in container["env"]}


@pytest.mark.parametrize("labels", THEIRS)
def test_speakers_do_not_wait_for_those_of_metallb(labels):
    pod = chart.one(chart.rendered(), "DaemonSet")["spec"]["template"]
    said = environment(next(each for each in pod["spec"]["containers"] if each["name"] == "speaker"))
    wanted = dict(each.split("=") for each in said["METALLB_ML_LABELS"].split(","))
    assert wanted.items() <= pod["metadata"]["labels"].items()
    assert not wanted.items() <= labels.items()
    assert not labels.items() <= pod["metadata"]["labels"].items()


def test_only_these_names_are_shared_with_metallb():
    namespaced = {
        (each["kind"], each["metadata"]["name"])
        for each in chart.rendered()
        if not each["metadata"]["name"].startswith("frr-adapter")
    }
    definitions = {name for kind, name in namespaced if kind == "CustomResourceDefinition"}
    assert all(name.endswith(".metallb.io") for name in definitions)
    assert {each for each in namespaced if each[0] != "CustomResourceDefinition"} == {
        ("Service", "metallb-webhook-service"),
        ("ValidatingWebhookConfiguration", "metallb-webhook-configuration"),
        ("ConfigMap", "metallb-excludel2"),
    }


def test_the_secret_of_the_speakers_is_not_that_of_metallb():
    deployment = chart.one(chart.rendered(), "Deployment")["spec"]["template"]["spec"]
    assert environment(deployment["containers"][0])["METALLB_ML_SECRET_NAME"] not in {
        "memberlist",
        "metallb-memberlist",
    }
