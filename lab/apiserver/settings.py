"""What the embedded API can be told at its start.

`__main__` fills it from flags, tests by hand. Must never read the environment.
"""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from lab.apiserver.service_network import Network


@dataclass(frozen=True, slots=True)
class Settings:
    """`doors` is the file with the ways into containers, see `executing`. `port` 0 takes a free one; `history` counts changes kept per resource; seconds are between two bookmarks."""

    host: str = "127.0.0.1"
    port: int = 0
    unix: Path | None = None
    kubeconfig: Path | None = None
    doors: Path | None = None
    history: int = 10_000
    bookmark_seconds: float = 60.0
    networks: tuple[Network, ...] = (
        ipaddress.ip_network("10.96.0.0/16"),
        ipaddress.ip_network("fd00:10:96::/112"),
    )
