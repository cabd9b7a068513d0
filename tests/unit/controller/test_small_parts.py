"""The parts below the decision, each against a slow and obvious version of itself."""

import hypothesis
import pytest
from hypothesis import strategies as st

from controller.core import free_addresses, quoting, report, sharing
from controller.core import request as requests
from frr_adapter import addresses, effects
from tests import build

# a busy machine is no failure
PATIENT = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
BLOCKS = ["10.0.1.0/29", "10.0.0.254-10.0.1.1", "10.0.0.0/30"]  # not in ascending order; the range becomes two networks


@pytest.mark.parametrize("avoid", [True, False])
@hypothesis.settings(PATIENT, max_examples=40)
@hypothesis.given(moves=st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=60))
def test_lowest_free_address_is_the_first_of_the_walk(avoid, moves):
    networks = [
        network for text in (BLOCKS[0], "10.0.0.252/31", BLOCKS[2]) for network in build.pool("x", text).networks
    ]
    free = free_addresses.FreeAddresses(networks, avoid_buggy=avoid)
    every = [ip for network in networks for ip in network]
    walk = [ip for network in networks for ip in addresses.iterate(network, avoid_buggy=avoid)]
    taken = set()
    for is_taken, number in moves:
        ip = every[number % len(every)]
        if is_taken:
            free.take(ip)
            taken.add(ip)
        else:
            free.give_back(ip)
            taken.discard(ip)
        place = free.lowest()
        assert (free.address(place) if place is not None else None) == next((i for i in walk if i not in taken), None)


def test_places_follow_the_order_of_declaration():
    networks = [network for text in BLOCKS[::2] for network in build.pool("x", text).networks]
    free = free_addresses.FreeAddresses(networks, avoid_buggy=False)
    assert [free.place(addresses.parse_address(text)) for text in ("10.0.1.0", "10.0.1.7", "10.0.0.0", "10.0.0.3")] == [
        0,
        7,
        8,
        11,
    ]
    assert free.place(addresses.parse_address("10.0.0.4")) is None
    assert [str(free.address(place)) for place in (0, 8)] == ["10.0.1.0", "10.0.0.0"]


def test_a_large_pool_costs_nothing_until_used():
    free = free_addresses.FreeAddresses(build.pool("x", "1000::/32").networks, avoid_buggy=False)
    far = addresses.parse_address("1000:0:ffff::1")
    free.take(far)
    assert str(free.address(free.lowest())) == "1000::"
    free.give_back(far)
    assert str(free.address(free.lowest())) == "1000::"


PORTS = [(build.port("tcp/1"),), (build.port("tcp/2"),), (build.port("tcp/1"), build.port("tcp/2"))]


@hypothesis.settings(PATIENT, max_examples=60)
@hypothesis.given(st.lists(st.tuples(st.sampled_from(["add", "use", "ease", "find"]), st.integers(0, 8)), max_size=80))
def test_lowest_shared_place(moves):
    shared = sharing.SharedPlaces()
    used: dict[int, set[object]] = {}
    for move, number in moves:
        ports = PORTS[number % 3]
        match move:
            case "add":
                if number not in used:
                    used[number] = set(ports)
                    shared.add(number)
            case "use":
                used.get(number, set()).update(ports)
            case "ease":
                if used.get(number):
                    used[number].clear()
                    shared.eased(number)
                elif number in used:
                    del used[number]
                    shared.remove(number)
            case _:
                pass
        for wanted in PORTS:
            found = shared.lowest(wanted, lambda place, wanted=wanted: used[place].isdisjoint(wanted))
            assert found == min((place for place, taken in used.items() if taken.isdisjoint(wanted)), default=None)
    assert shared.is_empty is not bool(used)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", '"plain"'),
        ('a "b" \\', '"a \\"b\\" \\\\"'),
        ("tab\tline\n", '"tab\\tline\\n"'),
        ("\x01ü\u200b", '"\\x01ü\\u200b"'),
    ],
)
def test_quote(text, quoted):
    assert quoting.quote(text) == quoted


def test_quote_ips():
    ips = [addresses.parse_address(text) for text in ("1.2.3.4", "fc00::1")]
    assert quoting.quote_ips(ips) == '["1.2.3.4" "fc00::1"]'
    assert quoting.quote_ips(ips[:1]) == '["1.2.3.4"]'


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"load_balancer_ip": "x"}, 'spec.loadBalancerIP: "x" is not an IPv4 or IPv6 address'),
        (
            {"load_balancer_ip": "1.2.3.4", "annotations": {"metallb.io/loadBalancerIPs": "1.2.3.5"}},
            (
                'spec.loadBalancerIP is "1.2.3.4" and the annotation loadBalancerIPs is "1.2.3.5": '
                "only one of both is allowed"
            ),
        ),
        (
            {"annotations": {"metallb.universe.tf/loadBalancerIPs": "1.2.3.4,1.2.3.5"}},
            (
                'annotation loadBalancerIPs: "1.2.3.4,1.2.3.5" found; '
                "one address or two of different families are allowed"
            ),
        ),
    ],
)
def test_malformed_requests_say_why(fields, reason):
    assert requests.read(build.service(**fields)).ips == requests.Malformed(reason)


def test_request_of_a_local_service():
    read = requests.read(build.service(is_local=True, pod_selector={"b": "2", "a": "1"}))
    assert read.backend == "a=1,b=2"
    assert requests.read(build.service(pod_selector={"b": "2"})).backend == ""


def test_empty_annotations_ask_for_nothing():
    names = ("address-pool", "loadBalancerIPs", "allow-shared-ip")
    read = requests.read(build.service(annotations={f"metallb.io/{name}": "" for name in names}))
    assert (read.pool, read.ips, read.sharing) == ("", (), "")


def test_long_messages_are_cut():
    notice = report._warning("X", "ü" * 600)
    assert len(notice.message.encode()) <= report.LONGEST_MESSAGE
    assert notice.message.endswith("ü...")
    assert notice.type is effects.EventType.WARNING
