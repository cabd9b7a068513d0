"""What frr-reload.py says, as values. The texts are the program's own, from FRR 8.4.4."""

import pytest

from frr_adapter import secret
from frr_adapter.frr import refusal, reloading

TEST_OUTPUT = """
Lines To Delete
===============
no hostname vm
no route-map class-1 permit 10
router bgp 64600
 no neighbor 10.99.0.1 timers 10 30
bfd
 profile fast
  no detect-multiplier 5

Lines To Add
============
hostname n1
router bgp 64600
router bgp 64600
 no bgp ebgp-requires-policy
router bgp 64600
 address-family ipv4 unicast
router bgp 64600
 address-family ipv4 unicast
  network 192.0.2.1/32  route-map class-12
"""


def test_a_difference_names_each_statement_with_its_blocks():
    assert reloading.parse_difference(TEST_OUTPUT) == reloading.Difference(
        removed=(
            "no route-map class-1 permit 10",
            "router bgp 64600 / no neighbor 10.99.0.1 timers 10 30",
            "bfd / profile fast / no detect-multiplier 5",
        ),
        added=(
            "router bgp 64600 / no bgp ebgp-requires-policy",
            "router bgp 64600 / address-family ipv4 unicast / network 192.0.2.1/32  route-map class-12",
        ),
    )


@pytest.mark.parametrize(
    "output",
    [
        "",
        "2026-01-01 10:00:00,000  INFO: Loading Config object from vtysh show running\n",
        "\nLines To Delete\n===============\nno hostname vm\n\nLines To Add\n============\nhostname n1\n",
        "\nLines To Delete\n===============\nno bfd\n",
        "\nLines To Add\n============\nip nht resolve-via-default\nipv6 nht resolve-via-default\n",
    ],
)
def test_what_means_nothing_is_no_difference(output):
    assert not reloading.parse_difference(output)


def test_what_has_no_plain_removal_gets_help():
    difference = reloading.Difference(
        removed=(
            "bfd / profile fast / no detect-multiplier 5",
            "bfd / profile fast / no echo receive-interval 70",
            "bfd / profile fast / no passive-mode",
            "bfd / no profile other",
            "no route-map class-1 permit 10",
            "no interface eth1",
        )
    )
    assert reloading.lines_that_help_removing(difference) == (
        *("bfd", " profile fast", "  detect-multiplier 3", " exit", "exit"),
        *("bfd", " profile fast", "  echo receive-interval 50", " exit", "exit"),
        *("interface eth1", "exit"),
    )


SYNTAX = (
    "2026-01-01 10:00:00,000  INFO: Loading Config object from file x\n"
    "2026-01-01 10:00:00,100 \x1b[91m  ERROR\x1b[0m: vtysh failed to process new configuration: "
    "vtysh (mark file) exited with status 2:\n"
    "b'line 117: % Unknown command: bogus line here\\n\\n'\n"
)
MEANING = (
    "BGP is already running; AS is 64600\n"
    "line 3: Failure to communicate[13] to bgpd, line: router bgp 65001\n\n"
    "BGP is already running; AS is 64600\n"
    "line 5: Failure to communicate[13] to bgpd, line: router bgp 65001\n\n"
    "line 6: % Unknown command[4]:  neighbor 1.1.1.1 remote-as 3\n"
    "2026-01-01 10:00:00,100 \x1b[91mWARNING\x1b[0m: frr-reload.py failed due to\n"
    "vtysh (exec file) exited with status 2\n"
)
GRACEFUL = (
    "Graceful restart configuration changed, reset this peer to take effect\n"
    "% The Graceful Restart command used is not valid at this moment.\n"
    "line 191: Failure to communicate[13] to bgpd, line:  neighbor 10.99.0.1 graceful-restart\n"
)


def test_refusals():
    assert [str(item) for item in reloading.parse_refusals(SYNTAX)] == ["unknown command: bogus line here"]
    assert [str(item) for item in reloading.parse_refusals(MEANING)] == [
        "BGP is already running; AS is 64600: router bgp 65001",
        "unknown command: neighbor 1.1.1.1 remote-as 3",
    ]
    assert reloading.parse_refusals("2026-01-01 10:00:00,000  INFO: all well\n") == ()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (SYNTAX, "unknown command: bogus line here"),
        (MEANING, "BGP is already running; AS is 64600: router bgp 65001"),
        ("2026-01-01 10:00:00,000  ERROR: Filename x is an empty file\nbye\n", "Filename x is an empty file"),
        ("Traceback\nVtyshException: no daemon\n", "VtyshException: no daemon"),
        ("", "no output"),
    ],
)
def test_one_line_for_people(output, expected):
    assert reloading.reason(output) == expected


