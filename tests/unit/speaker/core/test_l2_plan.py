"""Every row of the layer-2 decision tables: who announces, who keeps silent and why, and on which interfaces."""

import ipaddress
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frr_adapter.model import advertisement, cluster, snapshot
from speaker import values
from speaker.core import election, l2_plan, precedence
from tests import build

POOL = build.pool("pool", "10.20.30.0/24", "fd00:20::/64")
IRIS = frozenset({"iris1", "iris2"})
SHARED = "metallb.io/allow-shared-ip"
OLD_SHARED = "metallb.universe.tf/allow-shared-ip"
NOT_OWNER = "notOwner"
NO_AD = "noMatchingAdvertisement"
SHARED_SELECTOR = "sharedIPWithServiceSelector"


def ad(
    nodes: Iterable[str],
    *,
    app: Iterable[str] = (),
    interfaces: Iterable[str] = (),
    scores: Mapping[str, int] | None = None,
    pools: Iterable[str] = ("pool",),
) -> advertisement.L2Advertisement:
    return advertisement.L2Advertisement(
        name="ad",
        pools=frozenset(pools),
        nodes=frozenset(nodes),
        interfaces=frozenset(interfaces),
        service_selectors=tuple(build.selector(app=word) for word in app),
        scores=tuple(sorted((scores or {}).items())),
    )


BOTH = ad(IRIS)


def ready(*nodes: str) -> tuple[cluster.Endpoint, ...]:
    return tuple(cluster.Endpoint(node, usable=True) for node in nodes)


def unready(*nodes: str) -> tuple[cluster.Endpoint, ...]:
    return tuple(cluster.Endpoint(node, usable=False) for node in nodes)


def service(ip: str = "10.20.30.1", name: str = "web", *, local: bool = False, **fields):
    return build.service(name, ingress=(ip,) if isinstance(ip, str) else ip, is_local=local, **fields)


def world(services, endpoints, ads, nodes=()) -> snapshot.Snapshot:
    if not isinstance(endpoints, dict):
        endpoints = {item.key: endpoints for item in services}
    return build.snapshot(
        services,
        configuration=build.configuration(POOL, l2_advertisements=tuple(ads)),
        endpoints=endpoints,
        nodes=nodes,
    )


def names(live):
    """Live nodes of whose interfaces nothing is known."""
    return None if live is None else dict.fromkeys(live)


def word(decision: values.Decision) -> str:
    match decision.verdict:
        case values.Announce():
            return ""
        case values.Abstain(reason):
            return str(reason)


def words(view, node, *, live=IRIS, ignore_exclude=False) -> list[str]:
    _, decisions = l2_plan.plan(view, node, ignore_exclude=ignore_exclude, live=names(live))
    return [word(decision) for decision in decisions]


def both(view, **how) -> list[tuple[str, str]]:
    return list(zip(words(view, "iris1", **how), words(view, "iris2", **how), strict=True))


def announcers(view, live) -> list[str]:
    return [node for node in sorted(live) if words(view, node, live=names(live)) == [""]]


def test_l1_without_liveness_every_known_node_is_a_candidate():
    nodes = (build.node("iris1"), build.node("iris2"))
    view = world([service(local=True)], ready("iris1", "iris1"), [BOTH], nodes)
    assert both(view, live=None) == [("", NOT_OWNER)]
    cluster_policy = world([service()], ready("iris1"), [BOTH], nodes)
    assert both(cluster_policy, live=None) == [(NOT_OWNER, "")]


USABLE = [
    ("L2 L3 ready on each", ready("iris1", "iris2"), {"iris1", "iris2"}),
    ("L4 two on iris1", ready("iris1", "iris1"), {"iris1"}),
    ("L5 one of two unready", (*ready("iris1"), *unready("iris1")), {"iris1"}),
    ("L6 L7 serving decides usable", ready("iris1", "iris2"), {"iris1", "iris2"}),
]


@pytest.mark.parametrize(("endpoints", "nodes"), [row[1:] for row in USABLE], ids=[row[0] for row in USABLE])
def test_nodes_with_usable_endpoints_can_win(endpoints, nodes):
    winners = set()
    for last in range(1, 30):
        view = world([service(f"10.20.30.{last}", local=True)], endpoints, [BOTH])
        winners |= set(announcers(view, IRIS))
    assert winners == nodes


