"""Lines that one daemon lacks although FRR as a whole seems to have them."""

from frr_adapter.frr import loading

WANTED = """\
! a comment
hostname n1
ip nht resolve-via-default
bgp route-map delay-timer 1
route-map class-7 permit 10
 set tag 7
exit
!
route-map a-in deny 20
exit
route-map a-out permit 7
 match tag 7
 set community 1:1
exit
router bgp 64600
 no bgp default ipv4-unicast
 ! BGPPeer a
 neighbor 10.99.0.1 remote-as 64512
 neighbor 10.99.0.1 password x
 neighbor eth1 interface remote-as external
 !
 address-family ipv4 unicast
  network 198.51.100.0/32 route-map class-7
  neighbor 10.99.0.1 activate
 exit-address-family
exit
bfd
 profile fast
  receive-interval 50
 exit
exit
"""


def test_a_new_bgpd_gets_its_own_lines_and_opens_each_neighbor_last():
    lines = loading.missing(WANTED, "frr version 8.4.4\nhostname vm\n", "bgpd")
    assert lines == (
        "hostname n1",
        "bgp route-map delay-timer 1",
        "route-map class-7 permit 10",
        "set tag 7",
        "exit",
        "route-map a-in deny 20",
        "exit",
        "route-map a-out permit 7",
        "match tag 7",
        "set community 1:1",
        "exit",
        "router bgp 64600",
        "no bgp default ipv4-unicast",
        "neighbor 10.99.0.1 remote-as 64512",
        "neighbor 10.99.0.1 shutdown",
        "neighbor 10.99.0.1 password x",
        "neighbor eth1 interface remote-as external",
        "neighbor eth1 shutdown",
        "address-family ipv4 unicast",
        "network 198.51.100.0/32 route-map class-7",
        "neighbor 10.99.0.1 activate",
        "exit-address-family",
        "no neighbor 10.99.0.1 shutdown",
        "no neighbor eth1 shutdown",
        "exit",
    )


def test_a_daemon_that_has_everything_gets_nothing():
    assert loading.missing(WANTED, WANTED, "bgpd") == ()
    assert loading.missing(WANTED, WANTED, "zebra") == ()


def test_a_running_bgpd_without_an_entry_gets_it_closed_first_and_no_neighbor_line():
    running = WANTED.replace("route-map a-out permit 7\n match tag 7\n set community 1:1\nexit\n", "")
    assert loading.missing(WANTED, running, "bgpd") == (
        "route-map a-out deny 7",
        "match tag 7",
        "set community 1:1",
        "exit",
        "route-map a-out permit 7",
        "exit",
    )


def test_an_entry_of_bgpd_that_lacks_its_condition_is_closed_until_it_has_it():
    """Merged with what zebra shows, it would seem to be complete."""
    running = WANTED.replace(" match tag 7\n", "")
    assert loading.missing(WANTED, running, "bgpd") == (
        "route-map a-out deny 7",
        "match tag 7",
        "set community 1:1",
        "exit",
        "route-map a-out permit 7",
        "exit",
    )
    assert loading.missing(WANTED, running, "zebra") == ()


def test_zebra_gets_route_maps_only():
    lines = loading.missing(WANTED, "frr version 8.4.4\n", "zebra")
    assert [line for line in lines if line.startswith(("router", "neighbor", "bfd", "network"))] == []
    assert sum(line.startswith("route-map ") for line in lines) == 5


def test_blocks_are_read_without_comments():
    found = loading.blocks(WANTED)
    assert found[3] == loading.Block("route-map class-7 permit 10", ("set tag 7",))
    assert found[-1].head == "bfd"
