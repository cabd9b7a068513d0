"""FRR's JSON as values and samples. The texts are cut from FRR 8.4.4."""

import pytest

from frr_adapter.frr import show

NEIGHBORS = """
{"default":{"vrfId":0,"vrfName":"default",
 "eth1":{"bgpNeighborAddr":"fe80::1","remoteAs":64512,"bgpState":"Established","portForeign":179,
  "addressFamilyInfo":{"ipv4Unicast":{"sentPrefixCounter":2,"acceptedPrefixCounter":0},"ipv6Unicast":{"sentPrefixCounter":1}},
  "messageStats":{"opensSent":1,"opensRecv":2,"updatesSent":3,"notificationsSent":4,"totalRecv":9},
  "connectionsEstablished":1,"connectionsDropped":0},
 "10.99.0.1":{"remoteAs":0,"bgpState":"Active","messageStats":{"depthInq":0},
  "connectionsEstablished":0,"connectionsDropped":2,"lastResetDueTo":"Waiting for NHT"},
 "fd00::1":{"bgpState":"Established","portForeign":41000}
},"red":{"vrfId":-1,"vrfName":"red"}}
"""
BFD = """
[{"multihop":true,"peer":"10.99.0.1","local":"10.99.0.11","vrf":"default","id":9,"status":"up","diagnostic":"ok","rtt-min":0},
 {"multihop":false,"peer":"fd00:99::2","vrf":"default","status":"down","diagnostic":"path down"}]
"""
COUNTERS = '[{"peer":"10.99.0.1","vrf":"default","control-packet-input":7,"session-down":1,"zebra-notifications":3}]'


def test_sessions():
    one, eth, six = show.sessions(NEIGHBORS)
    assert (one.neighbor, one.state, one.is_established, one.connections_dropped) == ("10.99.0.1", "Active", False, 2)
    assert one.last_reset == "Waiting for NHT"
    assert (eth.neighbor, eth.is_established, eth.sent_prefixes, eth.remote_as) == ("eth1", True, 3, 64512)
    assert (eth.messages.opens_recv, eth.messages.updates_sent) == (2, 3)
    assert [item.label for item in (one, eth, six)] == ["10.99.0.1:0", "eth1", "fd00::1:41000"]


@pytest.mark.parametrize("text", ["", "{}", '{"default":{"vrfId":0,"vrfName":"default"}}'])
def test_no_sessions(text):
    assert show.sessions(text) == ()


def test_text_of_another_shape_is_an_error():
    with pytest.raises(ValueError):
        show.sessions("% BGP instance not found")
    with pytest.raises(ValueError):
        show.bfd_sessions("{}")


def test_bgp_samples():
    found = {(item.name, dict(item.labels)["peer"]): item for item in show.bgp_samples(show.sessions(NEIGHBORS))}
    assert found["metallb_bgp_session_up", "eth1"].value == 1
    assert found["metallb_bgp_session_up", "10.99.0.1:0"].value == 0
    assert found["metallb_bgp_announced_prefixes_total", "eth1"].value == 3
    assert not found["metallb_bgp_announced_prefixes_total", "eth1"].is_counter
    assert found["metallb_bgp_updates_total", "eth1"].value == 3
    assert found["metallb_bgp_updates_total", "eth1"].is_counter
    assert found["metallb_bgp_notifications_sent", "eth1"].value == 4
    assert {item.labels for item in found.values() if dict(item.labels)["peer"] == "eth1"} == {
        (("peer", "eth1"), ("vrf", "default"))
    }


def test_bfd_samples():
    found = {
        (item.name, dict(item.labels)["peer"]): item.value
        for item in show.bfd_samples(show.bfd_sessions(BFD), show.bfd_counters(COUNTERS))
    }
    assert found["metallb_bfd_session_up", "10.99.0.1"] == 1
    assert found["metallb_bfd_session_up", "fd00:99::2"] == 0
    assert found["metallb_bfd_control_packet_input", "10.99.0.1"] == 7
    assert found["metallb_bfd_session_down_events", "10.99.0.1"] == 1
    assert found["metallb_bfd_zebra_notifications", "10.99.0.1"] == 3


def test_questions_about_a_vrf():
    assert show.bfd_peers_command() == "show bfd peers json"
    assert show.bfd_peers_command("red") == "show bfd vrf red peers json"
    assert show.bfd_counters_command("red") == "show bfd vrf red peers counters json"


def test_what_bgpd_thinks_of_bfd():
    text = """{"default":{"10.99.0.1":{"peerBfdInfo":{"type":"single hop","status":"Down"}},
     "eth1":{"peerBfdInfo":{"status":"Unknown","lastUpdate":"never"}}, "fd00::1":{}, "fd00::2":{"peerBfdInfo":{}}}}"""
    assert [item.bfd for item in show.sessions(text)] == ["Down", "Unknown", "", "Unknown"]


def test_a_neighbor_that_was_never_connected_has_the_port_that_frr_says():
    (item,) = show.sessions('{"default":{"10.99.0.1":{"bgpState":"Active","portForeign":-1}}}')
    assert item.label == "10.99.0.1:-1"


@pytest.mark.parametrize(
    ("neighbor", "vrf", "expected"),
    [
        ("10.99.0.1", "default", True),
        ("10.99.0.1", "red", False),
        ("10.99.0.2", "default", False),
        ("eth1", "default", True),
        ("eth2", "default", False),
    ],
)
def test_which_bfd_session_belongs_to_which_bgp_session(neighbor, vrf, expected):
    numbered = show.BfdSession("10.99.0.1", interface="eth0")
    unnumbered = show.BfdSession("fe80::1", interface="eth1")
    session = show.Session(vrf, neighbor, "Active")
    assert any(item.is_of(session) for item in (numbered, unnumbered)) is expected


def test_routers_with_the_same_link_local_address_have_series_of_their_own():
    items = [show.BfdSession("fe80::1", interface=name, status="up") for name in ("eth1", "eth2")]
    items.append(show.BfdSession("fe80::2", interface="eth3"))
    labels = [dict(sample.labels)["peer"] for sample in show.bfd_samples(items, ())]
    assert labels == ["fe80::1%eth1", "fe80::1%eth2", "fe80::2"]
