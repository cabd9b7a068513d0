"""Claims on named addresses: one long story over a ledger (allocator cases A1 to A50)."""

import pytest

from controller import values
from controller.core import allocate, pool_choice
from controller.core import ledger as ledgers
from controller.core import request as requests
from frr_adapter import addresses
from frr_adapter.model import service as services
from tests import build

TEAM = build.selector(team="metallb")
FOO = build.selector(foo="bar")

POOLS = (
    build.pool("test", "1.2.3.4/31", "1000::4/127"),
    build.pool("test2", "1.2.4.0/24", "1000::4:0/120", avoid_buggy_ips=True),
    build.pool("test3", "1.2.5.0/24", "1000::5:0/120", avoid_buggy_ips=True, allocation=build.allocation("test-ns1")),
    build.pool("test4", "1.2.6.0/24", avoid_buggy_ips=True, allocation=build.allocation(service_selectors=[TEAM])),
    build.pool(
        "test5",
        "1.2.7.0/24",
        avoid_buggy_ips=True,
        allocation=build.allocation("test-ns1", priority=20, service_selectors=[TEAM]),
    ),
    build.pool(
        "test6",
        "1.2.8.0/24",
        avoid_buggy_ips=True,
        allocation=build.allocation("test-ns2", priority=20, service_selectors=[FOO]),
    ),
)


def ask(key, *, namespace="default", labels=None, port="tcp/8080", sharing="", backend=""):
    return requests.Request(
        key=key,
        namespace=namespace,
        labels=build.labels(labels),
        families=(addresses.Family.IPV4,),
        primary=addresses.Family.IPV4,
        policy=services.FamilyPolicy.SINGLE,
        ips=(),
        pool="",
        sharing=sharing,
        backend=backend,
        ports=(build.port(port),),
    )


def claim(ledger, key, texts, **wishes):
    """Claims the addresses; the reason when that is refused."""
    ips = tuple(addresses.parse_address(text) for text in texts.split(","))
    found = allocate.stake(ask(key, **wishes), ips, ledger)
    if isinstance(found, values.Refused):
        return found.why
    ledger.record(found)
    return None


IN_USE = values.Refusal.ADDRESS_IN_USE
OUTSIDE = values.Refusal.NOT_IN_CONFIG
CLOSED = values.Refusal.POOL_NOT_COMPATIBLE
SHARE = {"sharing": "share", "backend": "backend"}


def sharing_story(number, first, second):
    """A12 to A21 and, over IPv6, A31 to A40."""
    names = [f"A{number + step}" for step in range(10)]
    return [
        (names[0], "s4", first, {"port": "tcp/80", "sharing": "sharing", "backend": "backend"}, None),
        (names[1], "s4", first, {"port": "tcp/80", **SHARE}, None),
        (names[2], "s3", first, {"port": "tcp/80", **SHARE}, IN_USE),
        (names[3], "s3", first, {"port": "tcp/443", "sharing": "othershare", "backend": "backend"}, IN_USE),
        (names[4], "s3", first, {"port": "tcp/443", "sharing": "share", "backend": "otherbackend"}, IN_USE),
        (names[5], "s3", first, {"port": "tcp/443", **SHARE}, None),
        (names[6], "s3", first, {"port": "udp/53", **SHARE}, None),
        (names[7], "s3", first, {"port": "tcp/443", "sharing": "othershare", "backend": "backend"}, IN_USE),
        (names[8], "s3", first, {"port": "tcp/443", "sharing": "share", "backend": "otherbackend"}, IN_USE),
        (names[9], "s4", second, {}, None),
    ]


