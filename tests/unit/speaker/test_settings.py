"""The speaker's flags about the gossip of speakers."""

import re

import pytest

from frr_adapter import errors
from speaker import settings

NODE = ["--node-name", "n1"]


def test_gossip_needs_labels_an_address_and_a_secret():
    given = {
        "METALLB_ML_BIND_ADDR": "2001:DB8::1",
        "METALLB_ML_LABELS": "component=speaker",
        "METALLB_ML_SECRET_KEY_PATH": "/etc/ml_secret_key",
    }
    read = settings.parse(NODE, given)
    assert read.has_membership
    assert (read.ml_bindaddr, read.ml_bindport, read.timing) == ("2001:db8::1", 7946, settings.LAN)
    for missing in given:
        assert not settings.parse(NODE, {name: text for name, text in given.items() if name != missing}).has_membership


def test_wide_areas_are_five_times_slower():
    wide = settings.parse([*NODE, "--ml-wan-config"], {"METALLB_ML_BIND_PORT": "7000"})
    assert wide.ml_bindport == 7000
    for members in (3, 100):
        assert wide.timing.dead_after(members) == pytest.approx(5 * settings.LAN.dead_after(members))
        assert wide.timing.fence_after(members) == pytest.approx(5 * settings.LAN.fence_after(members))


def test_limits_grow_slowly_with_the_cluster():
    assert settings.LAN.dead_after(2) == settings.LAN.dead_after(16) == settings.LAN.death
    assert settings.LAN.dead_after(256) == pytest.approx(2 * settings.LAN.death)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--ml-bindaddr=here", '--ml-bindaddr: found "here"; an IPv4 or IPv6 address is allowed'),
        ("--ml-bindport=0", '--ml-bindport: found "0"; a port from 1 to 65535 is allowed'),
        ("--ml-bindport=70000", '--ml-bindport: found "70000"; a port from 1 to 65535 is allowed'),
    ],
)
def test_a_bad_flag_is_one_line(flag, words):
    with pytest.raises(errors.SettingsError, match=re.escape(words)):
        settings.parse([*NODE, flag], {})
