"""Spans of time as Go prints them: "4m12s ago", which is what Cilium's commands show."""

from datetime import datetime


def render_duration(seconds: float) -> str:
    """Return whole seconds as "1h2m3s", "2m3s" or "3s"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    if minutes:
        return f"{minutes}m{rest}s"
    return f"{rest}s"


def since(moment: datetime | None, *, now: datetime) -> str:
    """Return how long ago `moment` was, or "never"; clocks that differ never give a minus."""
    if moment is None:
        return "never"
    return f"{render_duration(max(0.0, (now - moment).total_seconds()))} ago"
