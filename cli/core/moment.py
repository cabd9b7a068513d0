"""One moment of a plan: the world after the controller has written what it wants, and what every node makes of it. Pure.

Made by `planning`, once for before and once for after. It must never compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cli.core import layer2, nodes, world
from controller.core import memory


@dataclass(frozen=True, slots=True)
class Moment:
    """`first` is the controller's decision before it wrote anything: it says why. `last` says what is there in the end."""

    world: world.World
    first: memory.Decision
    last: memory.Decision
    nodes: nodes.Nodes
    contests: Mapping[str, layer2.Contest]
