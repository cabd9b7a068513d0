"""The operator's command as people start it: how long it takes, shells that complete it, a pipe that closes, and FRR that reads."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli import catalog
from cli.commands import completion
from frr_adapter.api import crds
from tests import command
from tests.contract.test_kubernetes_api_metallb import document, ours, path_of

__all__ = ["ours"]

VTYSH = Path("/usr/bin/vtysh")
PROGRAMS = Path(sys.executable).parent
PEER = """apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: up}
spec: {myASN: 64600, peerASN: 64512, peerAddress: 10.99.0.1, password: hunter2}
"""
EXTRAS = """---
apiVersion: v1
kind: ConfigMap
metadata: {name: bgpextras, namespace: metallb-system}
data:
  extras: |
    ip prefix-list some permit 10.0.0.0/8
    neighbour 10.99.0.1 description up
"""


def start(*words, **more):
    return subprocess.run([sys.executable, "-m", "cli", *words], capture_output=True, text=True, check=False, **more)


def test_help_takes_less_than_150_ms():
    """Of the processor: this machine has other things to do. The interpreter alone takes a third of it."""
    times = []
    for _ in range(10):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert start("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.15


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["unknown"], ["__complete", "pl"]])
def test_nothing_is_loaded_to_answer_that(words):
    lines = f"""import sys
from cli import main
main.main({words!r})
print([name for name in sys.modules if name.startswith(("cli.commands.", "typer", "rich", "kubernetes", "yaml", "msgspec"))])
"""
    ran = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("words", [["--help"], ["crds"], ["schema", "import"]])
def test_a_pipe_that_closes_is_no_news(words):
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run([sys.executable, "-m", "cli", *words], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["frr-adapter", "pl"], ["plan"]),
        (["frr-adapter", "completion", ""], ["bash", "zsh", "fish"]),
        (["frr-adapter", "validate", "--output", "=", "j"], ["json"]),
        (["frr-adapter", "validate", "-f", ""], []),
    ],
)
def test_bash_completes(words, found, tmp_path):
    script = tmp_path / "completion"
    script.write_text(completion.SCRIPTS[completion.Shell.BASH])
    quoted = " ".join(f"'{word}'" for word in words)
    lines = f"""source {script}
COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}
_frr_adapter
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    path = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    ran = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True, env=path)
    assert ran.stdout.split() == found


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_their_script(shell, tmp_path):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} on this machine")
    script = tmp_path / "completion"
    script.write_text(completion.SCRIPTS[completion.Shell(shell)])
    subprocess.run([program, "--no-execute" if shell == "fish" else "-n", script], check=True)


def test_kubectl_starts_it_as_a_plugin():
    kubectl = os.environ.get("FRR_ADAPTER_TEST_KUBECTL") or shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl on this machine")
    path = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    ran = subprocess.run([kubectl, "frr", "--help"], capture_output=True, text=True, check=True, env=path)
    assert ran.stdout == catalog.overview("kubectl frr")
    ran = subprocess.run([kubectl, "__complete", "frr", "pla"], capture_output=True, text=True, check=True, env=path)
    assert ran.stdout.splitlines()[0].split("\t")[0] == "plan"


# ---- FRR ----


@pytest.fixture
def manifests(tmp_path):
    (tmp_path / "all.yaml").write_text(PEER + EXTRAS)
    return tmp_path


@pytest.mark.frr
@pytest.mark.skipif(not VTYSH.exists(), reason="there is no FRR on this machine")
def test_frr_reads_what_is_rendered(manifests):
    found = command.run("render", "-f", str(manifests), "--node", "n1", "--check")
    assert found.status == 1
    assert "refused: neighbour 10.99.0.1 description up: unknown command\n" in found.stderr
    (manifests / "all.yaml").write_text(PEER)
    found = command.run("render", "-f", str(manifests), "--node", "n1", "--check")
    assert found.status == 0
    assert found.stderr.splitlines()[-1].startswith("checked: FRR ")
    assert "hunter2" not in found.stdout


@pytest.mark.frr
@pytest.mark.skipif(not VTYSH.exists(), reason="there is no FRR on this machine")
def test_frr_reads_snippets(manifests):
    found = command.run("validate", "-f", str(manifests))
    assert found.status == 1
    line = f'{manifests}/all.yaml:12: ✗ error: ConfigMap metallb-system/bgpextras: data.extras line 2: "neighbour 10.99.0.1 description up"'
    assert found.stdout.startswith(f"{line}: FRR: unknown command\n1 error in 2 objects, read by FRR ")
    (manifests / "all.yaml").write_text(PEER)
    (manifests / "extra.conf").write_text("\nip prefix-list some deny any\nwhatever\n")
    snippets = ("--frr-snippets", str(manifests / "extra.conf"))
    found = command.run("validate", "-f", str(manifests / "all.yaml"), *snippets)
    assert (
        f"{manifests}/extra.conf:3: ✗ error: ConfigMap metallb-system/bgpextras: data.extras line 3: " in found.stdout
    )


