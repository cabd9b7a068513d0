from pathlib import Path

import pytest

from lab import catalog, frr_install, objects, plan, router, survey
from lab.errors import LabError
from lab.places import Places

PLACES = Places(Path("/run/frr-adapter-lab"))
OLD = frr_install.FrrInstall(root=Path("/"), version="8.4", mgmtd=False)
NEW = frr_install.FrrInstall(root=Path("/"), version="10.3", mgmtd=True)


def test_each_frr_daemon_keeps_to_its_node_directory():
    directory = PLACES.node("n1")
    for daemon in OLD.daemons:
        argv = OLD.daemon_argv(daemon, directory, root=True)
        assert argv[0] == f"/usr/lib/frr/{daemon}"
        assert argv[argv.index("--vty_socket") + 1] == str(directory)
        assert argv[argv.index("-f") + 1] == str(directory / "none.conf")
    assert "--bfdctl" in OLD.daemon_argv("bfdd", directory, root=True)


def test_later_frr_starts_mgmtd_first_and_without_options_it_lost():
    assert NEW.daemons[0] == "mgmtd"
    directory = PLACES.node("n1")
    for daemon in ("mgmtd", "staticd"):
        assert "-f" not in NEW.daemon_argv(daemon, directory, root=True)
    assert "--bfdctl" not in NEW.daemon_argv("bfdd", directory, root=True)
    assert any(
        "mount --bind /run/frr-adapter-lab/nodes/n1 /run/frr" in word
        for word in NEW.daemon_argv("zebra", directory, root=True)
    )


def test_in_a_user_namespace_frr_runs_as_its_only_user():
    argv = OLD.daemon_argv("bgpd", PLACES.node("n1"), root=False)
    assert argv[-4:] == ("-u", "root", "-g", "root")


def test_a_foreign_root_is_entered_by_chroot():
    foreign = frr_install.FrrInstall(root=Path("/srv/frr10"), version="10.3", mgmtd=True)
    argv = foreign.daemon_argv("zebra", PLACES.node("n1"), root=True)
    assert argv[6:9] == ("chroot", "/srv/frr10", "/usr/lib/frr/zebra")
    wrapper = foreign.wrapper("vtysh", PLACES.node("n1"), PLACES.netns("n1"), 7)
    assert "exec chroot /srv/frr10 /bin/sh -c 'cd " in wrapper
    assert "/usr/bin/vtysh --vty_socket" in wrapper


def test_wrappers_enter_only_where_they_are_not_yet():
    text = OLD.wrapper("frr-reload", PLACES.node("n1"), PLACES.netns("n1"), 4711)
    assert text.startswith("#!/bin/sh\n")
    assert "/proc/self/ns/mnt -ef /proc/4711/ns/mnt" in text
    assert "--overwrite" not in text
    assert "--vty_socket /run/frr-adapter-lab/nodes/n1" in text


def test_missing_frr_is_one_line_that_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("FRR_ROOT", str(tmp_path))
    with pytest.raises(LabError, match="install the packages frr and frr-pythontools"):
        frr_install.find()


def test_speakers_get_the_flags_of_their_node():
    specs = catalog.Catalog(plan=plan.plan(2), places=PLACES, install=OLD, root=True).speakers()
    assert [spec.target for spec in specs] == ["n1/speaker", "n2/speaker"]
    command = specs[1].command()
    assert command[:3] == ("nsenter", "--net=/run/frr-adapter-lab/netns/n2", "--")
    assert command[command.index("--node-name") + 1] == "n2"
    assert command[command.index("--frr-vty-dir") + 1] == "/run/frr-adapter-lab/nodes/n2"


def test_the_router_takes_every_node_of_both_families():
    text = router.config()
    assert "bgp listen range 10.99.0.0/24 peer-group nodes4" in text
    assert "bgp listen range fd00:99::/64 peer-group nodes6" in text
    assert text.count("maximum-paths 64") == 2


def test_inside_the_lab_the_api_is_on_loopback_under_its_own_name():
    outer = {
        "clusters": [{"name": "a", "cluster": {"server": "https://api.example:8443", "certificate-authority": "/ca"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    inner = objects.inner_kubeconfig(outer)
    assert inner["clusters"][0]["cluster"] == {
        "server": "https://127.0.0.1:6443",
        "tls-server-name": "api.example",
        "certificate-authority": "/ca",
    }
    assert inner["users"] == outer["users"]
    assert outer["clusters"][0]["cluster"]["server"] == "https://api.example:8443"


def test_the_demo_names_only_pools_that_it_makes():
    documents = objects.demo()
    pools = {each["metadata"]["name"] for each in documents if each["kind"] == "IPAddressPool"}
    advertised = {
        name for each in documents if each["kind"].endswith("Advertisement") for name in each["spec"]["ipAddressPools"]
    }
    assert advertised == pools == {"bgp", "l2"}
    assert {each["metadata"]["name"] for each in documents if each["kind"] == "Service"} == {
        "web",
        "web-local",
        "web-l2",
    }


@pytest.mark.parametrize(
    ("route", "hops"),
    [
        ({"dst": "a", "gateway": "10.99.0.11"}, ("10.99.0.11",)),
        ({"dst": "a", "nexthops": [{"gateway": "fe80::1"}, {"gateway": "fe80::2"}]}, ("fe80::1", "fe80::2")),
        ({"dst": "a", "via": {"family": "inet6", "host": "fe80::3"}}, ("fe80::3",)),
        ({"dst": "a", "dev": "eth0"}, ("eth0",)),
    ],
)
def test_next_hops_of_routes_with_and_without_several_legs(route, hops):
    assert survey.next_hops(route) == hops


def test_a_state_directory_with_too_long_a_path_is_refused():
    with pytest.raises(LabError, match="too long for unix sockets"):
        Places(Path("/" + "x" * 90)).check("n1")


def test_an_unknown_log_is_answered_with_the_known_ones(tmp_path):
    places = Places(tmp_path)
    for target in ("controller", "n1/speaker"):
        places.log(target).parent.mkdir(parents=True, exist_ok=True)
        places.log(target).touch()
    assert places.log_files("n1") == (str(places.log("n1/speaker")),)
    assert places.log_files("controller") == (str(places.log("controller")),)
    with pytest.raises(LabError, match="log 'n7' does not exist; there are: controller n1/speaker"):
        places.log_files("n7")
