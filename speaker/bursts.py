"""When gratuitous frames are due, as a frozen value: five bursts after each takeover. Time is an argument, in seconds.

`speaker.boundary.layer2` keeps one `Schedule` and its timer; nothing here reads a clock.
"""

from dataclasses import dataclass, replace

from speaker import links

OFFSETS = (0.0, 1.1, 2.2, 3.3, 4.4)
"""Seconds after a takeover at which a burst is sent."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """Targets taken over at one moment, `sent` bursts of which are out."""

    targets: frozenset[links.Target]
    started: float
    sent: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """All campaigns under way. A target is in one campaign at most: a new takeover starts its five bursts again."""

    campaigns: tuple[Campaign, ...] = ()
    offsets: tuple[float, ...] = OFFSETS

    def started(self, targets: frozenset[links.Target], now: float) -> "Schedule":
        """The schedule with a campaign for the targets that begins now; no targets change nothing."""
        if not targets:
            return self
        kept = self.without(targets)
        return replace(kept, campaigns=(*kept.campaigns, Campaign(targets, now)))

    def without(self, targets: frozenset[links.Target]) -> "Schedule":
        """The schedule without the targets: they are no longer ours to announce."""
        rest = (
            campaign if campaign.targets.isdisjoint(targets) else replace(campaign, targets=campaign.targets - targets)
            for campaign in self.campaigns
        )
        return replace(self, campaigns=tuple(campaign for campaign in rest if campaign.targets))

    def due(self, now: float) -> tuple[tuple[links.Target, ...], "Schedule"]:
        """Targets whose next burst is due, sorted, and the schedule after sending them.

        A late caller sends one burst per target, not all that were missed.
        """
        targets: set[links.Target] = set()
        kept: list[Campaign] = []
        for campaign in self.campaigns:
            passed = sum(1 for offset in self.offsets if campaign.started + offset <= now)
            if passed > campaign.sent:
                targets |= campaign.targets
            if passed < len(self.offsets):
                kept.append(campaign if passed <= campaign.sent else replace(campaign, sent=passed))
        return tuple(sorted(targets, key=_by_address)), replace(self, campaigns=tuple(kept))

    @property
    def next_at(self) -> float | None:
        """When the next burst is due; None when nothing is under way."""
        return min((campaign.started + self.offsets[campaign.sent] for campaign in self.campaigns), default=None)


def _by_address(target: links.Target) -> tuple[int, int, int]:
    return (target.address.version, int(target.address), target.interface)
