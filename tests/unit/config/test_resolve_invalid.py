"""What makes an object unusable: each case names the object, the field and what is allowed, and nothing else is lost."""

from typing import Any

import pytest

from tests.unit.config.documents import document, node, peer, pool, resolved

Json = dict[str, Any]
SELECTOR = {"matchLabels": {"team": "red"}}
GOOD = pool("good", "203.0.113.0/24")


def bgp(name: str = "adv", **more: Any) -> Json:
    created = more.pop("created", "")
    return document("BGPAdvertisement", name, more, created=created)


def l2(name: str = "l2", **more: Any) -> Json:
    return document("L2Advertisement", name, more)


def expression(operator: str | None, *values: str, key: str = "bar") -> Json:
    each: Json = {"key": key, "operator": operator or "", "values": list(values)}
    return {"matchExpressions": [each]}


CASES: list[tuple[str, list[Json], str, str, str]] = [
    # id, documents, kind of the bad object, field, part of the message
    ("pool-without-addresses", [pool("p")], "IPAddressPool", "spec.addresses", "no prefixes defined"),
    ("pool-without-spec", [document("IPAddressPool", "p")], "IPAddressPool", "object", "spec"),
    ("cidr-unparsable", [pool("p", "100.200.300.400/24")], "IPAddressPool", "spec.addresses[0]", "invalid CIDR"),
    ("cidr-too-long", [pool("p", "1.2.3.0/33")], "IPAddressPool", "spec.addresses[0]", "invalid CIDR"),
    ("bare-address", [pool("p", "1.2.3.4")], "IPAddressPool", "spec.addresses[0]", "allowed is a CIDR"),
    ("cidr-with-blank", [pool("p", " 10.0.0.0/8")], "IPAddressPool", "spec.addresses[0]", "invalid CIDR"),
    ("range-backwards", [pool("p", "1.2.3.10-1.2.3.1")], "IPAddressPool", "spec.addresses[0]", "start must come first"),
    ("range-of-two-families", [pool("p", "1.2.3.4-fc00::1")], "IPAddressPool", "spec.addresses[0]", "one family"),
    ("range-with-words", [pool("p", "a-b")], "IPAddressPool", "spec.addresses[0]", "start IP"),
    (
        "overlap-same-pool",
        [pool("p", "10.0.0.0/8", "10.1.0.0/16")],
        "IPAddressPool",
        "spec.addresses[1]",
        "overlaps with already defined CIDR",
    ),
    (
        "overlap-other-pool",
        [pool("a", "10.0.0.0/8"), pool("b", "10.0.0.0/16")],
        "IPAddressPool",
        "spec.addresses[0]",
        "overlaps with already defined CIDR",
    ),
    (
        "namespaces-twice",
        [pool("p", "1.2.3.0/24", spec={"serviceAllocation": {"namespaces": ["a", "a"]}})],
        "IPAddressPool",
        "spec.serviceAllocation.namespaces[1]",
        "duplicate definition of namespaces",
    ),
    (
        "namespace-selectors-twice",
        [pool("p", "1.2.3.0/24", spec={"serviceAllocation": {"namespaceSelectors": [SELECTOR, SELECTOR]}})],
        "IPAddressPool",
        "spec.serviceAllocation.namespaceSelectors[1]",
        "duplicate definition of namespaceSelectors",
    ),
    (
        "values-twice",
        [pool("p", "1.2.3.0/24", spec={"serviceAllocation": {"serviceSelectors": [expression("In", "x", "x")]}})],
        "IPAddressPool",
        "spec.serviceAllocation.serviceSelectors[0].matchExpressions[0].values",
        "duplicate",
    ),
    ("peer-address", [peer("p", "1.2.3.400")], "BGPPeer", "spec.peerAddress", "invalid BGPPeer address"),
    ("peer-my-asn", [peer("peer1", my_asn=0)], "BGPPeer", "spec.myASN", "missing local ASN"),
    ("peer-no-asn", [peer("p", asn=0)], "BGPPeer", "spec.peerASN", "missing peer ASN"),
    ("peer-two-asns", [peer("p", dynamicASN="external")], "BGPPeer", "spec.peerASN", "only one is allowed"),
    ("peer-multihop-internal", [peer("p", asn=42, ebgpMultiHop=True)], "BGPPeer", "spec.ebgpMultiHop", "multi-hop"),
    (
        "peer-keepalive",
        [peer("p", holdTime="30s", keepaliveTime="90s")],
        "BGPPeer",
        "spec.keepaliveTime",
        "must be lower than holdTime",
    ),
    ("peer-hold", [peer("p", holdTime="1s")], "BGPPeer", "spec.holdTime", "must be 0 or >=3s"),
    ("peer-hold-text", [peer("p", holdTime="soon")], "BGPPeer", "spec.holdTime", "not a duration"),
    ("peer-router-id", [peer("p", routerID="garbage")], "BGPPeer", "spec.routerID", "invalid router ID"),
    ("peer-source", [peer("p", sourceAddress="here")], "BGPPeer", "spec.sourceAddress", "invalid source address"),
    (
        "peer-selector-without-key",
        [peer("p", nodeSelectors=[expression("In", "x", key="")])],
        "BGPPeer",
        "spec.nodeSelectors[0].matchExpressions[0].key",
        "required",
    ),
    (
        "peer-selector-without-operator",
        [peer("p", nodeSelectors=[expression(None, "x")])],
        "BGPPeer",
        "spec.nodeSelectors[0].matchExpressions[0].operator",
        "allowed: In",
    ),
    (
        "peer-selector-operator",
        [peer("p", nodeSelectors=[expression("surrounds", "x")])],
        "BGPPeer",
        "spec.nodeSelectors[0].matchExpressions[0].operator",
        '"surrounds"',
    ),
    (
        "peer-selector-values",
        [peer("p", nodeSelectors=[expression("In", "q", "q")])],
        "BGPPeer",
        "spec.nodeSelectors[0].matchExpressions[0].values",
        "duplicate",
    ),
    ("peer-neither", [peer("p", address=None)], "BGPPeer", "spec.peerAddress", "neither is set"),
    ("peer-both", [peer("p", interface="net0")], "BGPPeer", "spec.peerAddress", "both are set"),
    (
        "peer-passwords",
        [peer("p", password="a", passwordSecret={"name": "s"})],
        "BGPPeer",
        "spec.password",
        "only one is allowed",
    ),
    (
        "peer-secret-missing",
        [peer("p", passwordSecret={"name": "s"})],
        "BGPPeer",
        "spec.passwordSecret.name",
        'secret ref not found for peer config "metallb-system"/"p"\nfailed to parse peer p password secret',
    ),
    (
        "peer-secret-type",
        [peer("p", passwordSecret={"name": "s"}), document("Secret", "s", type="Opaque")],
        "BGPPeer",
        "spec.passwordSecret.name",
        'secret type mismatch on "metallb-system"/"s", type "kubernetes.io/basic-auth" is expected \nfailed',
    ),
    (
        "peer-secret-key",
        [peer("p", passwordSecret={"name": "s"}), document("Secret", "s", type="kubernetes.io/basic-auth")],
        "BGPPeer",
        "spec.passwordSecret.name",
        "key password is required",
    ),
    (
        "peer-password-blank",
        [peer("p", password="two words")],
        "BGPPeer",
        "spec.password",
        "printable characters without blanks",
    ),
    ("peer-password-long", [peer("p", password="x" * 81)], "BGPPeer", "spec.password", "1 to 80 printable"),
    ("peer-vrf-lines", [peer("p", vrf="red\nrouter bgp 1")], "BGPPeer", "spec.vrf", "is not a name"),
    (
        "peer-interface-blank",
        [peer("p", address=None, interface="eth 0")],
        "BGPPeer",
        "spec.interface",
        "is not a name",
    ),
    (
        "peer-bfd",
        [peer("p", bfdProfile="fast")],
        "BGPPeer",
        "spec.bfdProfile",
        "peer p referencing non existing bfd profile fast",
    ),
    (
        "peers-same-address",
        [peer("p1"), peer("p2")],
        "BGPPeer",
        "spec.peerAddress",
        "peer 1.2.3.4 already exists, FRR mode doesn't support duplicate BGPPeers",
    ),
    (
        "peers-router-ids",
        [peer("p1", routerID="1.1.1.1"), peer("p2", "1.2.3.5")],
        "BGPPeer",
        "spec.routerID",
        "same router ID",
    ),
    ("peers-asns", [peer("p1"), peer("p2", "1.2.3.5", my_asn=43)], "BGPPeer", "spec.myASN", "same myASN"),
    (
        "bfd-low",
        [document("BFDProfile", "b", {"receiveInterval": 2})],
        "BFDProfile",
        "spec.receiveInterval",
        "10 to 60000 is allowed",
    ),
    (
        "bfd-high",
        [document("BFDProfile", "b", {"receiveInterval": 90000})],
        "BFDProfile",
        "spec.receiveInterval",
        "invalid value 90000",
    ),
    (
        "ad-aggregation",
        [GOOD, bgp(aggregationLength=34)],
        "BGPAdvertisement",
        "spec.aggregationLength",
        "invalid aggregation length 34",
    ),
    (
        "ad-aggregation-pool",
        [pool("p", "1.1.0.0/24", "1.1.1.0/28"), bgp(aggregationLength=26)],
        "BGPAdvertisement",
        "spec.aggregationLength",
        "invalid aggregation length 26: prefix 28 in this pool is more specific than the aggregation length for addresses 1.1.1.0/28",
    ),
    (
        "ad-aggregation-range",
        [pool("p", "3.3.3.2-3.3.3.254"), bgp(aggregationLength=24)],
        "BGPAdvertisement",
        "spec.aggregationLength",
        "more specific",
    ),
    (
        "ad-local-pref",
        [
            GOOD,
            bgp("a1", localPref=100, ipAddressPools=["good"]),
            bgp("a2", localPref=200, ipAddressPools=["good"]),
            node("n1"),
        ],
        "BGPAdvertisement",
        "spec.localPref",
        "advertisement a1 gives 100",
    ),
    (
        "ad-pool-twice",
        [GOOD, bgp(ipAddressPools=["good", "good"])],
        "BGPAdvertisement",
        "spec.ipAddressPools[1]",
        "duplicate definition of ipAddressPools",
    ),
    (
        "l2-pool-twice",
        [GOOD, l2(ipAddressPools=["good", "good"])],
        "L2Advertisement",
        "spec.ipAddressPools[1]",
        "duplicate definition of ipAddressPools",
    ),
    ("ad-peer-twice", [bgp(peers=["a", "a"])], "BGPAdvertisement", "spec.peers[1]", "duplicate definition of peers"),
    (
        "ad-community-word",
        [bgp(communities=["community"])],
        "BGPAdvertisement",
        "spec.communities[0]",
        'invalid community format: community\ninvalid community "community" in BGP advertisement',
    ),
    (
        "ad-community-number",
        [bgp(communities=["1234"])],
        "BGPAdvertisement",
        "spec.communities[0]",
        "invalid community format",
    ),
    (
        "ad-community-high",
        [bgp(communities=["99999999:1"])],
        "BGPAdvertisement",
        "spec.communities[0]",
        "invalid community value: invalid section",
    ),
    (
        "ad-community-low",
        [bgp(communities=["1:99999999"])],
        "BGPAdvertisement",
        "spec.communities[0]",
        "invalid community value: invalid section",
    ),
    (
        "ad-community-three",
        [bgp(communities=["1:2:3"])],
        "BGPAdvertisement",
        "spec.communities[0]",
        "invalid community format",
    ),
    (
        "ad-community-marker",
        [bgp(communities=["larg:1:2:3"])],
        "BGPAdvertisement",
        "spec.communities[0]",
        "invalid marker for large community",
    ),
    (
        "ad-community-twice",
        [bgp(communities=["1:2", "1:2"])],
        "BGPAdvertisement",
        "spec.communities[1]",
        "duplicate definition of communities",
    ),
    (
        "alias-number",
        [document("Community", "c", {"communities": [{"name": "x", "value": "1234"}]})],
        "Community",
        "spec.communities[0].value",
        "invalid community format",
    ),
    (
        "alias-high",
        [document("Community", "c", {"communities": [{"name": "x", "value": "99999999:1"}]})],
        "Community",
        "spec.communities[0].value",
        "invalid section",
    ),
    (
        "alias-twice",
        [document("Community", "c", {"communities": [{"name": "x", "value": "1:1"}, {"name": "x", "value": "1:2"}]})],
        "Community",
        "spec.communities[1].name",
        "duplicate definition of community",
    ),
    (
        "alias-in-two",
        [document("Community", name, {"communities": [{"name": "x", "value": "1:1"}]}) for name in ("c1", "c2")],
        "Community",
        "spec.communities[0].name",
        "already defined by Community metallb-system/c1",
    ),
    (
        "selectors-and-aggregation",
        [bgp(serviceSelectors=[SELECTOR], aggregationLength=24)],
        "BGPAdvertisement",
        "spec.aggregationLength",
        "serviceSelectors and aggregationLength are mutually exclusive",
    ),
    (
        "selectors-and-aggregation-v6",
        [bgp(serviceSelectors=[SELECTOR], aggregationLengthV6=64)],
        "BGPAdvertisement",
        "spec.aggregationLengthV6",
        "serviceSelectors and aggregationLengthV6 are mutually exclusive",
    ),
    (
        "service-selectors-twice",
        [bgp(serviceSelectors=[SELECTOR, SELECTOR])],
        "BGPAdvertisement",
        "spec.serviceSelectors[1]",
        "duplicate definition of serviceSelectors",
    ),
    (
        "pool-selectors-twice",
        [l2(ipAddressPoolSelectors=[SELECTOR, SELECTOR])],
        "L2Advertisement",
        "spec.ipAddressPoolSelectors[1]",
        "duplicate definition of ipAddressPoolSelectors",
    ),
    (
        "node-selectors-twice",
        [l2(nodeSelectors=[SELECTOR, SELECTOR])],
        "L2Advertisement",
        "spec.nodeSelectors[1]",
        "duplicate definition of nodeSelectors",
    ),
    (
        "expressions-twice",
        [
            bgp(
                nodeSelectors=[
                    {
                        "matchExpressions": [
                            {"key": "h", "operator": "In", "values": ["a", "b"]},
                            {"key": "h", "operator": "In", "values": ["b", "a"]},
                        ]
                    }
                ]
            )
        ],
        "BGPAdvertisement",
        "spec.nodeSelectors[0].matchExpressions[1]",
        "duplicate definition of match expression",
    ),
    (
        "preference-operator",
        [l2(preferredNodeSelectors=[{"weight": 1, "preference": expression("near")}])],
        "L2Advertisement",
        "spec.preferredNodeSelectors[0].preference.matchExpressions[0].operator",
        '"near"',
    ),
    (
        "echo-and-ipv6",
        [pool("v6", "fc00::/120"), bgp(), peer("p", bfdProfile="e"), document("BFDProfile", "e", {"echoMode": True})],
        "BGPAdvertisement",
        "spec.peers",
        "bfd echo enabled",
    ),
]