LOCAL = [
    ("L10", ready("iris1", "iris1"), ("", NOT_OWNER)),
    ("L11", unready("iris1", "iris1"), (NOT_OWNER, NOT_OWNER)),
    ("L12", ready("iris1", "iris2"), (NOT_OWNER, "")),
    ("L13", unready("iris1", "iris2"), (NOT_OWNER, NOT_OWNER)),
    ("L14", (*ready("iris1"), *unready("iris2")), ("", NOT_OWNER)),
    ("L18", ready("iris1", "iris2", "iris2"), (NOT_OWNER, "")),
    ("L19", ready("iris1", "iris1", "iris2"), (NOT_OWNER, "")),
    ("L20", ready("iris1", "iris2", "iris2"), (NOT_OWNER, "")),
    ("L21", (*ready("iris1", "iris2"), *unready("iris1")), (NOT_OWNER, "")),
    ("L22", (*ready("iris1"), *unready("iris2", "iris2")), ("", NOT_OWNER)),
    ("no node named", ready(""), (NOT_OWNER, NOT_OWNER)),
]


@pytest.mark.parametrize(("endpoints", "expected"), [row[1:] for row in LOCAL], ids=[row[0] for row in LOCAL])
def test_local_policy(endpoints, expected):
    assert both(world([service(local=True)], endpoints, [BOTH])) == [expected]


TWO_SERVICES = [
    ("L15", ready("iris1", "iris2"), ready("iris1", "iris2")),
    ("L16", ready("iris1", "iris2"), (*ready("iris1"), *unready("iris2"))),
    ("L17", (*ready("iris2"), *unready("iris1")), (*ready("iris1"), *unready("iris2"))),
]


@pytest.mark.parametrize(("first", "second"), [row[1:] for row in TWO_SERVICES], ids=[r[0] for r in TWO_SERVICES])
def test_two_local_services(first, second):
    services = [service("10.20.30.1", "a", local=True), service("10.20.30.2", "b", local=True)]
    view = world(services, {"default/a": first, "default/b": second}, [BOTH])
    assert both(view) == [(NOT_OWNER, ""), ("", NOT_OWNER)]


def excluded(*names: str) -> tuple[cluster.Node, ...]:
    return tuple(
        build.node(name, {cluster.EXCLUDE_LABEL: ""} if name in names else None) for name in ("iris1", "iris2")
    )


ONE, TWO = ad(["iris1"]), ad(["iris2"])
RESTRICTED = [
    ("L30", False, ready("iris1"), [ONE], (), ("", NO_AD)),
    ("L31", True, ready("iris1"), [ONE, TWO], (), ("", NOT_OWNER)),
    ("L32", False, ready("iris1"), [BOTH], (), (NOT_OWNER, "")),
    ("L33", False, ready("iris1", "iris2"), [ONE], (), ("", NO_AD)),
    ("L34", True, ready("iris1"), [TWO], (), (NO_AD, NOT_OWNER)),
    ("L35", False, ready("iris1"), [BOTH], excluded("iris2"), ("", NOT_OWNER)),
    ("L36", False, ready("iris1"), [BOTH], excluded("iris1"), (NOT_OWNER, "")),
    ("L37", False, ready("iris1"), [BOTH], excluded("iris1", "iris2"), (NOT_OWNER, NOT_OWNER)),
]


@pytest.mark.parametrize(
    ("local", "endpoints", "ads", "nodes", "expected"),
    [row[1:] for row in RESTRICTED],
    ids=[row[0] for row in RESTRICTED],
)
def test_node_restriction(local, endpoints, ads, nodes, expected):
    assert both(world([service(local=local)], endpoints, ads, nodes)) == [expected]


def test_l38_the_exclude_label_can_be_ignored():
    view = world([service(local=True)], ready("iris1"), [BOTH], excluded("iris1", "iris2"))
    assert both(view, ignore_exclude=True) == [("", NOT_OWNER)]


