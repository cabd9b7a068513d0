import dataclasses
import ipaddress

import pytest

from frr_adapter.boundary import files
from frr_adapter.frr import config, fingerprint, masking, render, show
from frr_adapter.secret import Secret

PASSWORD = "ge heim"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (" neighbor 10.0.0.1 password ge heim", " neighbor 10.0.0.1 password ***"),
        ("enable password 8 sdf82", "enable password ***"),
        ("  key-string geheim", "  key-string ***"),
        (" ip ospf message-digest-key 1 md5 geheim", " ip ospf message-digest-key ***"),
        (" ip ospf authentication-key geheim", " ip ospf authentication-key ***"),
        (" ip rip authentication string ge heim", " ip rip authentication string ***"),
        (" area-password clear geheim authenticate snp validate", " area-password ***"),
        ("! neighbor x password geheim", "! neighbor x password ***"),
        (" neighbor 10.0.0.1 remote-as 64512", " neighbor 10.0.0.1 remote-as 64512"),
        ("no service password-encryption", "no service password-encryption"),
        ("key chain passwords", "key chain passwords"),
    ],
)
def test_what_follows_the_words_for_a_password_is_hidden(line, shown):
    assert masking.text(f"before\n{line}\nafter\n") == f"before\n{shown}\nafter\n"


def wanted() -> config.FrrConfig:
    neighbor = config.Neighbor(("r",), "10.0.0.1", "64512", password=Secret(PASSWORD))
    plain = config.Neighbor(("s",), "10.0.0.2", "64512")
    family = config.AddressFamily("ipv4", (config.Origination(ipaddress.ip_network("192.0.2.0/32"), "class-1"),))
    extras = ("router bgp 64600", f" neighbor 10.0.0.9 password {PASSWORD}", f"! {PASSWORD} is the one of all routers")
    return config.FrrConfig(
        "n1",
        routers=(config.Router(64600, neighbors=(neighbor, plain), families=(family,)),),
        extras=(*extras, " neighbor 10.0.0.8 password another"),
    )


def test_a_masked_configuration_is_the_same_but_for_its_passwords():
    before, templates = wanted(), files.read_templates()
    masked = render.render(masking.configuration(before), templates)
    plain = render.render(before, templates)
    assert PASSWORD in plain
    assert PASSWORD not in masked
    assert "another" not in masked
    assert masked.count("***") == 4
    lines = list(zip(plain.splitlines(), masked.splitlines(), strict=True))
    assert [after for before, after in lines if before != after] == [
        " neighbor 10.0.0.1 password ***",
        " neighbor 10.0.0.9 password ***",
        "! *** is the one of all routers",
        " neighbor 10.0.0.8 password ***",
    ]


def test_masking_leaves_the_original_alone():
    before = wanted()
    masking.configuration(before)
    assert [each.reveal() for each in before.secrets] == [PASSWORD]


def test_a_password_that_is_also_a_number_does_not_hide_others():
    neighbor = config.Neighbor(("r",), "10.0.0.1", "64512", password=Secret("1"))
    before = config.FrrConfig("n1", routers=(config.Router(64601, neighbors=(neighbor,)),))
    masked = render.render(masking.configuration(before), files.read_templates())
    assert "router bgp 64601" in masked
    assert "neighbor 10.0.0.1 password ***" in masked


def test_without_passwords_nothing_changes():
    plain = dataclasses.replace(wanted(), extras=(), routers=())
    assert masking.configuration(plain) == plain


def test_questions_about_what_was_told_and_their_answers():
    session = show.Session("default", "10.0.0.1", "Established")
    assert show.advertised_command(session, "ipv4") == (
        "show bgp ipv4 unicast neighbors 10.0.0.1 advertised-routes json"
    )
    red = dataclasses.replace(session, vrf="red", neighbor="eth0")
    assert show.advertised_command(red, "ipv6") == (
        "show bgp vrf red ipv6 unicast neighbors eth0 advertised-routes json"
    )
    answer = '{"bgpTableVersion":1,"advertisedRoutes":{"192.0.2.1/32":{"weight":0}},"totalPrefixCounter":1}'
    assert show.advertised_prefixes(answer) == ("192.0.2.1/32",)
    assert show.advertised_prefixes('{"warning":"no such neighbor"}') == ()
    assert show.advertised_prefixes("") == ()
    with pytest.raises(ValueError, match="malformed"):
        show.advertised_prefixes("% what?")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("FRRouting 8.4.4 (n1) on Linux(6.1).\nCopyright", "8.4.4"),
        ("FRRouting 10.3 (n1).", "10.3"),
        ("FRRouting 10.4-dev-g123 (n1).", "10.4-dev-g123"),
        ("Quagga 1", ""),
    ],
)
def test_the_version(text, version):
    assert show.version(text) == version


@pytest.mark.parametrize(
    "line",
    [
        "neighbor 10.0.0.1 passw hunter2",
        "neighbor 10.0.0.1 pasword hunter2",
        "neighbor 10.0.0.1 password two hunter2",
        "ip nhrp auth hunter2",
        "ip ospf message-digest-k 1 md5 hunter2",
    ],
)
def test_words_that_are_cut_short_or_mistyped(line):
    mine = config.FrrConfig("n1", extras=(line,))
    assert "hunter2" not in masking.text(line)
    assert "hunter2" not in repr(masking.configuration(mine))
    other = config.FrrConfig("n1", extras=(line.replace("hunter2", "***-0123456789ab"),))
    assert fingerprint.fingerprint(mine) == fingerprint.fingerprint(other)
