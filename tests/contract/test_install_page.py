"""The commands of docs/install.md, run as they stand there: each way to install begins with an API server that has nothing in it.

`helm` is the engine's library, `kubectl` this machine's. What looks into a running pod is run by `tests.live.test_pages`.
"""

import json
import shutil
import subprocess

import pytest

from tests.contract import conftest
from tests.live import page

pytest.importorskip("helm_python", reason="there is no Helm engine for this machine (helm-python-sdk)")
pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine"),
]

HELM, KUBECTL = "With Helm", "With kubectl or kustomize"
WAYS = {(HELM, 1): {"speaker", "frr"}, (KUBECTL, 1): {"speaker", "frr"}, (KUBECTL, 2): {"speaker"}}
"""Each way to install, and the containers of a speaker's pod afterwards."""
IN_THE_LAB = {("Look inside", 1)}


def asked(kube, *words):
    command = ("kubectl", f"--kubeconfig={kube.kubeconfig}", "-n", "metallb-system", "get", *words, "-o", "json")
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.parametrize("way", WAYS)
def test_a_way_to_install(tmp_path, way):
    with conftest.another(tmp_path / "api") as kube:
        made = page.Page("install.md", tmp_path, kube.kubeconfig)
        assert made.blocks.keys() == WAYS.keys() | IN_THE_LAB
        made.run(*way)
        pods = asked(kube, "daemonset", "frr-adapter-speaker")["spec"]["template"]["spec"]
        assert {each["name"] for each in pods["containers"]} == WAYS[way]
        assert asked(kube, "deployment", "frr-adapter-controller")["spec"]["replicas"] == 2
        namespace = asked(kube, "namespace", "metallb-system")
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
        definitions = {each["metadata"]["name"] for each in asked(kube, "customresourcedefinitions")["items"]}
        assert {"bgppeers.metallb.io", "ipaddresspools.metallb.io", "nodebgpstatuses.metallb.io"} <= definitions
