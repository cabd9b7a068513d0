"""Rows of the compatibility tables that have a past: one change after another, told to a whole speaker on an in-memory cluster.

What is compared is what each neighbor hears: what is originated, met by the neighbor's own policy.
"""

import base64
from collections import Counter

import pytest

from frr_adapter import refs
from tests.cycle import world
from tests.cycle.objects import advertisement, endpoints, metadata, node, peer, pool, service
from tests.fakes.cluster import Cluster

ONE, TWO = "10.99.0.1", "10.99.0.2"
IP = "192.0.2.1"
PLAIN = (None, "")
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
SPACE = {"kind": "Namespace", "metadata": metadata("default", "")}


def heard(config):
    """Neighbor -> prefix -> (local preference, communities). A second statement about one neighbor or prefix is an error."""
    found = {}
    for router in config.routers:
        assert Counter(each.name for each in router.neighbors).most_common(1)[0][1] == 1
        found |= {each.name: {} for each in router.neighbors}
        for family in router.families:
            policies = {each.policy: each.prefix for each in family.originations}
            assert len({each.prefix for each in family.originations}) == len(family.originations)
            assert policies.keys() <= {each.name for each in config.classes}
            for active in family.activations:
                (policy,) = (each for each in config.policies if each.outbound == active.outbound)
                entries = {each.tag: each for each in policy.entries}
                tags = {each.name: each.tag for each in config.classes}
                for each in family.originations:
                    entry = entries.get(tags[each.policy])
                    if entry is not None:
                        words = " ".join((*entry.communities, *entry.large_communities))
                        found[active.neighbor][str(each.prefix)] = (entry.local_preference, words)
    return found


class Story:
    """A speaker on node n1 and the cluster around it."""

    def __init__(self, made, program):
        self.made = made
        self.program = program

    @property
    def applies(self):
        return len(self.program.applier.applied)

    def heard(self):
        return heard(self.program.applier.applied[-1]) if self.program.applier.applied else None

    async def then(self, expected, *documents, without=()):
        """Puts and removes objects; what neighbors hear becomes the expected, and stays it."""
        for ref in without:
            self.made.remove(ref)
        for document in documents:
            self.made.put(document)
        await world.eventually(lambda: self.heard() == expected)
        await self.program.settle()
        assert self.heard() == expected

    async def still(self, *documents):
        """These objects change nothing: FRR is not even asked."""
        before, expected = self.applies, self.heard()
        await self.then(expected, *documents)
        assert self.applies == before


@pytest.fixture
async def story():
    made = Cluster()
    for document in (SPACE, node("n1"), node("n2")):
        made.put(document)
    async with world.speaker(made) as program:
        await program.settle()
        yield Story(made, program)


def slices(name, number, *conditions):
    """One slice; each endpoint is (node, conditions) or (node, conditions, address)."""
    made = endpoints(name)
    made["metadata"]["name"] = f"{name}-{number}"
    made["endpoints"] = [
        {"addresses": [(*rest, f"10.244.{number}.{index}")[0]], "nodeName": where, "conditions": said}
        for index, (where, said, *rest) in enumerate(conditions, 1)
    ]
    return made


def ref(kind, name, namespace=world.NAMESPACE):
    return refs.ObjectRef(kind, namespace, name)


READY, UNREADY = {"ready": True}, {"ready": False}
NETWORK = pool("default", "192.0.2.0/24")
WEB = service("test1", ips=(IP,))
LOCAL = service("test1", ips=(IP,), externalTrafficPolicy="Local")
GONE = [ref("EndpointSlice", f"test1-{number}", "default") for number in (1, 2)]


async def test_b1_b4_both_protocols_go_their_own_ways(story):
    made, program = story.made, story.program
    for document in (
        service("test1", ips=(IP,), externalTrafficPolicy="Local"),
        endpoints("test1", "n1"),
        service("test2", ips=("192.0.2.2",), externalTrafficPolicy="Local"),
        endpoints("test2", "n1"),
    ):
        made.put(document)
    await program.settle()
    assert story.heard() == {}

    def layer2():
        return {str(entry.address) for entry in program.announcer.plans[-1].entries}

    def announced(protocol):
        return program.metric("metallb_speaker_announced", service="default/test1", protocol=protocol)

    # B1: the first configuration concerns every service that was there before it. B2: both protocols announce.
    everything = {f"{IP}/32": PLAIN, "192.0.2.2/32": PLAIN}
    both = [advertisement("BGPAdvertisement"), advertisement("L2Advertisement")]
    await story.then({ONE: everything}, NETWORK, peer(), *both)
    assert layer2() == {IP, "192.0.2.2"}
    assert (announced("bgp"), announced("layer2")) == (1, 1)
    # B3: layer 2 is no longer willing, which is nothing to BGP.
    before = story.applies
    await story.then({ONE: everything}, without=[ref("L2Advertisement", "all")])
    await world.eventually(lambda: layer2() == set())
    assert (announced("bgp"), announced("layer2")) == (1, None)
    assert story.applies == before
    # B4: neither is.
    await story.then({ONE: {}}, without=[ref("BGPAdvertisement", "all")])
    assert (announced("bgp"), announced("layer2")) == (None, None)


