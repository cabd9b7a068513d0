"""The real speaker between the API and FRR, with objects that FRR refuses: what users are told, and that their services go on."""

import time

import pytest

from tests.live import frr_pair
from tests.live import segment_bgp as s
from tests.live import speaking_node as k

pytestmark = s.MARKS


@pytest.fixture(scope="module")
def net():
    with s.Segment("up", "n1") as made:
        made.start("up").load(s.router(64512, "10.99.0.1", s.Toward("10.99.0.11")))
        made.start("n1", s.BGP_AND_BFD)
        yield made


@pytest.fixture(scope="module")
def api(net):
    with k.Api(net["n1"]) as made, k.Speaker(net["n1"], made.kubeconfig):
        made.apply(k.pool(), k.advertisement(), *k.service("web", "192.0.2.1"), k.peer("up", "10.99.0.1"))
        yield made


def write_extras(api, text):
    path = "/api/v1/namespaces/metallb-system/configmaps"
    body = {"metadata": {"name": "bgpextras", "namespace": "metallb-system"}, "data": {"extras": text}}
    if api.call("POST", path, body).get("code") == 409:
        api.call("PATCH", f"{path}/bgpextras", body, "application/merge-patch+json")


def trouble(api):
    path = "/apis/metallb.io/v1beta1/namespaces/metallb-system/configurationstates/speaker-n1"
    return api.call("GET", path).get("status", {}).get("errorSummary", "")


def test_objects_that_frr_refuses_are_told_and_keep_no_service_waiting(net, api):
    s.established(net["n1"])
    frr_pair.poll(net["up"].routes, lambda found: set(found) == {"192.0.2.1"})
    lives = s.lives(net["n1"])
    api.apply(k.peer("self", "10.99.0.11"))
    write_extras(api, "no such statement\n")
    api.apply(*k.service("shop", "192.0.2.2"))
    frr_pair.poll(net["up"].routes, lambda found: set(found) == {"192.0.2.1", "192.0.2.2"})
    told = frr_pair.poll(lambda: trouble(api), lambda found: found.count("FRR refused") == 2)
    assert 'BGPPeer metallb-system/self: spec: FRR refused "' in told
    assert 'ConfigMap metallb-system/bgpextras: data[extras]: FRR refused "no such statement": unknown command' in told
    # From here on each Service is one line again: much faster than any reload.
    started = time.monotonic()
    for number in range(3, 8):
        api.apply(*k.service(f"s{number}", f"192.0.2.{number}"))
    frr_pair.poll(net["up"].routes, lambda found: len(found) == 7)
    assert time.monotonic() - started < 5
    api.apply(k.peer("self", "10.99.0.50"))
    write_extras(api, "ip prefix-list mine seq 5 permit 10.0.0.0/8\n")
    frr_pair.poll(lambda: trouble(api), (lambda found: found == ""))
    shown = net["n1"].vtysh("show running-config")
    assert "neighbor 10.99.0.50 remote-as" in shown
    assert "ip prefix-list mine seq 5 permit 10.0.0.0/8" in shown
    assert {name: each for name, each in s.lives(net["n1"]).items() if name in lives} == lives
