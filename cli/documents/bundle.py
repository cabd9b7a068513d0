"""What `frr-adapter bundle -o json` says about the file that it made."""

from typing import Literal

import msgspec


class BundleDocument(msgspec.Struct, frozen=True, rename="camel"):
    """`objects` counts by kind; `nodes` are those whose speakers answered; `gaps` is what could not be read, which the file says too."""

    format: Literal["frr-adapter.bundle/v1"] = "frr-adapter.bundle/v1"
    file: str = ""
    bytes: int = 0
    source: str = ""
    taken_at: str = ""
    objects: dict[str, int] = {}
    nodes: tuple[str, ...] = ()
    events: int = 0
    gaps: tuple[str, ...] = ()
