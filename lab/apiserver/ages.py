"""How long ago something was, as kubectl prints it.

`table` and the built-in columns use it. The time is an argument. Source: Kubernetes, "HumanDuration".
"""

from datetime import UTC, datetime, timedelta

UNKNOWN = "<unknown>"


def human(duration: timedelta) -> str:
    """A duration with two or three significant figures: `5s`, `3m12s`, `2d`; two seconds of skew count as none."""
    seconds = int(duration.total_seconds())
    minutes, hours = seconds // 60, seconds // 3600
    days = hours // 24
    if seconds < -1:
        return "<invalid>"
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 24 * 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def since(timestamp: str | None, now: datetime) -> str:
    """The age of an RFC 3339 timestamp; `<unknown>` without one, `<invalid>` for something else."""
    if not timestamp:
        return UNKNOWN
    try:
        then = datetime.fromisoformat(timestamp)
    except ValueError:
        return "<invalid>"
    return human(now - (then if then.tzinfo else then.replace(tzinfo=UTC)))