def test_a_node_without_network_is_no_candidate():
    nodes = (build.node("iris1"), build.node("iris2", network_unavailable=True))
    view = world([service()], ready("iris1"), [BOTH], nodes)
    assert both(view) == [("", NOT_OWNER)]
    assert both(view, ignore_exclude=True) == [("", NOT_OWNER)]


def test_a_dead_node_is_no_candidate():
    assert words(world([service()], ready("iris1"), [BOTH]), "iris1", live={"iris1"}) == [""]


def test_l40_exactly_one_announces_every_address_and_services_agree():
    winners = set()
    for last in range(1, 256):
        services = [service(f"10.20.30.{last}", "a"), service(f"10.20.30.{last}", "b")]
        view = world(services, {"default/a": ready("iris1"), "default/b": ready("iris2")}, [BOTH])
        (first, second) = both(view)
        assert sorted(first) == ["", NOT_OWNER]
        assert first == second
        winners.add(first)
    assert len(winners) == 2


WEB = {"app": "web"}
SELECTORS = [
    ("L50", [ad(IRIS)], None, ""),
    ("L51", [ad(IRIS, app=["web"])], None, ""),
    ("L52", [ad(IRIS, app=["other"])], None, NO_AD),
    ("L53", [ad(IRIS, app=["other", "web"])], None, ""),
    ("L54", [ad(IRIS, app=["web"])], {SHARED: "key"}, SHARED_SELECTOR),
    ("L55", [ad(IRIS)], {SHARED: "key"}, ""),
    ("L56", [ad(IRIS, app=["web"])], {}, ""),
    ("L57", [ad(IRIS, app=["web"])], {OLD_SHARED: "key"}, SHARED_SELECTOR),
    ("L58", [ad(IRIS), ad(IRIS, app=["web"])], {SHARED: "key"}, SHARED_SELECTOR),
    ("T53 empty value", [ad(IRIS, app=["web"])], {SHARED: ""}, SHARED_SELECTOR),
    ("other selector", [ad(IRIS), ad(IRIS, app=["other"])], {SHARED: "key"}, ""),
]


@pytest.mark.parametrize(("ads", "annotations", "expected"), [r[1:] for r in SELECTORS], ids=[r[0] for r in SELECTORS])
def test_service_selectors(ads, annotations, expected):
    view = world([service(service_labels=WEB, annotations=annotations)], ready("iris1"), ads)
    assert words(view, "iris2") == [expected]


def test_l60_to_l64_the_selection_ignores_nodes():
    one_node = ad(["iris1"], app=["web"])
    other_node = ad(["iris2"])
    view = world([service(service_labels=WEB)], ready("iris1"), [one_node, other_node])
    assert both(view) == [(NOT_OWNER, "")]
    apache, nginx, none = ad(["iris1"], app=["apache"]), ad(["iris2"], app=["nginx"]), ad(["iris1"])
    kept = world([service(service_labels={"app": "nginx"})], ready("iris1"), [apache, nginx, none])
    assert both(kept) == [(NOT_OWNER, "")]


def test_l65_interfaces_come_from_the_own_advertisements_only():
    ads = [ad(["iris1"], app=["web"], interfaces=["eth0"]), ad(["iris2"], app=["web"], interfaces=["eth1"])]
    found = {}
    for last in range(1, 10):
        view = world([service(f"10.20.30.{last}", service_labels=WEB)], ready("iris1"), ads)
        (winner,) = announcers(view, IRIS)
        wanted, _ = l2_plan.plan(view, winner, ignore_exclude=False, live=names(IRIS))
        found[winner] = {entry.interfaces for entry in wanted.entries}
    assert found == {"iris1": {frozenset({"eth0"})}, "iris2": {frozenset({"eth1"})}}


def test_l66_only_matching_advertisements_give_candidates():
    view = world(
        [service(service_labels=WEB)], ready("iris1"), [ad(IRIS, app=["other"]), ad(["stranger"], app=["web"])]
    )
    assert both(view) == [(NO_AD, NO_AD)]


def test_l67_candidates_of_one_service_are_not_those_of_another():
    ads = [ad(["iris1"], app=["foo"]), ad(["iris2"], app=["bar"])]
    foo = service("10.20.30.1", "foo", service_labels={"app": "foo"})
    bar = service("10.20.30.2", "bar", service_labels={"app": "bar"})
    assert both(world([foo], ready("iris1"), ads)) == [("", NO_AD)]
    assert both(world([bar], ready("iris1"), ads)) == [(NO_AD, "")]


