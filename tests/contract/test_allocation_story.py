"""Pools and Services change under a running controller: each behaves as documented, and kubectl explains it."""

import contextlib
import secrets

import pytest

from frr_adapter.api import crds
from tests.contract import conftest
from tests.contract.replica import Replica, until

pytestmark = pytest.mark.contract


class Story:
    """One controller, its namespace, and what the API shows."""

    def __init__(self, api, lb_class: str) -> None:
        self.api = api
        self.lb_class = lb_class
        self.services = api.path("services")
        self.pools = api.path("ipaddresspools", group="metallb.io", version="v1beta1")

    async def pool(self, name: str, *addresses: str, **spec) -> None:
        body = {"addresses": list(addresses), **spec}
        document = {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": {"name": name},
            "spec": body,
        }
        (await self.api.apply(f"{self.pools}/{name}", document, force="true")).ok()

    async def service(self, name: str, port: int = 80, protocol: str = "TCP", annotations=None, **spec) -> None:
        base = {"type": "LoadBalancer", "loadBalancerClass": self.lb_class}
        base |= {"ports": [{"port": port, "protocol": protocol}], "selector": {"app": "x"}, **spec}
        document = {"metadata": {"name": name, "annotations": annotations or {}}, "spec": base}
        (await self.api.post(self.services, document)).ok(201)

    async def change(self, name: str, **patch) -> None:
        (await self.api.patch(f"{self.services}/{name}", patch)).ok()

    async def delete(self, path: str) -> None:
        (await self.api.delete(path)).ok()

    async def ips(self, name: str) -> list[str]:
        status = (await self.api.get(f"{self.services}/{name}")).ok()["status"]
        return [each["ip"] for each in status.get("loadBalancer", {}).get("ingress") or []]

    async def expect(self, name: str, *ips: str) -> None:
        async def holds() -> bool:
            return await self.ips(name) == list(ips)

        await until(holds)

    async def pool_of(self, name: str) -> str:
        metadata = (await self.api.get(f"{self.services}/{name}")).ok()["metadata"]
        return metadata.get("annotations", {}).get("metallb.io/ip-allocated-from-pool", "")

    async def told(self, name: str, *parts: str) -> None:
        """Until an event of the Service holds every part."""

        async def holds() -> bool:
            events = (await self.api.get(self.api.path("events"))).ok()["items"]
            about = [each["message"] for each in events if each["involvedObject"]["name"] == name]
            return any(all(part in message for part in parts) for message in about)

        await until(holds)


@pytest.fixture
async def story(kube_api, api, tmp_path):
    for document in crds.documents():
        answer = await api.post(conftest.CRDS, document)
        assert answer.status in (201, 409), answer.body
    made = Story(api, f"story.example/{secrets.token_hex(4)}")
    await api.eventually(made.pools, lambda answer: answer.status == 200)
    replica = Replica(
        kube_api.kubeconfig, tmp_path / "controller", (f"--namespace={api.namespace}", f"--lb-class={made.lb_class}")
    )
    replica.start()
    try:
        await until(replica.ready)
        yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            replica.process.terminate()
        replica.process.wait(10)


async def test_deleting_a_pool_moves_its_services_or_says_why_not(story, kubectl):
    await story.pool("a", "198.18.1.0/30")
    await story.service("web")
    await story.expect("web", "198.18.1.0")
    await story.pool("b", "198.18.2.0/30", autoAssign=False)
    await story.delete(f"{story.pools}/a")
    await story.expect("web")
    await story.told("web", 'Failed to allocate IP for "', 'pool "b"', "autoAssign")
    code, out, _ = await kubectl("describe", "service", "web")
    assert code == 0
    assert "AllocationFailed" in out
    assert 'pool "b": autoAssign is off' in " ".join(out.split())
    await story.pool("b", "198.18.2.0/30", autoAssign=True)
    await story.expect("web", "198.18.2.0")


