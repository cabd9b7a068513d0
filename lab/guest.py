"""The lab as a guest in a cluster that is not its own: what it made there goes when the lab goes. Called by `lab down`."""

from lab import kube
from lab.places import Places


async def forget(places: Places) -> int:
    """Delete what the lab made in a cluster that is not its own, all but definitions.

    CustomResourceDefinitions stay: deleting one deletes every object of its kind, also those that are not ours. Returns how
    many stayed. `LabError` when the API cannot be reached.
    """
    paths = places.created_file.read_text(encoding="utf-8").split()
    kept = [path for path in paths if "/customresourcedefinitions/" in path]
    async with kube.Api(kube.read_kubeconfig(places.kubeconfig)) as api:
        for path in reversed(paths):
            if path not in kept:
                # Pods of a node without kubelet end at once only when they are given no time.
                await api.delete(f"{path}?gracePeriodSeconds=0")
    return len(kept)