STORY = [
    ("A1", "s1", "1.2.3.4", {}, None),
    ("A2", "s1", "1.2.3.4", {}, None),
    ("A3", "s2", "1.2.3.4", {}, IN_USE),
    ("A4", "s2", "1.2.3.5", {}, None),
    ("A5", "s1", "1.2.3.5", {}, IN_USE),
    ("A6", "s1", "", {}, None),
    ("A7", "s2", "1.2.3.4", {}, None),
    ("A8", "s1", "1.2.3.5", {}, None),
    ("A9", "s3", "1.2.4.0", {}, OUTSIDE),
    ("A10", "s3", "1.2.4.255", {}, OUTSIDE),
    ("A11", "s3", "1.2.4.254", {}, None),
    *sharing_story(12, "1.2.4.3", "1.2.4.254"),
    ("A22", "s1", "1000::4", {}, None),
    ("A23", "s1", "1000::4", {}, None),
    ("A24", "s2", "1000::4", {}, IN_USE),
    ("A25", "s2", "1000::4:5", {}, None),
    ("A26", "s1", "1000::4:5", {}, IN_USE),
    ("A27", "s1", "", {}, None),
    ("A28", "s2", "1000::4", {}, None),
    ("A29", "s1", "1000::4:5", {}, None),
    ("A30", "s3", "1000::4:ff", {}, None),
    *sharing_story(31, "1000::4:3", "1000::4:ff"),
    ("A41", "s2", "", {}, None),
    ("A42", "s1", "1.2.3.4,1000::4", {}, None),
    ("A43", "s1", "1.2.4.5,1000::4", {}, OUTSIDE),
    ("A44", "s5", "1.2.5.10", {"namespace": "test-ns1"}, None),
    ("A45", "s6", "1.2.5.10", {"namespace": "other"}, CLOSED),
    ("A46", "s7", "1.2.6.10", {"labels": {"team": "metallb"}}, None),
    ("A47", "s8", "1.2.6.10", {"labels": {"team": "red"}}, CLOSED),
    ("A48", "s9", "1.2.7.10", {"namespace": "test-ns1", "labels": {"team": "metallb"}}, None),
    ("A49", "s10", "1.2.8.10", {"namespace": "test-ns2", "labels": {"team": "metallb"}}, CLOSED),
    ("A50", "s11", "1.2.8.10", {"namespace": "other", "labels": {"foo": "bar"}}, CLOSED),
]


def test_story_of_claims():
    ledger = ledgers.Ledger(pool_choice.Catalog(POOLS))
    for name, key, texts, wishes, expected in STORY:
        before = dict(ledger.claims)
        if not texts:
            assert ledger.release(key) is not None, name
            continue
        assert claim(ledger, key, texts, **wishes) == expected, name
        if expected is None:
            assert ",".join(map(str, ledger.claims[key].ips)) == texts, name
        else:
            assert dict(ledger.claims) == before, name


def test_both_sharers_hold_the_address():
    ledger = ledgers.Ledger(pool_choice.Catalog(POOLS))
    assert claim(ledger, "s4", "1.2.4.3", port="tcp/80", **SHARE) is None
    assert claim(ledger, "s3", "1.2.4.3", port="tcp/443", **SHARE) is None
    assert ledger.holders(addresses.parse_address("1.2.4.3")) == ("s3", "s4")
    assert ledger.in_use("test2", addresses.Family.IPV4) == 1


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"port": "tcp/80", **SHARE}, 'port TCP/80 is already in use on "1.2.4.3" by s4'),
        ({"port": "tcp/443"}, 'cannot change sharing key for "s3", address "1.2.4.3" also in use by s4'),
    ],
)
def test_refusals_name_the_holders(wishes, sentence):
    ledger = ledgers.Ledger(pool_choice.Catalog(POOLS))
    assert claim(ledger, "s4", "1.2.4.3", port="tcp/80", **SHARE) is None
    found = allocate.stake(ask("s3", **wishes), (addresses.parse_address("1.2.4.3"),), ledger)
    assert isinstance(found, values.Refused)
    assert found.detail == sentence
    assert [verdict.pool for verdict in found.verdicts] == ["test2"]


def test_key_without_value_never_shares():
    ledger = ledgers.Ledger(pool_choice.Catalog(POOLS))
    assert claim(ledger, "s1", "1.2.3.4", port="tcp/80") is None
    assert claim(ledger, "s2", "1.2.3.4", port="tcp/443") is IN_USE


def test_protocols_do_not_collide():
    ledger = ledgers.Ledger(pool_choice.Catalog(POOLS))
    assert claim(ledger, "s1", "1.2.3.4", port="tcp/53", sharing="dns") is None
    assert claim(ledger, "s2", "1.2.3.4", port="udp/53", sharing="dns") is None
