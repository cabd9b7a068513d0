"""What `frr-adapter config` answers: what a node's FRR is to run and what it runs. Made by `cli.core.node_config`."""

from typing import Literal

import msgspec

Verdict = Literal["ok", "differs", "unknown"]


class Difference(msgspec.Struct, frozen=True, rename="camel"):
    """What one daemon runs otherwise than it is to. A statement is its blocks and its line, joined by ` / `; all sorted."""

    daemon: str
    lacking: tuple[str, ...] = ()
    """Wanted, and does not run."""
    unasked: tuple[str, ...] = ()
    """Runs, and is not wanted."""


class Fingerprints(msgspec.Struct, frozen=True, rename="camel"):
    """Short names of configurations: equal ones have equal names. Empty when not known."""

    composed: str = ""
    """What the objects here ask for."""
    wanted: str = ""
    """What the node's speaker wants."""
    applied: str = ""
    """What its FRR took last."""


class ConfigDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The whole answer. No passwords in it."""

    format: Literal["frr-adapter.config/v1"] = "frr-adapter.config/v1"
    node: str = ""
    source: str = ""
    taken_at: str = ""
    verdict: Verdict = "unknown"
    """Whether FRR runs what the objects ask for."""
    state: str = ""
    """As the speaker says: Applied, Applying or Refused; empty when it says nothing."""
    way: str = ""
    last_error: str = ""
    last_applied_time: str = ""
    frr_version: str = ""
    fingerprints: Fingerprints = Fingerprints()
    alike: tuple[str, ...] = ()
    """Other nodes that are to run the same."""
    is_asked: bool = False
    """Whether the node itself was asked and its FRR answered; only then `running` and `differences` say something."""
    notes: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    rendered: str = ""
    """The `frr.conf` that the objects ask for."""
    running: dict[str, str] = {}
    """Daemon -> what it runs."""
    gaps: tuple[str, ...] = ()