async def test_b10_b21_life_of_a_service_and_its_endpoints(story):
    there, silent = {ONE: {f"{IP}/32": PLAIN}}, {ONE: {}}
    await story.then({}, {**WEB, "metadata": {**WEB["metadata"], "labels": {"a": "b"}}})  # B10: nothing is configured
    await story.then(silent, NETWORK, peer(), advertisement("BGPAdvertisement"), service("test1"))  # B11
    await story.then(silent, service("test1", ips=(IP,), type="ClusterIP"))  # B12
    await story.then(there, WEB, slices("test1", 1, ("n2", READY)))  # B13
    await story.then(silent, LOCAL)  # B14
    await story.then(there, slices("test1", 2, ("n1", READY)))  # B15
    pod = "10.244.0.9"
    # B16: one pod, unready in one slice and ready in the other.
    both = slices("test1", 1, ("n1", UNREADY, pod)), slices("test1", 2, ("n1", READY, pod))
    await story.then(there, *both)
    await story.then(silent, WEB, without=GONE)  # B17
    await story.then(silent, slices("test1", 1, ("n2", UNREADY)))  # B18
    await story.then(there, slices("test1", 1, ("n2", READY), ("n1", UNREADY)))  # B19
    await story.then(silent, slices("test1", 1, ("n2", UNREADY), ("n1", UNREADY)))
    await story.then(
        there, slices("test1", 1, ("n2", {"ready": False, "serving": True}))
    )  # B20: it ends, but still serves
    await story.still(slices("test1", 1, ("n2", {"ready": True, "serving": False})))  # B21
    await story.still(slices("test1", 1, ("n2", {})))  # who says nothing is ready
    # Readiness of the node is never looked at.
    await story.still({**node("n2"), "status": {"conditions": [{"type": "Ready", "status": "False"}]}})


async def test_b22_b24_advertisements_come_get_narrower_and_name_peers(story):
    exact = {"localPref": 100, "communities": ["0:2345", "0:1234"]}
    wide = {"localPref": 1000, "aggregationLength": 24}
    host, net = {f"{IP}/32": (100, "0:1234 0:2345")}, {"192.0.2.0/24": (1000, "")}
    both = [advertisement("BGPAdvertisement", "exact", **exact), advertisement("BGPAdvertisement", "wide", **wide)]
    await story.then({ONE: host | net}, NETWORK, peer("peer1"), *both, WEB, endpoints("test1", "n2"))  # B22
    elsewhere = [{"matchLabels": {"kubernetes.io/hostname": "n2"}}]
    await story.then({ONE: host}, advertisement("BGPAdvertisement", "wide", **wide, nodeSelectors=elsewhere))  # B23
    named = advertisement("BGPAdvertisement", "exact", **exact, peers=["peer1"])
    await story.then({ONE: host | net}, both[1], named)  # B24
    # Peers are named by their objects, never by their addresses.
    await story.then({ONE: net}, advertisement("BGPAdvertisement", "exact", **exact, peers=[ONE]))


async def test_b25_b31_two_services_and_two_peers(story):
    first, second, renamed = peer("peer1"), peer("peer2", peerAddress=TWO), peer("peer3", peerAddress=TWO)
    one, two = {f"{IP}/32": PLAIN}, {f"{IP}/32": PLAIN, "192.0.2.5/32": PLAIN}
    await story.then(
        {ONE: one, TWO: one}, NETWORK, first, second, advertisement("BGPAdvertisement"), WEB, endpoints("test1", "n2")
    )  # B25
    await story.still(service("test2"), endpoints("test2", "n1"))  # B26
    await story.then({ONE: two, TWO: two}, service("test2", ips=("192.0.2.5",)))  # B27
    await story.then(
        {ONE: one, TWO: one}, service("test2", ips=(IP,))
    )  # B28: one statement for all who share an address

    def owners():
        (family,) = (each for each in story.program.applier.applied[-1].routers[0].families if each.originations)
        return [each.services for each in family.originations]

    assert owners() == [("default/test1", "default/test2")]
    await story.then({ONE: one, TWO: one}, without=[ref("Service", "test1", "default")])  # B29
    await world.eventually(lambda: owners() == [("default/test2",)])
    gone = [ref("BGPPeer", "peer1"), ref("BGPPeer", "peer2")]
    await story.then({TWO: one}, renamed, without=gone)  # B30
    await story.then({TWO: {}}, without=[ref("Service", "test2", "default")])  # B31


async def test_the_addresses_of_a_service_change_all_at_once(story):
    fixed = [NETWORK, peer(), advertisement("BGPAdvertisement"), endpoints("test1", "n1")]
    await story.then({ONE: {f"{IP}/32": PLAIN}}, *fixed, WEB)
    await story.then({ONE: {"192.0.2.7/32": PLAIN}}, service("test1", ips=("192.0.2.7",)))
    # One address outside of every pool, or none that can be read, and nothing is announced any more.
    await story.then({ONE: {}}, service("test1", ips=("192.0.2.7", "203.0.113.1")))
    await story.then({ONE: {"192.0.2.7/32": PLAIN}}, service("test1", ips=("192.0.2.7",)))
    await story.then({ONE: {}}, service("test1", ips=("",)))


