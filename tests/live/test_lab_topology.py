"""The lab without the programs under test: namespaces, FRR, the router, the wrappers, forwarding, the end of it all."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from lab import world

pytestmark = [pytest.mark.live, pytest.mark.frr]

V4, V6 = "198.51.100.7", "2001:db8:100::7"


def node_config(name, *extra):
    return "\n".join(
        [
            "frr defaults traditional",
            f"hostname {name}",
            "route-map ALL permit 1",
            "exit",
            "router bgp 64600",
            " no bgp network import-check",
            " no bgp default ipv4-unicast",
            " neighbor 10.99.0.1 remote-as 64512",
            " neighbor 10.99.0.1 timers connect 1",
            " neighbor fd00:99::1 remote-as 64512",
            " neighbor fd00:99::1 timers connect 1",
            " address-family ipv4 unicast",
            f"  network {V4}/32",
            "  neighbor 10.99.0.1 activate",
            "  neighbor 10.99.0.1 route-map ALL out",
            " exit-address-family",
            " address-family ipv6 unicast",
            f"  network {V6}/128",
            "  neighbor fd00:99::1 activate",
            "  neighbor fd00:99::1 route-map ALL out",
            " exit-address-family",
            "exit",
            "",
        ]
    )


def service(name, policy="Cluster"):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": policy,
            "ipFamilyPolicy": "PreferDualStack",
            "selector": {"app": "demo"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


@pytest.fixture(scope="module")
def announced(lab_topology):
    """Both nodes announce one address of each family, from a hand-written configuration."""
    for node in ("n1", "n2"):
        assert "failed" not in lab_topology.reload(node, node_config(node)).lower()
    for prefix in (f"{V4}/32", f"{V6}/128"):
        lab_topology.until(
            f"{prefix} in the router", lambda p=prefix: lab_topology.router_routes(p) == ("n1", "n2"), 30
        )
    return lab_topology


def test_reload_wrapper_tests_without_changing(announced):
    wrapper = announced.places.node("n1") / "frr-reload"
    path = announced.places.node("n1") / "other.conf"
    path.write_text(node_config("n1").replace("198.51.100.7", "198.51.100.8"))
    done = subprocess.run(
        [str(wrapper), "--test", "other.conf"], cwd=path.parent, capture_output=True, text=True, check=True
    )
    assert "network 198.51.100.8/32" in done.stdout
    assert "198.51.100.8" not in announced.vtysh("n1", "show running-config")


def test_reload_wrapper_reports_a_refused_line(announced):
    path = announced.places.node("n1") / "bad.conf"
    path.write_text("router bgp 64600\n neighbor 10.99.0.1 nonsense\nexit\n")
    wrapper = announced.places.node("n1") / "frr-reload"
    done = subprocess.run([str(wrapper), "--test", str(path)], capture_output=True, text=True, check=False)
    assert "nonsense" in done.stdout + done.stderr


def test_both_nodes_are_legs_of_the_kernel_route(announced):
    assert announced.router_routes(f"{V4}/32") == ("n1", "n2")
    assert announced.router_routes(f"{V6}/128") == ("n1", "n2")


def test_cluster_policy_reaches_every_backend_and_hides_the_client(announced):
    announced.apply(service("cluster"))
    announced.set_ingress("default", "cluster", V4, V6)
    announced.until("an answer", lambda: announced.client_get(f"http://{V4}/"))
    for url in (f"http://{V4}/", f"http://[{V6}]/"):
        answers = [announced.until("an answer", lambda u=url: announced.client_get(u)) for _ in range(12)]
        assert {answer["node"] for answer in answers} == {"n1", "n2"}
        assert not {answer["client"] for answer in answers} & {"10.98.0.10", "fd00:98::10"}
    announced.call("DELETE", "/api/v1/namespaces/default/services/cluster")


def test_local_policy_keeps_the_client_and_stays_on_the_node(announced):
    announced.apply(service("local", "Local"))
    announced.set_ingress("default", "local", V4, V6)
    # Rules come one after the other, on each node and in each family; those of the Service before may still be there.
    for host, client in ((V4, "10.98.0.10"), (f"[{V6}]", "fd00:98::10")):
        announced.until(
            f"{host} knows its client",
            lambda host=host, client=client: announced.client_get(f"http://{host}/")["client"] == client,
        )

    announced.lab("stop", "n2/backend")

    def rules():
        return announced.exec("n2", ["nft", "list", "table", "inet", "frr_adapter_lab"])

    # Each family has an EndpointSlice of its own, and they change one after the other.
    announced.until("n2 refuses", lambda: f"ip daddr {V4} tcp dport 80 drop" in rules() and "dnat" not in rules())
    assert "10.244.2.10" not in announced.exec("n1", ["nft", "list", "table", "inet", "frr_adapter_lab"])
    announced.lab("start", "n2/backend")
    announced.until("n2 forwards again", lambda: "10.244.2.10" in rules())
    announced.call("DELETE", "/api/v1/namespaces/default/services/local")
    announced.until("no rules left", lambda: V4 not in rules())


def test_unplugged_node_leaves_the_route(announced):
    announced.exec("sw", ["ip", "link", "set", "p-n2", "down"])
    announced.until("one leg left", lambda: announced.router_routes(f"{V4}/32") == ("n1",))
    announced.exec("sw", ["ip", "link", "set", "p-n2", "up"])
    announced.until("both legs back", lambda: announced.router_routes(f"{V4}/32") == ("n1", "n2"), 40)


def test_killed_daemons_come_back_and_the_router_is_configured_again(announced):
    announced.lab("kill", "up/bgpd")
    announced.until("both legs back", lambda: announced.router_routes(f"{V4}/32") == ("n1", "n2"), 40)
    assert "64512" in announced.vtysh("up", "show running-config")
    assert "restarting" not in announced.lab("status").stdout


def test_a_node_starts_without_configuration(announced):
    announced.lab("restart", "n1/bgpd")
    announced.until("bgpd answers", lambda: "8" in announced.vtysh("n1", "show version"))
    assert "router bgp" not in announced.vtysh("n1", "show running-config")


def test_unknown_names_are_one_line_with_the_known_ones(lab_topology):
    for arguments, known in (
        (("stop", "n9"), "n1/bgpd"),
        (("exec", "n9", "--", "true"), "n1-pod"),
        (("vtysh", "n9"), "up"),
    ):
        done = lab_topology.lab(*arguments, check=False)
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1
        assert known in done.stderr


def test_nothing_stays_after_down_even_when_the_supervisor_was_killed(lab_factory):
    lab = lab_factory(nodes=1)
    state = lab.places.state
    recorded = world.running(lab.places)
    os.kill(recorded.pid, signal.SIGKILL)
    lab.until("every process is gone", lambda: not processes_of(state))
    mounted = Path("/proc/self/mounts").read_text()
    assert str(state) not in mounted

    again = lab.lab("up", "--nodes", "1", "--no-demo", "--no-programs")
    assert "cleaning up" in again.stdout
    second_up = lab.lab("up", "--nodes", "1", "--no-demo", "--no-programs")
    assert world.running(lab.places).pid != recorded.pid
    assert "KUBECONFIG=" in second_up.stdout

    lab.lab("down")
    assert not state.exists()
    assert not processes_of(state)
    assert "no lab to end" in lab.lab("down").stdout


def processes_of(state):
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(state) in line:
            found.append(line)
    return found
