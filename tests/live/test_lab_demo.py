"""The whole lab with its demo: from `lab up` to packets at every service, and what it says about them."""

import json

import pytest

from lab import objects

pytestmark = [pytest.mark.live, pytest.mark.frr]


@pytest.fixture(scope="module")
def demo_lab(lab_cluster):
    """`lab_cluster` with the demo objects applied afterwards, as a user would with kubectl."""
    lab_cluster.apply(*objects.demo())
    return lab_cluster


def shown(lab, *arguments):
    return json.loads(lab.lab("show", "-o", "json", "--wait", "40", *arguments).stdout)


def test_every_service_gets_addresses_routes_and_answers(demo_lab):
    document = shown(demo_lab)
    assert document["trouble"] == []
    services = {each["service"]: each for each in document["services"]}
    assert set(services) == {"default/web", "default/web-local", "default/web-l2"}
    for each in services.values():
        assert len(each["addresses"]) == 2
        assert all(address["answered"] == address["asked"] == 20 for address in each["addresses"])
    assert {address["protocol"] for address in services["default/web"]["addresses"]} == {"bgp"}
    assert [len(address["announced_by"]) for address in services["default/web-l2"]["addresses"]] == [1, 1]


def test_a_node_without_backend_stops_announcing_the_local_service(demo_lab):
    document = shown(demo_lab)
    addresses = next(each for each in document["services"] if each["service"] == "default/web-local")["addresses"]
    demo_lab.lab("stop", "n2/backend")
    for each in addresses:
        demo_lab.until(
            f"only n1 announces {each['address']}", lambda a=each: demo_lab.router_routes(a["address"]) == ("n1",)
        )
    demo_lab.lab("start", "n2/backend")
    for each in addresses:
        demo_lab.until(
            f"both announce {each['address']}", lambda a=each: demo_lab.router_routes(a["address"]) == ("n1", "n2")
        )


def test_request_says_who_answered(demo_lab):
    said = demo_lab.lab("request", "web", "-n", "6").stdout
    assert said.count("6/6:") == 2
    refused = demo_lab.lab("request", "nothing", check=False)
    assert refused.returncode == 1
    assert "default/web-local" in refused.stderr


def test_up_again_only_shows(demo_lab):
    again = demo_lab.lab("up", "--nodes", "2", "--no-demo")
    assert "default/web-l2" in again.stdout
    other = demo_lab.lab("up", "--nodes", "3", check=False)
    assert other.returncode == 1
    assert "a lab with 2 nodes runs in" in other.stderr
