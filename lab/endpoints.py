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
Key = tuple[str, str]
"""Namespace and name."""


async def run(kubeconfig: Path) -> None:
    """Compare after every change. Never returns."""
    changed = asyncio.Event()
    due: set[Key] = set()
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
                if not (services.listed and pods.listed and present.listed):
                    continue
                due |= _concerned(services, pods, present)
                try:
                    for key in sorted(due):
                        await _compare(api, key, services.objects.get(key), pods, present)
                        due.discard(key)
                except kube.ApiError as error:
                    print(f"endpoints: {error}", flush=True)
                    await asyncio.sleep(0.5)
                    changed.set()


def _concerned(services: kube.Mirror, pods: kube.Mirror, present: kube.Mirror) -> set[Key]:
    """Services to look at again: those that are new or different, and those whose slices are; all of them when a pod is."""
    found = services.news() | {slices.service_of(*key) for key in present.news()}
    return found | services.objects.keys() if pods.news() else found


async def _compare(api: kube.Api, key: Key, service: kube.Json | None, pods: kube.Mirror, present: kube.Mirror) -> None:
    """One Service: write what differs, delete what nobody wants."""
    wanted = () if service is None else slices.wanted(service, pods.objects.values())
    names = {each["metadata"]["name"] for each in wanted}
    for each in wanted:
        place = (key[0], each["metadata"]["name"])
        have = present.objects.get(place)
        if have is None or not slices.is_same(have, each):
            present.objects[place] = await api.apply(each)
            print(f"endpoints: {place[0]}/{place[1]}: {len(each['endpoints'])} endpoints", flush=True)
    for name in slices.names(key[1]):
        have = present.objects.get((key[0], name))
        if have is None or name in names or not slices.is_ours(have):
            continue
        await api.delete(kube.path_of(_VERSION, "EndpointSlice", key[0], name))
        present.objects.pop((key[0], name), None)
        print(f"endpoints: {key[0]}/{name}: deleted", flush=True)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m lab.endpoints", description="EndpointSlices of the lab")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(arguments.kubeconfig))


if __name__ == "__main__":
    main()