INTERFACES = [
    ("L70", [[]], set()),
    ("L71", [["eth1", "eth2"]], {"eth1", "eth2"}),
    ("L72", [["eth0", "eth1"], ["eth0", "eth2"]], {"eth0", "eth1", "eth2"}),
    ("L73", [["eth0", "eth1"], []], set()),
]


@pytest.mark.parametrize(("lists", "expected"), [row[1:] for row in INTERFACES], ids=[row[0] for row in INTERFACES])
def test_interfaces_of_an_address(lists, expected):
    view = world([service()], ready("iris1"), [ad(["iris1"], interfaces=names) for names in lists])
    wanted, _ = l2_plan.plan(view, "iris1", ignore_exclude=False, live=names(IRIS))
    (entry,) = wanted.entries
    assert (str(entry.address), entry.interfaces) == ("10.20.30.1", frozenset(expected))


def test_services_that_share_an_address_unite_their_interfaces():
    ads = [ad(["iris1"], app=["a"], interfaces=["eth0"]), ad(["iris1"], app=["b"], interfaces=["eth1"])]
    services = [service(name="a", service_labels={"app": "a"}), service(name="b", service_labels={"app": "b"})]
    wanted, _ = l2_plan.plan(world(services, ready("iris1"), ads), "iris1", ignore_exclude=False, live=names(IRIS))
    assert [set(entry.interfaces) for entry in wanted.entries] == [{"eth0", "eth1"}]
    everywhere, _ = l2_plan.plan(
        world(services, ready("iris1"), [*ads, ad(["iris1"], app=["b"])]),
        "iris1",
        ignore_exclude=False,
        live=names(IRIS),
    )
    assert [set(entry.interfaces) for entry in everywhere.entries] == [set()]


SCORES = [
    ("L90 none", [], {}),
    ("L90 without", [ad(IRIS), ad(IRIS)], {}),
    ("L90 sum", [ad(IRIS, scores={"a": 70}), ad(IRIS, scores={"a": 30, "b": 50})], {"a": 100, "b": 50}),
]


@pytest.mark.parametrize(("ads", "expected"), [row[1:] for row in SCORES], ids=[row[0] for row in SCORES])
def test_scores_sum_over_advertisements(ads, expected):
    assert l2_plan.scores_of(ads) == expected


def test_l91_preference_beats_the_hash():
    live = {"edge-a", "edge-b", "worker-a", "worker-b"}
    view = world([service()], ready("worker-a"), [ad(live, scores={"edge-a": 100})])
    assert announcers(view, live) == ["edge-a"]


def test_l92_preference_never_beats_local_endpoints():
    live = {"preferred-a", "worker-a"}
    view = world([service(local=True)], ready("worker-a"), [ad(live, scores={"preferred-a": 100})])
    assert announcers(view, live) == ["worker-a"]


def test_l93_scores_of_advertisements_that_do_not_match_count_for_nobody():
    live = {"edge-a", "worker-a"}
    ads = [
        ad(["edge-a"], scores={"edge-a": 100}),
        ad(live),
        ad(live, app=["other"], scores={"worker-a": 1000}),
    ]
    assert announcers(world([service(service_labels=WEB)], ready("worker-a"), ads), live) == ["edge-a"]


@pytest.mark.parametrize(
    ("live", "winner"),
    [
        ({"edge-b", "worker-a"}, "edge-b"),
        ({"edge-a", "edge-b", "worker-a"}, "edge-b"),
        ({"worker-a", "worker-b"}, "worker-a"),
    ],
)
def test_l94_the_next_preferred_takes_over(live, winner):
    every = {"edge-a", "edge-b", "worker-a", "worker-b"}
    view = world([service()], ready("worker-a"), [ad(every, scores={"edge-a": 100, "edge-b": 100})])
    assert announcers(view, live) == [winner]


