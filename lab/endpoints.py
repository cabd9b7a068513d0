"""The lab's EndpointSlice controller: keeps EndpointSlices as Services and Pods want them.

Started by the supervisor: `python -m lab.endpoints --kubeconfig FILE`. A cluster with its own controller does without.
Touches only slices that carry its own managed-by label.
"""

import argparse
import asyncio
import contextlib
from pathlib import Path

from lab import kube, slices

_VERSION = "discovery.k8s.io/v1"


async def run(kubeconfig: Path) -> None:
    """Compare after every change. Never returns."""
    changed = asyncio.Event()
    async with kube.Api(kube.read_kubeconfig(kubeconfig)) as api:
        services = kube.Mirror(api, kube.path_of("v1", "Service"), changed)
        pods = kube.Mirror(api, kube.path_of("v1", "Pod"), changed)
        present = kube.Mirror(api, kube.path_of(_VERSION, "EndpointSlice"), changed)
        async with asyncio.TaskGroup() as group:
            for mirror in (services, pods, present):
                group.create_task(mirror.run())
            while True:
                await changed.wait()
                changed.clear()
                if services.listed and pods.listed and present.listed:
                    try:
                        await _compare(api, services, pods, present)
                    except kube.ApiError as error:
                        print(f"endpoints: {error}", flush=True)
                        await asyncio.sleep(0.5)
                        changed.set()


async def _compare(api: kube.Api, services: kube.Mirror, pods: kube.Mirror, present: kube.Mirror) -> None:
    """One cycle: write what differs, delete what nobody wants."""
    want = {
        (each["metadata"]["namespace"], each["metadata"]["name"]): each
        for service in list(services.objects.values())
        for each in slices.wanted(service, pods.objects.values())
    }
    for key, each in want.items():
        have = present.objects.get(key)
        if have is None or not slices.is_same(have, each):
            present.objects[key] = await api.apply(each)
            print(f"endpoints: {key[0]}/{key[1]}: {len(each['endpoints'])} endpoints", flush=True)
    for key, have in list(present.objects.items()):
        labels = have["metadata"].get("labels") or {}
        if key not in want and labels.get("endpointslice.kubernetes.io/managed-by") == slices.MANAGED_BY:
            await api.delete(kube.path_of(_VERSION, "EndpointSlice", *key))
            present.objects.pop(key, None)
            print(f"endpoints: {key[0]}/{key[1]}: deleted", flush=True)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m lab.endpoints", description="EndpointSlices of the lab")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(arguments.kubeconfig))


if __name__ == "__main__":
    main()
