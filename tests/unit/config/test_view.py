"""The view over listed objects: what it remembers must not hide that something failed."""

import pytest

from frr_adapter.resolve import view
from tests import bgp_world as w


def test_a_configuration_that_could_not_be_resolved_is_tried_again():
    look = view.View(lb_class="", node=w.NODE)
    before, _ = look.look({"BGPPeer": (w.make_peer("tor"),), "Node": (w.make_node(),)})
    assert [each.name for each in before.configuration.peers] == ["tor"]
    broken = {"BGPPeer": (object(),), "Node": (w.make_node(),)}
    for _ in range(2):
        with pytest.raises(AttributeError):
            look.look(broken)