EARLY = [
    ("not a load balancer", {"type": "ClusterIP"}, "notLoadBalancer"),
    ("no address", {"ip": ()}, "noIPAllocated"),
    ("host name", {"ip": ("",)}, "invalidIP"),
    ("foreign address", {"ip": ("10.9.9.9",)}, "ipNotAllowed"),
    ("one of two foreign", {"ip": ("10.20.30.1", "fd00:9::1")}, "ipNotAllowed"),
]


@pytest.mark.parametrize(("fields", "expected"), [row[1:] for row in EARLY], ids=[row[0] for row in EARLY])
def test_the_common_steps_come_first(fields, expected):
    view = world([service(**fields)], (), [])
    assert both(view) == [(expected, expected)]


def test_no_usable_endpoint_anywhere_comes_before_advertisements():
    assert both(world([service()], unready("iris1"), [])) == [(NOT_OWNER, NOT_OWNER)]


def test_advertisements_of_other_pools_do_not_count():
    assert words(world([service()], ready("iris1"), [ad(IRIS, pools=["elsewhere"])]), "iris2") == [NO_AD]


def test_one_owner_serves_both_families_of_a_service():
    view = world([service(("10.20.30.1", "fd00:20::1"))], ready("iris1"), [BOTH])
    wanted, decisions = l2_plan.plan(view, "iris2", ignore_exclude=False, live=names(IRIS))
    assert [str(entry.address) for entry in wanted.entries] == ["10.20.30.1", "fd00:20::1"]
    assert decisions[0].protocol is values.Protocol.LAYER2
    assert l2_plan.plan(view, "iris1", ignore_exclude=False, live=names(IRIS))[0] == values.L2Plan()


def test_entries_are_sorted_by_family_and_value():
    ips = ["10.20.30.10", "10.20.30.9", "fd00:20::2", "10.20.30.2"]
    view = world([service(ip, f"s{n}") for n, ip in enumerate(ips)], ready("iris1"), [ad(["iris1"])])
    wanted, _ = l2_plan.plan(view, "iris1", ignore_exclude=False, live=names(IRIS))
    assert [str(entry.address) for entry in wanted.entries] == ["10.20.30.2", "10.20.30.9", "10.20.30.10", "fd00:20::2"]


def test_an_entry_without_any_known_interface_is_unreachable():
    a, b = ipaddress.ip_address("10.20.30.1"), ipaddress.ip_address("10.20.30.2")
    wanted = values.L2Plan((values.L2Entry(a), values.L2Entry(b, frozenset({"eth7"}))))
    assert l2_plan.unreachable(wanted, frozenset({"eth0"})) == (wanted.entries[1],)
    assert l2_plan.unreachable(wanted, frozenset({"eth0", "eth7"})) == ()


NODES = ("n1", "n2", "n3", "n4")
node_sets = st.sets(st.sampled_from(NODES), min_size=0)
ads_strategy = st.lists(
    st.builds(
        lambda nodes, app, interfaces, weight: ad(
            nodes, app=app, interfaces=interfaces, scores={n: weight for n in sorted(nodes)[:1] if weight}
        ),
        node_sets,
        st.sampled_from([(), ("a",), ("a", "b")]),
        st.sampled_from([(), ("eth0",), ("eth0", "eth1")]),
        st.sampled_from([0, 0, 50]),
    ),
    max_size=3,
)
services_strategy = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.booleans(),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([None, {SHARED: "k"}]),
        st.lists(st.tuples(st.sampled_from((*NODES, "")), st.booleans()), max_size=3),
    ),
    max_size=4,
)


def build_world(rows, ads, nodes=()):
    services = [
        service(f"10.20.30.{last}", f"s{n}", local=local, service_labels={"app": app}, annotations=annotations)
        for n, (last, local, app, annotations, _) in enumerate(rows)
    ]
    endpoints = {
        f"default/s{n}": tuple(cluster.Endpoint(node, usable=usable) for node, usable in row[4])
        for n, row in enumerate(rows)
    }
    return world(services, endpoints, ads, nodes)


