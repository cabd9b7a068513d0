"""Which speakers there should be: the running pods of speakers, by node. Fed by the watch of pods, told to the wire process."""

from collections.abc import Callable, Mapping

from frr_adapter import addresses
from frr_adapter.boundary import watch
from frr_adapter.model import cluster


class Expected:
    """`told` is called with all of them whenever a pod changed, and not before they were listed: half of them would be a majority."""

    def __init__(self, told: Callable[[Mapping[str, addresses.Address]], None]) -> None:
        self._told = told
        self._pods: dict[str, cluster.Pod] = {}
        self._is_listed = False

    def pod(self, event: watch.WatchEvent) -> None:
        """News of a speaker's pod."""
        match event:
            case watch.Listed():
                self._is_listed = True
            case watch.Upserted(decoded=newest) if isinstance(newest.value, cluster.Pod):
                self._pods[str(newest.ref)] = newest.value
            case watch.Deleted(ref=ref):
                self._pods.pop(str(ref), None)
            case _:
                return
        if self._is_listed:
            self._told(
                {
                    pod.node: pod.address
                    for pod in self._pods.values()
                    if pod.node and pod.address is not None and not pod.is_over
                }
            )
