"""What the renderer refuses."""

import pytest

from frr_adapter import errors
from frr_adapter.boundary import files
from frr_adapter.frr import config, render
from speaker.core import compose
from tests import bgp_world as w

TEMPLATES = files.read_templates()


@pytest.mark.parametrize(
    "peer",
    [
        {"password": "a\nrouter bgp 1"},
        {"interface": "eth0\n no neighbor x", "dynamic_asn": "external"},
        {"bfd_profile": "fast\r"},
        {"vrf": "red\n"},
    ],
)
def test_a_line_break_inside_a_value_is_refused_and_never_shown(peer):
    made = compose.compose(w.plan(w.make_world([w.make_peer(**peer)])))
    with pytest.raises(errors.ApplyError, match="control character") as caught:
        render.render(made, TEMPLATES)
    assert "router bgp 1" not in str(caught.value)


def test_a_template_that_names_an_unknown_field_fails():
    with pytest.raises(Exception, match="no attribute 'hostnames'"):
        render.render(config.FrrConfig("n1"), {"frr.conf.j2": "{{ config.hostnames }}"})


def test_a_template_that_prints_an_unset_field_fails():
    with pytest.raises(errors.ApplyError, match="not set"):
        render.render(config.FrrConfig("n1"), {"frr.conf.j2": "{{ config.log }}"})


def test_the_users_lines_stand_last_and_as_they_are():
    made = compose.compose(w.plan(w.make_world(extras="a\n\n  b\tc\r\n!")))
    assert render.render(made, TEMPLATES).endswith("! ConfigMap bgpextras\na\n\n  b\tc\n!\n")


def test_a_config_shows_no_password():
    made = compose.compose(w.plan(w.make_world([w.make_peer(password="hunter2")])))
    assert "hunter2" not in repr(made)
    assert "neighbor 10.99.0.1 password hunter2\n" in render.render(made, TEMPLATES)