@settings(max_examples=60, deadline=None)
@given(services_strategy, ads_strategy, node_sets, st.randoms())
def test_at_most_one_owner_and_the_order_of_input_never_matters(rows, ads, live, random):
    view = build_world(rows, ads)
    random.shuffle(shuffled := list(ads))
    other = build_world([(*row[:4], row[4][::-1]) for row in rows], shuffled)
    owners: dict[str, list[str]] = {}
    for node in NODES:
        found = l2_plan.plan(view, node, ignore_exclude=False, live=names(live))
        assert l2_plan.plan(other, node, ignore_exclude=False, live=names(live)) == found
        for decision in found[1]:
            if decision.verdict == values.Announce():
                owners.setdefault(decision.service, []).append(node)
    assert all(len(nodes) == 1 and nodes[0] in live for nodes in owners.values())


SERVING = st.one_of(st.none(), st.sets(st.sampled_from(["eth0", "eth1", "wlan0"])).map(frozenset))
clusters = st.dictionaries(st.sampled_from(NODES), SERVING)
"""Live nodes: on which interfaces each can serve, or that it did not say so."""

node_objects = st.lists(
    st.builds(
        lambda name, is_excluded, is_cut_off: build.node(
            name, {cluster.EXCLUDE_LABEL: "x"} if is_excluded else None, network_unavailable=is_cut_off
        ),
        st.sampled_from(NODES),
        st.sampled_from([False, False, True]),
        st.sampled_from([False, False, True]),
    ),
    max_size=4,
    unique_by=lambda node: node.name,
)


def can_serve(interfaces: frozenset[str] | None, named: frozenset[str]) -> bool:
    return interfaces is None or bool(interfaces & named if named else interfaces)


def is_chosen(ad: advertisement.L2Advertisement, app: str) -> bool:
    return any(("app", app) in each.pairs for each in ad.service_selectors)


def expected_order(row, ads, live, nodes) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """Who comes first, second... for a service, straight from the rules, and the scores."""
    last, local, app, annotations, endpoints = row
    matching = [each for each in ads if not each.service_selectors or is_chosen(each, app)]
    usable = [node for node, is_usable in endpoints if is_usable]
    if not usable or (annotations and any(each.service_selectors for each in matching)):
        return (), {}
    refused = {node.name for node in nodes if node.network_unavailable or (cluster.EXCLUDE_LABEL, "x") in node.labels}
    candidates = {
        name
        for each in matching
        for name in each.nodes
        if name in live and name not in refused and can_serve(live[name], each.interfaces)
    }
    scores = l2_plan.scores_of(matching)
    if local:
        candidates &= set(usable)
    return election.order(candidates, ipaddress.ip_address(f"10.20.30.{last}"), scores), scores


@settings(max_examples=150, deadline=None)
@given(services_strategy, ads_strategy, clusters, node_objects, st.booleans())
def test_in_any_cluster_each_service_has_exactly_the_owner_that_every_node_computes(rows, ads, live, nodes, keeps):
    view = build_world(rows, ads, nodes)
    planners = {node: l2_plan.Planner(node, ignore_exclude=False, keeps=keeps) for node in NODES}
    decided = {node: planners[node].plan(view, live=live)[1] for node in NODES}
    for number, row in enumerate(rows):
        order, scores = expected_order(row, ads, live, nodes)
        found = {node: decided[node][number] for node in NODES}
        assert [node for node in NODES if found[node].wish is values.Wish.TAKE] == list(order[:1])
        assert [node for node in NODES if found[node].verdict == values.Announce()] == list(order[:1])
        equals = {node for node in order[1:] if scores.get(node, 0) == scores.get(order[0], 0)}
        assert {node for node in NODES if found[node].wish is values.Wish.KEEP} == (equals if keeps else set())
    alone = {row[0] for row in rows if sum(other[0] == row[0] for other in rows) == 1}
    for last, row in ((row[0], row) for row in rows if row[0] in alone):
        address = ipaddress.ip_address(f"10.20.30.{last}")
        order, _ = expected_order(row, ads, live, nodes)
        entries = {node: entry_of(planners[node].plan(view, live=live)[0], address) for node in order}
        wanting = [node for node in order if entries[node] is not None]
        for place, node in enumerate(wanting):
            others = [other for other in wanting if other != node]
            assert [each for each in others if precedence.precedes(entries[node], each, node)] == wanting[:place]
            heirs = precedence.heirs([entries[node]], node)
            assert heirs == dict.fromkeys([each for each in order if each != node][:1], (address,))


