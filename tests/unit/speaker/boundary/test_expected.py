"""Which speakers there should be, from the watch of their pods."""

import ipaddress

from frr_adapter import refs
from frr_adapter.boundary import watch
from frr_adapter.decode import decoded
from frr_adapter.model import cluster
from speaker.boundary import expected


def ref(name: str) -> refs.ObjectRef:
    return refs.ObjectRef("Pod", "metallb-system", f"speaker-{name}")


def pod(name: str, *, node: str | None = None, is_over: bool = False, has_address: bool = True) -> watch.Upserted:
    address = ipaddress.ip_address(f"10.0.0.{name.removeprefix('n')}") if has_address else None
    value = cluster.Pod(ref(name), name if node is None else node, address, is_over)
    return watch.Upserted("Pod", decoded.Decoded(ref(name), "1", value))


def test_all_or_nothing_and_only_pods_that_run():
    told = []
    speakers = expected.Expected(told.append)
    for name in ("n1", "n2", "n3"):
        speakers.pod(pod(name))
    assert told == []  # half a list would make the others strangers
    speakers.pod(watch.Listed("Pod"))
    assert told[-1] == {f"n{number}": ipaddress.ip_address(f"10.0.0.{number}") for number in (1, 2, 3)}
    speakers.pod(pod("n2", is_over=True))
    speakers.pod(watch.Deleted("Pod", ref("n3")))
    speakers.pod(pod("n4", has_address=False))
    speakers.pod(pod("n5", node=""))
    assert told[-1].keys() == {"n1"}
