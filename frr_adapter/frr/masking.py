"""Configurations without their passwords, for people: what reports and the operator's command show. Pure.

A masked configuration must never be applied: FRR would take `***` for the password.
"""

import dataclasses
import re

from frr_adapter.frr import config as frr_config
from frr_adapter.frr import reloading
from frr_adapter.secret import Secret

MASK = "***"

# To the end of the line: a password may hold blanks, and what may follow it in a few statements is nothing that people miss.
_PASSWORD = re.compile(rf"\b({reloading.SAID_BEFORE})[ \t]+\S.*$", re.MULTILINE)


def text(running: str) -> str:
    """What a daemon runs, or a file, with `***` in place of whatever follows the words for a password, whoever wrote that."""
    return _PASSWORD.sub(rf"\1 {MASK}", running)


def configuration(config: frr_config.FrrConfig) -> frr_config.FrrConfig:
    """The same with `***` in place of each password, also in the user's own lines."""
    routers = tuple(
        dataclasses.replace(router, neighbors=tuple(_neighbor(each) for each in router.neighbors))
        for router in config.routers
    )
    # Known passwords first, as they may stand anywhere in what a user wrote, comments included.
    extras = tuple(text(reloading.redact(line, config.secrets)) for line in config.extras)
    return dataclasses.replace(config, routers=routers, extras=extras)


def _neighbor(neighbor: frr_config.Neighbor) -> frr_config.Neighbor:
    return neighbor if neighbor.password is None else dataclasses.replace(neighbor, password=Secret(MASK))