def test_what_is_lost():
    remaining = reloading.Difference(
        added=(
            "router bgp 64600 / neighbor 10.99.0.1  passive",
            "router bgp 65001",
            "ip prefix-list x seq 5 permit any",
            "router bgp 64600 / neighbor 10.99.0.9 remote-as 5",
        )
    )
    extras = ("router bgp 65001", " neighbor 10.99.0.1 passive", "ip prefix-list x seq 5 permit any")
    refusals = reloading.parse_refusals(MEANING)
    ours = "router bgp 64600 / neighbor 10.99.0.9 remote-as 5"
    assert reloading.lost(remaining, refusals, extras) == ("router bgp 65001", ours)
    assert reloading.lost(remaining, (), extras) == (ours,)
    assert reloading.lost(reloading.Difference(), reloading.parse_refusals(GRACEFUL), ()) == ()
    assert reloading.lost(reloading.Difference(removed=("no bfd",)), (), ()) == ()


def test_a_refused_block_takes_its_statements_with_it():
    remaining = reloading.Difference(added=("router bgp 65001 / neighbor 10.99.0.77 remote-as 1",))
    extras = ("router bgp 65001", " neighbor 10.99.0.77 remote-as 1", "exit")
    assert reloading.lost(remaining, (refusal.Refusal("router bgp 65001", "no"),), extras) == remaining.added
    assert reloading.lost(remaining, (), extras) == ()


TEN = """
[9|bgpd] sending configuration
BGP instance is already running; AS is 64600
Waiting for children to finish applying config...
MGMTD: No changes found to be committed!
['ip nht resolve-via-default\\n',
[9|zebra] done
line 5: Failure to communicate[13] to bgpd, line: router bgp 65001
"""


def test_the_progress_that_frr_10_tells_is_not_a_reason():
    assert reloading.reason(TEN) == "BGP instance is already running; AS is 64600: router bgp 65001"


def test_frr_10_closes_blocks():
    output = "\nLines To Add\n============\nrouter bgp 1\n neighbor x passive\nexit\nbfd\n profile a\n exit\nexit\n"
    assert reloading.parse_difference(output).added == ("router bgp 1 / neighbor x passive", "bfd / profile a")


def test_passwords_are_hidden_wherever_they_stand():
    text = "neighbor 10.0.0.1 password hunter2\nneighbor x password 8 abc\nthey said hunter2 and a.*b"
    hidden = reloading.redact(text, [secret.Secret("hunter2"), secret.Secret("a.*b"), secret.Secret("")])
    assert hidden == "neighbor 10.0.0.1 password ***\nneighbor x password ***\nthey said *** and ***"


FILE = """\
hostname n1
! a comment
router bgp 64600
 neighbor 10.99.0.1 remote-as 64512
 !
 address-family ipv4 unicast
  network 192.0.2.1/32  route-map class-1
 exit-address-family
exit
!
bfd
 profile x
  minimum-ttl 999
 exit
exit
  nonsense
exit
ip forwarding
"""


def test_what_frr_cannot_read_has_its_place():
    """As vtysh -C of FRR 8.4 and 10.3 says it."""
    output = (
        "line 7: % Unknown command[26]:   network 192.0.2.1/32  route-map class-1\n"
        "line 13: % Unknown command[88]:   minimum-ttl 999\n"
        "line 16: % Unknown command[4]:   nonsense\n"
        "line 17: Warning[4]...: early exit from config file\n"
        "Configuration file[/etc/frr/frr.conf] processing failure: 2\n"
        "line 99: % Unknown command: of another file\n"
    )
    assert [str(each) for each in reloading.located_refusals(FILE, output)] == [
        "unknown command: router bgp 64600 / address-family ipv4 unicast / network 192.0.2.1/32 route-map class-1",
        "unknown command: bfd / profile x / minimum-ttl 999",
        "unknown command: bfd / profile x / nonsense",
        "it would end the reading of the configuration: exit",
    ]
    assert reloading.located_refusals(FILE, "") == ()


def test_refusals_that_cost_something_have_their_place():
    lost = ("router bgp 64600 / neighbor 10.99.0.9  remote-as 5", "router bgp 65001 / neighbor 10.99.0.77 remote-as 1")
    refusals = [
        refusal.Refusal(statement, "no")
        for statement in ("neighbor 10.99.0.9 remote-as 5", "router bgp 65001", "neighbor 10.99.0.1 graceful-restart")
    ]
    assert reloading.blamed(lost, refusals) == (
        refusal.Refusal("router bgp 64600 / neighbor 10.99.0.9 remote-as 5", "no"),
        refusal.Refusal("router bgp 65001", "no"),
    )


@pytest.mark.parametrize(
    "line",
    [
        "router bgp 64600 / neighbor 10.99.0.9 password {}",
        "neighbor 10.99.0.9 password 8 {}",
        "area-password md5 {}",
        "router isis x / domain-password clear {} authenticate snp validate",
        "key chain k / key 1 / key-string {}",
        "interface eth0 / ip ospf authentication-key {}",
        "interface eth0 / ip ospf message-digest-key 1 md5 {}",
        "bgpd refused: neighbor 10.99.0.9 password {}: words of FRR",
    ],
)
@pytest.mark.parametrize("word", ["hunter2", "1234", "7"])
def test_passwords_of_whatever_protocol_are_hidden(line, word):
    shown = reloading.redact(line.format(word), ())
    assert word not in shown.replace("10.99.0.9", "").replace("64600", "").split()
    assert "***" in shown
    assert f" {word}:" not in shown