def chosen(*selectors):
    return peer("peer2", peerAddress=TWO, nodeSelectors=list(selectors))


IS_BAR = {"matchLabels": {"foo": "bar"}}
BAR_OR_BAZ = {"matchExpressions": [{"key": "foo", "operator": "In", "values": ["bar", "baz"]}]}
FRONTEND = {"matchLabels": {"host": "frontend"}}


async def test_b40_b48_a_session_exists_while_its_peer_selects_the_node(story):
    alone, both = {ONE: {}}, {ONE: {}, TWO: {}}
    assert story.heard() == {}  # B40
    await story.then(alone, peer("peer1"))  # B41
    await story.still(chosen(IS_BAR))  # B42
    await story.then(both, node("n1", foo="bar"))  # B43
    await story.then(alone, node("n1", foo="baz"))  # B44
    await story.then(both, chosen(BAR_OR_BAZ))  # B45
    await story.still(node("n1", foo="bar"))  # B46
    await story.still(chosen(FRONTEND, BAR_OR_BAZ))  # B47
    await story.still(node("n1", host="frontend"))  # B48
    await story.then(alone, node("n1"))


@pytest.mark.parametrize("name", ["n1", "n2"])
@pytest.mark.parametrize(("flags", "expected"), [((), {}), (("--ignore-exclude-lb",), {f"{IP}/32": PLAIN})])
async def test_b50_b51_excluded_nodes(name, flags, expected):
    made = Cluster()
    for document in (
        *(node(each, **{EXCLUDE: ""}) for each in ("n1", "n2")),
        *(NETWORK, peer(), advertisement("BGPAdvertisement"), WEB, endpoints("test1", "n1")),
    ):
        made.put(document)
    async with world.speaker(made, name, *flags) as program:
        await Story(made, program).then({ONE: expected})
        # Without the label every eligible node announces: BGP elects nobody.
        await Story(made, program).then({ONE: {f"{IP}/32": PLAIN}}, node(name))


def basic_auth(text):
    data = {"password": base64.b64encode(text.encode()).decode()}
    return {
        "kind": "Secret",
        "metadata": metadata("tor", world.NAMESPACE),
        "type": "kubernetes.io/basic-auth",
        "data": data,
    }


def passwords(story):
    (router,) = story.program.applier.applied[-1].routers
    return {each.name: each.password and each.password.reveal() for each in router.neighbors}


async def test_b60_b67_passwords_in_the_peer_and_in_a_secret(story):
    by_secret = peer("peer2", peerAddress=TWO, passwordSecret={"name": "tor"})
    # B60-B62: as it stands there. B66, B67: there is nobody to pass a reference on to, so no session without its Secret.
    await story.then({ONE: {}}, peer("peer1", password="in-the-clear"), by_secret)
    assert passwords(story) == {ONE: "in-the-clear"}
    await story.then({ONE: {}, TWO: {}}, basic_auth("s3cret"))  # B63-B65: the text of the Secret
    assert passwords(story) == {ONE: "in-the-clear", TWO: "s3cret"}
    await story.then({ONE: {}, TWO: {}}, basic_auth("0ther"))
    await world.eventually(lambda: passwords(story) == {ONE: "in-the-clear", TWO: "0ther"})
    assert "0ther" not in repr(story.program.applier.applied[-1])


async def test_shared_aggregates_outlive_one_of_their_services(story):
    wide = advertisement("BGPAdvertisement", aggregationLength=24)
    more = [service("test2", ips=("192.0.2.2",)), endpoints("test2", "n1")]
    net = {ONE: {"192.0.2.0/24": PLAIN}}
    await story.then(net, NETWORK, peer(), wide, WEB, endpoints("test1", "n1"), *more)
    await story.then(net, without=[ref("Service", "test1", "default")])
    await story.then({ONE: {}}, without=[ref("Service", "test2", "default")])


async def test_families_go_over_sessions_of_their_own(story):
    six = "2001:db8::1"
    v6 = peer("v6", peerAddress="fd00:99::1")
    web = service("test1", ips=(IP, six), ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="RequireDualStack")
    pools = pool("default", "192.0.2.0/24", "2001:db8::/64")
    fixed = [pools, advertisement("BGPAdvertisement"), web, endpoints("test1", "n1")]
    await story.then({ONE: {f"{IP}/32": PLAIN}, "fd00:99::1": {f"{six}/128": PLAIN}}, *fixed, peer(), v6)
    both = {f"{IP}/32": PLAIN, f"{six}/128": PLAIN}
    dual = peer("v6", peerAddress="fd00:99::1", dualStackAddressFamily=True)
    await story.then({ONE: {f"{IP}/32": PLAIN}, "fd00:99::1": both}, dual)
