import pytest

from lab import plan
from lab.errors import LabError


def test_addresses_of_the_first_node():
    node = plan.plan(3).nodes[0]
    assert [str(each) for each in node.segment] == ["10.99.0.11/24", "fd00:99::11/64"]
    assert [str(each) for each in node.pod] == ["10.244.1.10/24", "fd00:244:1::10/64"]
    assert [str(each) for each in node.pod_gateway] == ["10.244.1.1/24", "fd00:244:1::1/64"]


def test_namespaces_are_distinct_and_complete():
    names = plan.plan(3).namespaces
    assert len(names) == len(set(names)) == 4 + 2 * 3
    assert {"up", "client", "sw", "control", "n1", "n1-pod", "n3-pod"} <= set(names)


def test_the_largest_lab_stays_below_the_l2_pool():
    nodes = plan.plan(plan.MAX_NODES).nodes
    assert max(int(node.segment[0].ip) & 0xFF for node in nodes) < 200
    assert len({address.ip for node in nodes for address in (*node.segment, *node.pod)}) == 4 * plan.MAX_NODES


@pytest.mark.parametrize("count", [0, -1, plan.MAX_NODES + 1])
def test_a_number_of_nodes_out_of_range_is_refused_with_the_range(count):
    with pytest.raises(LabError, match=rf"--nodes {count} is out of range: give 1 to {plan.MAX_NODES}"):
        plan.plan(count)


@pytest.mark.parametrize("next_hop", ["10.99.0.12", "fd00:99::12", "fe80::ff:fe99:c", "02:00:00:99:00:0c"])
def test_every_name_of_a_node_on_the_wire_leads_to_it(next_hop):
    assert plan.plan(3).owner_of(next_hop) == "n2"


def test_a_stranger_on_the_wire_stays_as_it_is():
    assert plan.plan(3).owner_of("10.99.0.99") == "10.99.0.99"


def test_an_unknown_node_is_answered_with_the_known_ones():
    with pytest.raises(LabError, match="node 'n9' does not exist; nodes of this lab: n1, n2"):
        plan.plan(2).node("n9")
