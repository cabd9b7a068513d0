"""The controller on a real Kubernetes API behind a proxy that misbehaves: nothing is lost and nothing is given twice."""

import asyncio
import contextlib
import json
import secrets

import yaml

from controller import loop, settings
from frr_adapter.api import crds
from frr_adapter.boundary import clock, decoders, kube, metrics, outbox, perform, retry, store, watch
from frr_adapter.decode import core
from tests import histories
from tests.contract.conftest import CRDS
from tests.fakes import faults

HASTY = retry.Pace(first=0.01, longest=0.1, attempts=3)


def kubeconfig(path, url: str):
    config = {
        "clusters": [{"name": "proxy", "cluster": {"server": url}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
        "current-context": "proxy",
    }
    path.write_text(yaml.safe_dump(config))
    return path


@contextlib.asynccontextmanager
async def controller(port: kube.Kube, chosen: settings.Settings):
    registry = metrics.Metrics()
    known = store.Store(loop.KINDS)
    the_loop = loop.Loop(chosen, known, registry)
    performer = perform.Performer(port, clock.SystemClock(), perform.Author("metallb-controller", "c"), HASTY)
    out = outbox.Outbox(performer, the_loop.failed, the_loop.performed)
    the_loop.connect(out)
    the_loop.lead()
    pace = watch.Pace(page=50, brief=0.0, waits=HASTY)
    tasks = [
        asyncio.create_task(watch.follow(port, each, decoders.DECODERS[each.kind], the_loop.take, pace))
        for each in decoders.resources(loop.KINDS, chosen.namespace)
    ]
    tasks += [asyncio.create_task(the_loop.run()), asyncio.create_task(out.run())]
    try:
        yield out
        assert not [task for task in tasks if task.done()], "a task of the program ended"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def install(api) -> None:
    for document in crds.documents():
        assert (await api.post(CRDS, document)).status in {201, 409}
    await api.eventually(
        f"/apis/metallb.io/v1beta1/namespaces/{api.namespace}/ipaddresspools", lambda a: a.status == 200
    )


async def test_nothing_is_lost_and_nothing_given_twice(kube_api, api, tmp_path):
    await install(api)
    ours = f"test.example.org/{secrets.token_hex(4)}"
    pool = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "default"},
        "spec": {"addresses": [histories.POOL]},
    }
    (await api.post(api.path("ipaddresspools", group="metallb.io", version="v1beta1"), pool)).ok(201)

    async def make(name: str) -> None:
        spec = {
            "type": "LoadBalancer",
            "loadBalancerClass": ours,
            "allocateLoadBalancerNodePorts": False,
            "selector": {"app": name},
            "ports": [{"port": 80}],
        }
        (await api.post(api.path("services"), {"metadata": {"name": name}, "spec": spec})).ok(201)

    async def remove(name: str) -> None:
        (await api.delete(api.path("services", name))).ok()

    async def services():
        listed = await api.call("GET", api.path("services"))
        found = [core.decode_service(_bytes({**each, "kind": "Service"})).value for each in listed.ok()["items"]]
        return tuple(sorted(found, key=lambda each: each.ref))

    plan = faults.Plan(seed=20261122)
    chosen = settings.parse([f"--namespace={api.namespace}", f"--lb-class={ours}"], {})
    async with (
        faults.FaultyProxy(kube_api.url, plan, kube_api.headers, kube_api.ssl) as proxy,
        await kube.Kube.connect(kubeconfig(tmp_path / "kubeconfig", proxy.url)) as port,
        controller(port, chosen) as out,
    ):
        standing = await histories.live(make, remove, total=300, seed=7)
        plan.is_calm = True
        wrong = ["not asked yet"]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                while wrong or not out.is_empty:
                    wrong = histories.faults_of(await services(), standing, ours)
                    await asyncio.sleep(0.1)
        assert wrong == []
        held = (await api.get(api.path("ipaddresspools", "default", group="metallb.io", version="v1beta1"))).ok()
        assert held["status"]["assignedIPv4"] == len(standing)
        assert len(plan.injected) >= 7, plan.injected


def _bytes(document: dict) -> bytes:
    return json.dumps(document).encode()
