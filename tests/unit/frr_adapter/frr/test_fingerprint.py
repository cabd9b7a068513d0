"""The name of a configuration: the same for the same, another for another, and it gives nothing away."""

import dataclasses

import pytest

from frr_adapter.frr import fingerprint
from speaker.core import compose
from tests import bgp_world as w

PEER = {"address": "10.99.0.1", "bfd_profile": "fast"}


def made(ips=("192.0.2.1",), service="default/web", ad=None, peer="tor", **changes):
    world = w.make_world(
        peers=[w.make_peer(peer, **{**PEER, **changes})],
        ads=[w.make_ad(**(ad or {}))],
        services=[w.make_service(service, *ips)],
        bfd_profiles=[w.make_bfd()],
    )
    return compose.compose(w.plan(world))


def test_equal_configurations_have_equal_names():
    assert fingerprint.fingerprint(made()) == fingerprint.fingerprint(made())
    assert len(fingerprint.fingerprint(made())) == 12


@pytest.mark.parametrize(
    "other",
    [
        made(("192.0.2.2",)),
        made(("192.0.2.1", "2001:db8::1"), dual_stack_address_family=True),
        made(()),
        made(ad={"communities": ["64600:1"]}),
        made(asn=64513),
        made(address="10.99.0.2"),
        made(port=1179),
        made(bfd_profile=""),
        made(password="x"),
        dataclasses.replace(made(), extras=("agentx",)),
        dataclasses.replace(made(), bfd_profiles=()),
    ],
)
def test_whatever_counts_for_frr_makes_another_name(other):
    assert fingerprint.fingerprint(other) != fingerprint.fingerprint(made())


def test_nodes_can_be_compared():
    assert fingerprint.fingerprint(dataclasses.replace(made(), hostname="n2")) == fingerprint.fingerprint(made())


def test_comments_do_not_count():
    assert fingerprint.fingerprint(made(service="default/other")) == fingerprint.fingerprint(made())
    (router,) = made().routers
    (neighbor,) = router.neighbors
    renamed = dataclasses.replace(neighbor, peers=("other",), summary="another kind")
    config = dataclasses.replace(made(), routers=(dataclasses.replace(router, neighbors=(renamed,)),))
    assert fingerprint.fingerprint(config) == fingerprint.fingerprint(made())


def test_passwords_cannot_be_told_apart():
    assert fingerprint.fingerprint(made(password="one")) == fingerprint.fingerprint(made(password="two"))


def test_passwords_of_extra_lines_cannot_be_told_apart():
    names = {
        fingerprint.fingerprint(dataclasses.replace(made(), extras=(f"neighbor 10.99.0.9 password {word}",)))
        for word in ("one", "two")
    }
    assert len(names) == 1
