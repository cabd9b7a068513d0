"""The plain manifests are what the chart renders, and stand alone."""

import yaml

from tests import chart, manifests


def test_the_files_are_what_the_chart_renders():
    stale = [str(path) for path, text in manifests.files().items() if not path.exists() or path.read_text() != text]
    assert stale == [], "run: make manifests"
    made = {path for path in manifests.FOLDER.rglob("*") if path.is_file()}
    assert made == set(manifests.files())


def test_a_kustomization_names_its_one_file():
    for path in manifests.FOLDER.glob("*/kustomization.yaml"):
        (resource,) = yaml.safe_load(path.read_text())["resources"]
        assert (path.parent / resource).exists()


def test_nothing_in_them_needs_helm():
    for path in manifests.FOLDER.glob("*/frr-adapter*.yaml"):
        text = path.read_text()
        assert "helm.sh" not in text
        assert "Helm" not in text
        first, *rest = yaml.safe_load_all(text)
        assert first["metadata"]["name"] == chart.NAMESPACE
        assert first["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
        assert {each["metadata"].get("namespace", chart.NAMESPACE) for each in rest} == {chart.NAMESPACE}


def test_one_of_them_has_no_frr():
    containers = {
        name: {each["name"] for each in chart.one(manifests.documents(name), "DaemonSet")["spec"]["template"]["spec"]["containers"]}
        for name in manifests.VARIANTS
    }  # fmt: skip
    assert containers == {"frr-adapter": {"speaker", "frr"}, "frr-adapter-layer2": {"speaker"}}
