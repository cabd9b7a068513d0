"""Every command of docs/operate.md and docs/upgrade.md is run as it stands there, in a lab with a release of the chart in its API.

So are those of docs/install.md that look inside; those that install need a cluster without it (`tests.contract.test_install_page`).
Each line of a block that is fenced as `sh` is a command. `tests.live.drivers.page_tools` says which programs stand for what a
lab does not have. What a controller of Kubernetes would write into a status is written here.
"""

import concurrent.futures
import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests import chart

pytestmark = [
    pytest.mark.live,
    pytest.mark.frr,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine"),
    pytest.mark.skipif(importlib.util.find_spec("helm_python") is None, reason="there is no Helm engine here"),
]

ROOT = Path(__file__).parents[2]
PAGES = {"install.md": "\n### Look inside\n", "operate.md": "# ", "upgrade.md": "# "}
"""Each with the heading from which on it is run."""
SYSTEM = "/api/v1/namespaces/metallb-system"
DEPLOYMENT = "/apis/apps/v1/namespaces/metallb-system/deployments/frr-adapter-controller"
DAEMONS = "/apis/apps/v1/namespaces/metallb-system/daemonsets/frr-adapter-speaker"
EMPTY = {
    "kubectl -n metallb-system port-forward ds/frr-adapter-speaker 17472 &",
    "kubectl -n metallb-system get configurationstate controller -o jsonpath='{.status.errorSummary}'",
    "kubectl -n metallb-system exec ds/frr-adapter-speaker -c frr -- vtysh -c 'show bfd peers brief'",
    "kubectl get events -A --field-selector type=Warning",
    "helm get values frr-adapter --namespace metallb-system -o yaml > my-values.yaml",
    "helm upgrade frr-adapter charts/frr-adapter --namespace metallb-system --values my-values.yaml",
    "helm rollback frr-adapter --namespace metallb-system",
}
"""Those that print nothing, or may: nothing is wrong in this lab."""
SHOWS = {
    "get configurationstates": r"controller +Valid",
    "metallb-system get nodebgpstatuses": r"n1 +n1 +Applied +2/2",
    "nodebgpstatus n1 -o yaml": r"state: Established",
    "-l metallb.io/service-name=web": r"web\S* +default",
    "describe service web": r"IPAllocated",
    "show bgp summary": r"10\.99\.0\.1 .*64512",
    "advertised-routes": r"198\.51\.100\.\d+/32",
    "show running-config": r"router bgp 64600",
    "cat /etc/frr/frr.conf": r"BGPPeer",
    "logs ds/": r'"msg": "announced"',
    "logs deploy/": r"assigned",
    "/readyz": r"^ok$",
    "/metrics": r'metallb_bgp_session_up\{[^}]*peer="10\.99\.0\.1:\d+"[^}]*\} 1',
    "log-level": r"info|debug",
    "curl -X PUT": r"debug",
    "delete pod": r'pod "speaker-n1" deleted',
    "rollout status": r"successfully rolled out",
    "secret frr-adapter-memberlist": r"frr-adapter-memberlist",
    "custom-columns=NODE": r"n2 +\d+\.\d+",
    "helm history": r'"revision": 2',
}
"""What must be in the answer to a command with these words."""


def commands():
    for page, start in PAGES.items():
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        text = text[text.index(start) :]
        for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            yield from (pytest.param(line, id=f"{page}: {line}") for line in block.splitlines())


