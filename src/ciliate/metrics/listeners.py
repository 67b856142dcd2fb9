"""Metrics of the listeners of a process: how many connections, and what became of others."""

from ciliate.metrics.family import Family, FamilyKind
from ciliate.system.listener_counts import Ending, all_counts


def listener_families() -> tuple[Family, ...]:
    """Return the families of every listener that this process has had."""
    counts = all_counts()
    return (
        Family(
            "ciliate_listener_connections",
            "Connections that a listener has now.",
            ("listener",),
            [((each.name,), each.open) for each in counts],
        ),
        Family(
            "ciliate_listener_accepted_total",
            "Connections that a listener admitted.",
            ("listener",),
            [((each.name,), each.accepted) for each in counts],
            FamilyKind.COUNTER,
        ),
        Family(
            "ciliate_listener_ended_total",
            "Connections that a listener refused or ended, by reason: every other was busy"
            " (refused), it waited and another came (displaced), no whole request in time (late),"
            " no further one (idle), nothing of an answer was taken (untaken), no descriptor was"
            " left (no-descriptors).",
            ("listener", "reason"),
            [
                ((each.name, ending.value), each.ended[ending])
                for each in counts
                for ending in Ending
            ],
            FamilyKind.COUNTER,
        ),
    )
