"""Who leads: what to do about the lease, given what was seen of it and when. Called by `boundary.lease` through the wiring.

The rules are those of client-go's leader election (k8s.io/client-go/tools/leaderelection), so that both understand each
other's leases. No clock is compared with another machine's: a candidate waits `duration` seconds from the moment it saw a
renewal itself, a leader counts `deadline` seconds from the moment before it sent its last successful one. Never acts.
"""

from dataclasses import dataclass

from controller import values

_JITTER = 1.2
"""As client-go: a candidate's pauses are up to this much longer, so that candidates do not come together."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds: others wait `duration` after a renewal; a leader that cannot renew stops after `deadline`; `pause` between tries.

    `settings` makes sure that duration > deadline > pause * 1.2: the first difference is what requests on their way and
    clocks of different speed may use up.
    """

    duration: int = 15
    deadline: float = 10.0
    pause: float = 2.0


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for one candidate. `identity` must belong to one living process at a time."""

    identity: str
    terms: Terms = Terms()

    def see(self, before: values.Sight | None, lease: values.Lease | None, version: str, now: float) -> values.Sight:
        """What is known after the API showed this version at `now`; a version seen before is no news."""
        if before is not None and lease is not None and before.version == version:
            return before
        if lease is None:
            # Deleting the object ends nobody's leadership: who held it does not know yet.
            return values.Sight(None, "", before.free_at if before is not None else now)
        if not lease.holder:
            return values.Sight(lease, version, now)
        duration = lease.duration if lease.duration > 0 else self.terms.duration
        return values.Sight(lease, version, now + duration)

    def step(self, sight: values.Sight | None, leads_until: float | None, now: float, today: str) -> values.LeaseStep:
        """What to do now. `sight` is None when it may be outdated, `leads_until` when we do not lead; `today` is a timestamp."""
        if leads_until is not None and now >= leads_until:
            return values.Lost(f"could not be renewed for {self.terms.deadline:g} s")
        if sight is None:
            return values.Look()
        holder = sight.lease.holder if sight.lease is not None else ""
        if holder != self.identity:
            if leads_until is not None and holder:
                return values.Lost(f'is held by "{holder}"')
            if leads_until is None and now < sight.free_at:
                return values.Stand(holder)
        return values.Take(self._held(sight.lease, today), sight.version)

    def leads_until(self, sent_at: float) -> float:
        """The end of the leadership that a successful write gives: counted from before it was sent."""
        return sent_at + self.terms.deadline

    def pause(self, leads_until: float | None, now: float, draw: float) -> float:
        """Seconds until the next try; `draw` is a random number from 0 to 1."""
        if leads_until is None:
            return self.terms.pause * (1 + _JITTER * draw)
        return max(0.0, min(self.terms.pause, leads_until - now))

    def patience(self, leads_until: float | None, now: float) -> float:
        """Seconds that a request may take: a leader must not wait beyond the end of its leadership."""
        return self.terms.deadline if leads_until is None else max(0.0, leads_until - now)

    def release(self, sight: values.Sight | None, today: str) -> values.Take | None:
        """How to hand over at once; None when the lease is not ours to give. Only for who has stopped writing."""
        if sight is None or sight.lease is None or sight.lease.holder != self.identity:
            return None
        # One second, as client-go: the field must be positive.
        return values.Take(values.Lease("", 1, today, today, sight.lease.transitions), sight.version)

    def _held(self, before: values.Lease | None, today: str) -> values.Lease:
        if before is not None and before.holder == self.identity:
            return values.Lease(self.identity, self.terms.duration, before.acquired, today, before.transitions)
        transitions = before.transitions + 1 if before is not None else 0
        return values.Lease(self.identity, self.terms.duration, today, today, transitions)