def test_all_blocks_of_the_pages_are_said_to_be_commands():
    for page in PAGES:
        fences = re.findall(r"^```(.*)$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert set(fences) == {"sh", ""}
        assert len(fences) == 2 * fences.count("sh")


@pytest.fixture(scope="module")
def cluster(lab_factory):
    made = lab_factory(3, True, True)
    adopt(made)
    install(made)
    return made


def adopt(cluster):
    """The lab made the definitions: let them be the release's, as with `helm install --take-ownership`."""
    owned = {
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {
            "meta.helm.sh/release-name": chart.RELEASE,
            "meta.helm.sh/release-namespace": chart.NAMESPACE,
        },
    }
    for each in chart.rendered():
        if each["kind"] == "CustomResourceDefinition":
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{each['metadata']['name']}"
            body = {"metadata": owned, "spec": each["spec"]}
            cluster.call("PATCH", path, body, "application/merge-patch+json")


def install(cluster):
    labels = chart.one(chart.rendered(), "DaemonSet")["spec"]["selector"]["matchLabels"]
    for node in cluster.plan.nodes:  # the lab's pods have other labels than the chart's
        path = f"{SYSTEM}/pods/speaker-{node.name}"
        cluster.call("PATCH", path, {"metadata": {"labels": labels}}, "application/merge-patch+json")
    with chart.helm.Config(kubeconfig_path=str(cluster.kubeconfig), namespace=chart.NAMESPACE) as helm:
        helm.install(str(chart.CHART), chart.RELEASE, {"speaker": {"logLevel": "info"}})
    # What the controller of such a release makes, and what the controllers of Kubernetes report.
    secret = {"metadata": {"name": "frr-adapter-memberlist"}, "data": {"secretkey": "c2VjcmV0c2VjcmV0c2VjcmV0"}}
    cluster.call("POST", f"{SYSTEM}/secrets", secret)
    report(cluster)


def report(cluster):
    """The rollouts are over."""
    for path, status in (
        (DEPLOYMENT, {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}),
        (
            DAEMONS,
            {
                "desiredNumberScheduled": 3, "currentNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 3,
                "numberAvailable": 3, "numberMisscheduled": 0,
            },
        ),
    ):  # fmt: skip
        generation = cluster.call("GET", path)["metadata"]["generation"]
        body = {"status": {**status, "observedGeneration": generation}}
        cluster.call("PATCH", f"{path}/status", body, "application/merge-patch+json")


@contextlib.contextmanager
def kubelets(cluster):
    """Pods that shall go are gone, as soon as somebody says so."""
    is_over = threading.Event()

    def work():
        while not is_over.wait(0.2):
            for pod in cluster.call("GET", f"{SYSTEM}/pods")["items"]:
                if "deletionTimestamp" in pod["metadata"]:
                    path = f"{SYSTEM}/pods/{pod['metadata']['name']}"
                    cluster.call("DELETE", path, {"gracePeriodSeconds": 0})

    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        working = beside.submit(work)
        try:
            yield
        finally:
            is_over.set()
        working.result()


@pytest.fixture(scope="module")
def shell(cluster, tmp_path_factory):
    directory = tmp_path_factory.mktemp("page")
    tools = directory / "bin"
    tools.mkdir()
    for name in ("kubectl", "helm", "curl"):
        tool = tools / name
        driver = ROOT / "tests/live/drivers/page_tools.py"
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{driver}" {name} "$@"\n', encoding="utf-8")
        tool.chmod(0o755)
    for name in ("charts", "manifests"):
        (directory / name).symlink_to(ROOT / name)
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig),
        "LAB_STATE": str(cluster.places.state),
        "REAL_PATH": os.environ["PATH"],
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }

    def run(line: str) -> str:
        command = ["bash", "-euo", "pipefail", "-c", line]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=90, cwd=directory, env=environment
        )
        assert done.returncode == 0, f"{line}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.mark.parametrize("line", tuple(commands()))
def test_a_command_of_a_page_works_as_it_stands(cluster, shell, line):
    report(cluster)
    expected = [pattern for words, pattern in SHOWS.items() if words in line]

    def said():
        out = shell(line)
        assert out or line in EMPTY, "it says nothing"
        assert all(re.search(pattern, out, re.MULTILINE) for pattern in expected), out
        return True

    with kubelets(cluster) if "delete pod" in line else contextlib.nullcontext():
        # What the programs report may take a moment after their start. Only looking is repeated.
        cluster.until(line, said, 8.0 if " get " in line or "describe" in line else 0.0)
