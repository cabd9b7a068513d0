from hypothesis import given
from hypothesis import strategies as st

from lab import rules


def service(name="web", policy="Cluster", ingress=("198.51.100.1",), **port):
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"externalTrafficPolicy": policy, "ports": [{"name": "http", "port": 80, "protocol": "TCP", **port}]},
        "status": {"loadBalancer": {"ingress": [{"ip": each} for each in ingress]}},
    }


def slice_(*endpoints, name="web", family="IPv4", port=8080, port_name="http"):
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        "addressType": family,
        "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": [address], "nodeName": node, "conditions": {"ready": ready}}
            for address, node, ready in endpoints
        ],
    }


TWO = slice_(("10.244.1.10", "n1", True), ("10.244.2.10", "n2", True))


def test_cluster_policy_sends_to_every_ready_endpoint_and_hides_the_client():
    (found,) = rules.forwards([service()], [TWO], "n1")
    assert [target.address for target in found.targets] == ["10.244.1.10", "10.244.2.10"]
    assert found.masquerade


def test_local_policy_sends_to_own_endpoints_only_and_shows_the_client():
    (found,) = rules.forwards([service(policy="Local")], [TWO], "n2")
    assert [target.address for target in found.targets] == ["10.244.2.10"]
    assert not found.masquerade


def test_local_policy_without_own_endpoint_drops():
    text = rules.ruleset([service(policy="Local")], [TWO], "n3")
    assert "ip daddr 198.51.100.1 tcp dport 80 drop" in text
    assert "dnat" not in text


def test_endpoints_that_are_not_ready_get_nothing():
    unready = slice_(("10.244.1.10", "n1", False), ("10.244.2.10", "n2", True))
    (found,) = rules.forwards([service()], [unready], "n1")
    assert [target.node for target in found.targets] == ["n2"]


def test_absent_readiness_means_ready():
    plain = slice_(("10.244.1.10", "n1", None))
    plain["endpoints"][0].pop("conditions")
    (found,) = rules.forwards([service()], [plain], "n1")
    assert found.targets


def test_families_do_not_mix():
    six = slice_(("fd00:244:1::10", "n1", True), family="IPv6")
    found = rules.forwards([service(ingress=("198.51.100.1", "2001:db8:100::1"))], [TWO, six], "n1")
    assert {each.address: {target.address for target in each.targets} for each in found} == {
        "198.51.100.1": {"10.244.1.10", "10.244.2.10"},
        "2001:db8:100::1": {"fd00:244:1::10"},
    }
    text = rules.ruleset([service(ingress=("2001:db8:100::1",))], [six], "n1")
    assert "ip6 daddr 2001:db8:100::1 tcp dport 80 ct mark set 0x1 dnat ip6 to numgen random mod 1" in text
    assert "map { 0 : fd00:244:1::10 . 8080 }" in text


def test_udp_and_named_ports_find_their_own_number():
    dns = service(name="dns", port=53, protocol="UDP")
    dns["spec"]["ports"][0]["name"] = "dns"
    answer = slice_(("10.244.1.10", "n1", True), name="dns", port=5353, port_name="dns")
    answer["ports"] = [
        {"name": "dns", "port": 5300, "protocol": "TCP"},
        {"name": "dns", "port": 5353, "protocol": "UDP"},
    ]
    (found,) = rules.forwards([dns], [answer], "n1")
    assert (found.protocol, found.port, [target.port for target in found.targets]) == ("udp", 53, [5353])


def test_another_namespace_with_the_same_name_is_another_service():
    other = service()
    other["metadata"]["namespace"] = "other"
    (found,) = rules.forwards([other], [TWO], "n1")
    assert found.targets == ()


def test_services_without_address_leave_an_empty_table():
    text = rules.ruleset([service(ingress=())], [TWO], "n1")
    assert "dnat" not in text
    assert "elements" not in text
    assert text.startswith("table inet frr_adapter_lab {}\ndelete table inet frr_adapter_lab\n")


def test_other_ports_of_an_address_do_not_run_in_circles():
    text = rules.ruleset([service()], [TWO], "n1")
    assert "elements = { 198.51.100.1 }" in text
    assert "ip daddr @addresses4 drop" in text


@given(
    st.permutations([service("a"), service("b", ingress=("198.51.100.2",)), service("web", "Local", ("198.51.100.3",))])
)
def test_the_order_of_services_changes_nothing(services):
    slices = [TWO, slice_(("10.244.2.10", "n2", True), name="a"), slice_(("10.244.1.10", "n1", True), name="b")]
    expected = rules.ruleset(sorted(services, key=lambda each: each["metadata"]["name"]), slices, "n1")
    assert rules.ruleset(services, list(reversed(slices)), "n1") == expected