def entry_of(plan, address):
    return next((entry for entry in plan.entries if entry.address == address), None)


@settings(max_examples=50, deadline=None)
@given(services_strategy, services_strategy, ads_strategy, ads_strategy, node_sets, st.booleans(), st.booleans())
def test_the_planner_equals_the_plan_from_scratch(rows, later, ads, other_ads, live, ignore, keeps):
    labelled = (build.node("n1", {cluster.EXCLUDE_LABEL: ""}), build.node("n2"), build.node("n3"))
    planner = l2_plan.Planner("n1", ignore_exclude=ignore, keeps=keeps)
    first = build_world(rows, ads, labelled)
    mixed = snapshot.Snapshot(
        first.configuration,
        tuple({item.key: item for item in (*first.services, *build_world(later, ads).services)}.values()),
        {**build_world(later, ads).endpoints, **first.endpoints},
        labelled,
    )
    for view, alive in (
        (first, None),
        (first, None),
        (mixed, None),
        (build_world(later, other_ads, labelled[:1]), None),
        (mixed, frozenset(live)),
        (first, frozenset(live) | {"n1"}),
    ):
        scratch = l2_plan.plan(view, "n1", ignore_exclude=ignore, live=names(alive), keeps=keeps)
        assert planner.plan(view, live=names(alive)) == scratch


def test_the_planner_decides_only_what_changed(monkeypatch):
    decided = []
    real = l2_plan.share_of

    def counting(item, *rest):
        decided.append(item.key)
        return real(item, *rest)

    monkeypatch.setattr(l2_plan, "share_of", counting)
    services = [service(f"10.20.30.{n}", f"s{n}") for n in range(1, 50)]
    endpoints = {item.key: ready("iris1") for item in services}
    planner = l2_plan.Planner("iris1", ignore_exclude=False)
    view = world(services, endpoints, [BOTH])
    planner.plan(view, live=names(IRIS))
    assert len(decided) == 49
    decided.clear()
    planner.plan(view, live=names(IRIS))
    assert decided == []
    changed = world([*services[1:], service("10.20.30.1", "s1", local=True)], endpoints, [BOTH])
    planner.plan(changed, live=names(IRIS))
    assert decided == ["default/s1"]


# ---- Who may keep, interfaces of nodes, what is announced ----


def wishes(view, node, live=None):
    live = names(IRIS) if live is None else live
    found, _ = l2_plan.plan(view, node, ignore_exclude=False, live=live, keeps=True)
    return {str(entry.address): entry.wish for entry in found.entries}


def test_who_does_not_come_first_may_keep():
    view = world([service()], ready("iris1"), [BOTH])
    assert wishes(view, "iris2") == {"10.20.30.1": values.Wish.TAKE}
    assert wishes(view, "iris1") == {"10.20.30.1": values.Wish.KEEP}


def test_nobody_keeps_from_a_preferred_node():
    preferring = ad(IRIS, scores={"iris2": 10})
    view = world([service()], ready("iris1"), [preferring])
    assert wishes(view, "iris1") == {}
    alone = world([service()], ready("iris1"), [ad(IRIS, scores={"iris1": 10})])
    assert wishes(alone, "iris1") == {"10.20.30.1": values.Wish.TAKE}
    assert wishes(alone, "iris2") == {}


def test_who_has_no_usable_endpoint_keeps_nothing():
    view = world([service(local=True)], ready("iris2"), [BOTH])
    assert wishes(view, "iris1") == {}


def test_of_services_that_share_an_address_one_takes_it_for_all():
    services = [service("10.20.30.1", "a"), service("10.20.30.1", "b", local=True)]
    view = world(services, {"default/a": ready("iris1"), "default/b": ready("iris1")}, [BOTH])
    assert wishes(view, "iris1") == {"10.20.30.1": values.Wish.TAKE}  # b can be served here only