@pytest.mark.parametrize(
    ("documents", "kind", "field", "part"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_mistake_is_one_problem_that_names_object_and_field(documents, kind, field, part):
    answer = resolved(documents)
    assert [(problem.ref.kind, problem.field) for problem in answer.problems] == [(kind, field)]
    assert part in answer.problems[0].message
    assert answer.problems[0].line.startswith(f"{kind} metallb-system/")


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_one_bad_object_takes_nothing_else_down(case):
    healthy = [
        pool("healthy", "198.51.100.0/24"),
        peer("healthy", "198.18.0.1", vrf="other"),
        document("L2Advertisement", "healthy", {"ipAddressPools": ["healthy"]}),
        document("BGPAdvertisement", "healthy", {"ipAddressPools": ["healthy"], "peers": ["healthy"]}),
    ]
    if "routerID" in str(case[1]):
        healthy = [each for each in healthy if each["kind"] != "BGPPeer"]
    kept = resolved([*case[1], *healthy]).configuration
    assert "healthy" in {pool.name for pool in kept.pools}
    assert "healthy" in {each.name for each in kept.l2_advertisements}
    assert frozenset({"healthy"}) in {each.pools for each in kept.bgp_advertisements if each.name == "healthy"}
    assert ("healthy" in {each.name for each in kept.peers}) == any(each["kind"] == "BGPPeer" for each in healthy)