async def test_shrinking_moves_only_those_outside_and_growing_moves_nobody(story):
    await story.pool("a", "198.18.1.0/30")
    for number in range(4):
        await story.service(f"s{number}")
        await story.expect(f"s{number}", f"198.18.1.{number}")
    await story.pool("spare", "198.18.9.0/30", autoAssign=True)
    await story.pool("a", "198.18.1.0/31")
    await story.expect("s2", "198.18.9.0")
    await story.expect("s3", "198.18.9.1")
    assert [await story.ips(f"s{number}") for number in range(2)] == [["198.18.1.0"], ["198.18.1.1"]]
    await story.pool("a", "198.18.1.0/28")
    await story.service("late")
    await story.expect("late", "198.18.1.2")
    assert await story.ips("s2") == ["198.18.9.0"]


async def test_renaming_a_pool_keeps_every_address(story):
    await story.pool("old", "198.18.1.0/30")
    await story.service("web")
    await story.expect("web", "198.18.1.0")
    assert await story.pool_of("web") == "old"
    # A rename is a delete and a create; for a moment there is no pool, which gives the address up and back.
    await story.delete(f"{story.pools}/old")
    await story.pool("new", "198.18.1.0/30")
    await story.expect("web", "198.18.1.0")

    async def renamed() -> bool:
        return await story.pool_of("web") == "new"

    await until(renamed)


async def test_moving_between_families(story):
    await story.pool("dual", "198.18.1.0/30", "fd00:18:1::/126")
    await story.service("web", ipFamilyPolicy="SingleStack", ipFamilies=["IPv4"])
    await story.expect("web", "198.18.1.0")
    await story.change("web", spec={"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]})
    await story.expect("web", "198.18.1.0", "fd00:18:1::")
    await story.change(
        "web",
        spec={
            "ipFamilyPolicy": "SingleStack",
            "ipFamilies": ["IPv4"],
            "clusterIPs": [(await story.api.get(f"{story.services}/web")).ok()["spec"]["clusterIP"]],
        },
    )
    await story.expect("web", "198.18.1.0")


async def test_another_class_is_left_alone_and_leaving_the_type_releases(story):
    await story.pool("a", "198.18.1.0/32")
    await story.service("theirs", loadBalancerClass="other.example/lb")
    await story.service("ours")
    await story.expect("ours", "198.18.1.0")
    assert await story.ips("theirs") == []
    await story.service("waits")
    await story.told("waits", 'pool "a"')
    await story.change("ours", spec={"type": "ClusterIP", "loadBalancerClass": None})
    await story.expect("waits", "198.18.1.0")
    assert await story.pool_of("ours") == ""


async def test_tcp_and_udp_share_an_address_and_a_taken_port_does_not(story, kubectl):
    await story.pool("a", "198.18.1.0/30")
    shared = {"metallb.io/allow-shared-ip": "dns", "metallb.io/loadBalancerIPs": "198.18.1.2"}
    await story.service("tcp", 53, "TCP", shared)
    await story.expect("tcp", "198.18.1.2")
    await story.service("udp", 53, "UDP", shared)
    await story.expect("udp", "198.18.1.2")
    await story.service("again", 53, "UDP", shared)
    await story.told("again", "198.18.1.2")
    assert await story.ips("again") == []
    _, out, _ = await kubectl("describe", "service", "again")
    assert "UDP/53" in out


async def test_running_out_and_freeing_one_serves_the_oldest_first(story):
    # Age is counted in whole seconds, then names decide: these are in both orders.
    await story.pool("a", "198.18.1.0/31")
    for name in ("s1", "s2"):
        await story.service(name)
    await story.expect("s2", "198.18.1.1")
    await story.service("s3")
    await story.told("s3", "no available IPs", 'pool "a"')
    await story.service("s4")
    await story.told("s4", "no available IPs")
    await story.delete(f"{story.services}/s1")
    await story.expect("s3", "198.18.1.0")
    assert await story.ips("s4") == []
    await story.delete(f"{story.services}/s2")
    await story.expect("s4", "198.18.1.1")
