"""A small world in, the whole frr.conf out. tests/live lets FRR itself read every expected file."""

import pytest

from frr_adapter.boundary import files
from frr_adapter.frr import render
from speaker.core import compose
from tests import bgp_world, cases

CASES = cases.read("render")


@pytest.mark.parametrize("name", CASES)
def test_render(name):
    given, expected = CASES[name]
    world, settings = bgp_world.from_yaml(given)
    config = compose.compose(bgp_world.plan(world), **settings)
    assert render.render(config, files.read_templates()) == expected
