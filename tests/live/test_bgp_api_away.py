"""The Kubernetes API cannot be reached while a speaker starts: routers notice nothing, even when FRR restarts at that moment too.

FRR that restarts then has only `frr.conf` to go by, which is what `vtysh -b` loads in its container.
"""

import pytest

from tests.live import frr_pair
from tests.live import segment_bgp as s
from tests.live import speaking_node as k

pytestmark = s.MARKS

STEADY = {"192.0.2.1", "2001:db8::1"}
PEERS = {"up-4": "10.99.0.1", "up-6": "fd00:99::1"}


@pytest.fixture(scope="module")
def net():
    with s.Segment("up", "n1") as made:
        toward = [s.Toward(ip, ("password t0-secret",)) for ip in ("10.99.0.11", "fd00:99::11")]
        made.start("up").load(s.router(64512, "10.99.0.1", *toward, settings=["bgp graceful-restart"]))
        made.start("n1", s.BGP_AND_BFD)
        yield made


@pytest.fixture(scope="module")
def api(net):
    """After its first speaker, which was killed."""
    with k.Api(net["n1"]) as made, k.Speaker(net["n1"], made.kubeconfig) as speaker:
        made.apply(k.pool(), k.advertisement(), *k.service("web", *sorted(STEADY)), k.password("tor", "t0-secret"))
        secret = {"passwordSecret": {"name": "tor"}, "enableGracefulRestart": True}
        made.apply(*(k.peer(name, address, **secret) for name, address in PEERS.items()))
        frr_pair.poll(net["up"].routes, lambda found: set(found) == STEADY)
        speaker.await_said("configuration applied")
        frr_pair.poll(net["n1"].frr_conf.read_text, lambda text: all(f"network {ip}/" in text for ip in STEADY))
        speaker.kill()
        yield made


@pytest.fixture(scope="module")
def nobody(net, api):
    """A kubeconfig of a port where nobody listens."""
    path = net["n1"].directory / "nobody.kubeconfig"
    path.write_text(api.kubeconfig.read_text().replace(f":{api.port}", ":9"))
    return path


def test_an_api_that_refuses_leaves_everything(net, nobody):
    before, running = s.lives(net["up"]), net["n1"].vtysh("show running-config")
    with s.route_changes(net["up"]) as changes, k.Speaker(net["n1"], nobody) as speaker:
        frr_pair.poll(lambda: [line for line in speaker.lines if "retry_in" in line], lambda found: len(found) > 20, 20)
        assert speaker.said("FRR is up")
        assert not speaker.said("configuration applied")
        speaker.stop()
    assert changes == []
    assert s.lives(net["up"]) == before
    assert net["n1"].vtysh("show running-config") == running


def questions(net, api):
    """Connections to the API from its machine."""
    found = frr_pair.run("ip", "netns", "exec", net["n1"].namespace, "ss", "-Htn", "state", "established")
    return [line for line in found.splitlines() if line.split()[-1].endswith(f":{api.port}")]


def test_an_api_that_hangs_leaves_everything_and_then_goes_on(net, api):
    before, running = s.lives(net["up"]), net["n1"].vtysh("show running-config")
    with s.route_changes(net["up"]) as changes:
        api.hang()
        with k.Speaker(net["n1"], api.kubeconfig) as speaker:
            frr_pair.poll(lambda: questions(net, api), lambda found: len(found) >= 10)
            speaker.await_said("FRR is up")
            assert not speaker.said("configuration applied")
            assert net["n1"].vtysh("show running-config") == running
            api.go_on()
            (applied,) = speaker.await_said("configuration applied")
    assert applied["lines"] == 0
    assert changes == []
    assert s.lives(net["up"]) == before
    assert net["n1"].vtysh("show running-config") == running


def test_frr_restarts_too_and_has_its_file(net, api, nobody):
    """bgpd crashes while no speaker can tell it anything; its container loads the file, and later a speaker adopts all that."""
    before = s.lives(net["up"])
    with s.route_changes(net["up"]) as changes:
        with k.Speaker(net["n1"], nobody):
            net["n1"].kill("bgpd")
            net["n1"].start("bgpd")
            frr_pair.run(net["n1"].directory / "vtysh", "-b")
            s.established(net["n1"], *PEERS.values())
            frr_pair.poll(net["up"].routes, lambda found: set(found) == STEADY)
        lives = s.lives(net["up"])
        assert {name: ups - before[name][0] for name, (ups, _) in lives.items()} == dict.fromkeys(before, 1)
        with k.Speaker(net["n1"], api.kubeconfig) as speaker:
            (applied,) = speaker.await_said("configuration applied")
            api.apply(*k.service("late", "192.0.2.9"))
            frr_pair.poll(net["up"].routes, lambda found: "192.0.2.9" in found)
    assert applied["lines"] == 0
    assert s.lives(net["up"]) == lives
    # Never without next hops; that IPv6 gets the same one again depends on when bgpd hears of its link-local address.
    assert {(change["dst"], change["hops"]) for change in changes if change["dst"] in STEADY} <= {("2001:db8::1", 1)}
