"""Paths, clock and memory: the modules too small for a file of tests each."""

import datetime as dt
import gc

import pytest

from frr_adapter import refs
from frr_adapter.boundary import clock, memory, paths


@pytest.mark.parametrize(
    ("ref", "subresource", "path"),
    [
        (refs.ObjectRef("Service", "shop", "web"), "status", "/api/v1/namespaces/shop/services/web/status"),
        (refs.ObjectRef("Node", "", "n1"), "", "/api/v1/nodes/n1"),
        (
            refs.ObjectRef("BGPPeer", "metallb-system", "p"),
            "",
            "/apis/metallb.io/v1beta2/namespaces/metallb-system/bgppeers/p",
        ),
        (refs.ObjectRef("Service", "a/b", "c?d"), "", "/api/v1/namespaces/a%2Fb/services/c%3Fd"),
    ],
)
def test_paths(ref, subresource, path):
    assert paths.path_of(ref, subresource) == path


def test_a_collection_is_in_all_namespaces_or_in_one():
    kind = paths.KINDS["EndpointSlice"]
    assert kind.collection() == "/apis/discovery.k8s.io/v1/endpointslices"
    assert kind.collection("shop") == "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"


def test_timestamps_are_utc_and_whole_seconds():
    east = dt.timezone(dt.timedelta(hours=2))
    assert clock.timestamp(dt.datetime(2030, 1, 1, 1, 0, 0, 999_999, east)) == "2029-12-31T23:00:00Z"


def test_the_system_clock_goes_forward_in_utc():
    system = clock.SystemClock()
    assert system.now().utcoffset() == dt.timedelta(0)
    assert system.monotonic() <= system.monotonic()


def test_settling_exempts_what_exists_from_collection():
    gc.unfreeze()
    memory.settle()
    try:
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