@pytest.mark.parametrize(
    ("present", "named", "owner"),
    [
        ({"iris1": {"eth0"}, "iris2": {"eth0"}}, [], "iris2"),
        ({"iris1": {"eth0"}, "iris2": set()}, [], "iris1"),
        ({"iris1": {"eth0"}, "iris2": {"eth1"}}, ["eth0"], "iris1"),
        ({"iris1": {"eth0"}, "iris2": {"eth1"}}, ["eth*"], "iris2"),
        ({"iris1": {"eth0"}, "iris2": None}, ["eth0"], "iris2"),
        ({"iris1": {"eth0"}, "iris2": {"eth0"}}, ["bond0"], None),
    ],
)
def test_a_node_without_the_interfaces_is_no_candidate(present, named, owner):
    view = world([service()], ready("iris1"), [ad(IRIS, interfaces=named)])
    live = {node: None if names is None else frozenset(names) for node, names in present.items()}
    found = [node for node in sorted(live) if wishes(view, node, live).get("10.20.30.1") is values.Wish.TAKE]
    assert found == ([owner] if owner else [])


def test_only_what_is_held_is_announced():
    view = world([service(("10.20.30.1", "fd00:20::1")), service("10.20.30.2", "other")], ready("iris1"), [BOTH])
    for node in sorted(IRIS):
        found, decisions = l2_plan.plan(view, node, ignore_exclude=False, live=names(IRIS), keeps=True)
        everything = frozenset(entry.address for entry in found.entries)
        assert {word(each) for each in l2_plan.settled(decisions, frozenset())} == {NOT_OWNER}
        assert {word(each) for each in l2_plan.settled(decisions, everything)} == {""}
        half = frozenset(address for address in everything if address.version == 4 and int(address) % 2)
        assert sorted(word(each) for each in l2_plan.settled(decisions, half)) == [NOT_OWNER, NOT_OWNER]


def test_what_is_not_wanted_is_not_announced_though_it_is_held():
    services = [service("10.20.30.1", "a"), service("10.20.30.1", "b")]
    view = world(services, {"default/a": ready("iris1")}, [BOTH])
    _, decisions = l2_plan.plan(view, "iris2", ignore_exclude=False, live=names(IRIS), keeps=True)
    held = frozenset(decisions[0].addresses)
    assert [word(each) for each in l2_plan.settled(decisions, held)] == ["", NOT_OWNER]


def test_who_precedes_is_the_order_of_the_election():
    view = world([service(), service("10.20.30.2", "other")], ready("iris1"), [BOTH])
    found = {}
    for node, rival in (("iris1", "iris2"), ("iris2", "iris1")):
        planner = l2_plan.Planner(node, ignore_exclude=False, keeps=True)
        plan, _ = planner.plan(view, live=names(IRIS))
        found[node] = {str(entry.address): precedence.precedes(entry, rival, node) for entry in plan.entries}
    assert found == {
        "iris1": {"10.20.30.1": True, "10.20.30.2": False},
        "iris2": {"10.20.30.1": False, "10.20.30.2": True},
    }


def test_heirs_are_who_comes_next():
    services = [service(f"10.20.30.{last}", f"s{last}") for last in (1, 2)]
    view = world(services, ready("iris1"), [BOTH])
    planner = l2_plan.Planner("iris2", ignore_exclude=False, keeps=True)
    plan, _ = planner.plan(view, live=names(IRIS))
    assert precedence.heirs(plan.entries, "iris2") == {"iris1": tuple(entry.address for entry in plan.entries)}
    alone, _ = planner.plan(view, live=names({"iris2"}))
    assert precedence.heirs(alone.entries, "iris2") == {}


def test_settling_is_settled_and_keeps_what_did_not_change():
    services = [service(f"10.20.30.{last}", f"s{last:02}") for last in range(1, 21)]
    planner = l2_plan.Planner("iris1", ignore_exclude=False, keeps=True)
    settling = l2_plan.Settling()
    plan, decisions = planner.plan(world(services, ready("iris1"), [BOTH]), live=names(IRIS))
    everything = [entry.address for entry in plan.entries]
    before = ()
    for count in (0, 7, 7, 20, 3):
        held = frozenset(everything[:count])
        found = settling.settle(decisions, held)
        assert found == l2_plan.settled(decisions, held)
        assert settling.settle(decisions, frozenset(everything[:count])) is found
        assert all(new is old for new, old in zip(found, before, strict=False) if new == old)
        before = found