def test_a_program_that_is_no_vtysh_is_not_asked(manifests):
    found = command.run("render", "-f", str(manifests), "--node", "n1", "--check", "--vtysh", "/bin/true")
    assert (found.status, found.stdout) == (3, "")
    assert found.stderr == "frr-adapter: render: no FRR to ask: /bin/true (--vtysh): this is no vtysh that runs here\n"


# ---- What an API server refuses ----

PEERING = {"myASN": 1, "peerASN": 2, "peerAddress": "10.0.0.1"}
SELECTOR = {"matchExpressions": [{"key": "a", "operator": "In"}]}


@pytest.mark.contract
@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("IPAddressPool", {"addresses": []}),
        ("IPAddressPool", {}),
        ("IPAddressPool", None),
        ("IPAddressPool", {"addresses": "10.0.0.0/8"}),
        ("IPAddressPool", {"addresses": [1]}),
        ("IPAddressPool", {"addresses": ["x"], "autoAssign": "yes"}),
        ("IPAddressPool", {"addresses": ["x"], "autoAssign": None}),
        ("IPAddressPool", {"addresses": ["x"], "serviceAllocation": {"priority": 1.5}}),
        ("IPAddressPool", {"addresses": ["x"], "serviceAllocation": {"namespaceSelectors": [SELECTOR]}}),
        (
            "IPAddressPool",
            {"addresses": ["x"], "serviceAllocation": {"namespaceSelectors": [{"matchLabels": {"a": 1}}]}},
        ),
        ("L2Advertisement", {"preferredNodeSelectors": [{"weight": 101, "preference": {}}]}),
        ("L2Advertisement", {"preferredNodeSelectors": [{"weight": 100, "preference": {}}]}),
        ("L2Advertisement", {"preferredNodeSelectors": [{"weight": 1}]}),
        ("L2Advertisement", {"nodeSelectors": [{"matchExpressions": [{"key": "a"}]}]}),
        ("BGPAdvertisement", {"aggregationLength": 0}),
        ("BGPAdvertisement", {"aggregationLength": 24, "localPref": 4294967295}),
        ("BGPAdvertisement", None),
        ("BGPPeer", PEERING),
        ("BGPPeer", {}),
        ("BGPPeer", {**PEERING, "peerPort": 0}),
        ("BGPPeer", {**PEERING, "peerASN": 4294967296}),
        ("BGPPeer", {**PEERING, "localASN": 0}),
        ("BGPPeer", {**PEERING, "dynamicASN": "other"}),
        ("BGPPeer", {**PEERING, "connectTime": "10s"}),
        ("BGPPeer", {**PEERING, "connectTime": "0s"}),
        ("BGPPeer", {**PEERING, "connectTime": "1500ms"}),
        ("BGPPeer", {**PEERING, "passwordSecret": "name"}),
        ("BFDProfile", {"receiveInterval": 9}),
        ("BFDProfile", {"echoMode": 1}),
        ("BFDProfile", {"minimumTtl": 254}),
        ("Community", {"communities": {}}),
        ("Community", {"communities": [{"name": "a"}]}),
    ],
)
async def test_it_refuses_what_an_api_server_refuses(api, ours, kind, spec):
    from cli import values
    from cli.core import checking
    from frr_adapter import refs

    raw = document(kind, **({} if spec is None else {"spec": spec}))
    answer = await api.post(path_of(api, kind), raw)
    assert answer.status in (201, 422)
    found = checking.problems([values.Document(refs.ObjectRef(kind, "metallb-system", "a"), raw)])
    assert bool(found) == (answer.status == 422), (answer.body, found)


async def test_unknown_fields_are_those_that_an_api_server_would_drop(api, ours):
    assert {definition["spec"]["names"]["kind"] for definition in crds.documents()} >= {"IPAddressPool"}
    answer = await api.post(
        f"{path_of(api, 'IPAddressPool')}?fieldValidation=Strict",
        document("IPAddressPool", spec={"addresses": ["10.0.0.0/8"], "autoAsign": True}),
    )
    assert answer.status == 400
    assert 'unknown field "spec.autoAsign"' in answer.body["message"]
