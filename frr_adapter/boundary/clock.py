"""The system's clock behind `ports.Clock`. The programs' wiring makes one; decisions get times as arguments, never this."""

import datetime as dt
import time


class SystemClock:
    """Real time."""

    def now(self) -> dt.datetime:
        """The time of day in UTC."""
        return dt.datetime.now(dt.UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start, never going back."""
        return time.monotonic()


def timestamp(moment: dt.datetime) -> str:
    """RFC 3339 with whole seconds, as Kubernetes writes `metav1.Time`."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
