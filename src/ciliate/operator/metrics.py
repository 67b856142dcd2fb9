"""What the operator measures: whether it leads, and of a leader what its features say.

A standby has no tables and reports only that it is one, and its listeners, so the features' metrics
come from one operator, never from two.
"""

from ciliate.metrics.family import Family
from ciliate.metrics.listeners import listener_families
from ciliate.operator.health import Health


def operator_families(health: Health) -> tuple[Family, ...]:
    """Return the families of an operator in this state."""
    leads = health.elector is not None and health.elector.is_leader
    leading = Family(
        "ciliate_operator_leading",
        "1 for the operator that holds the lease, 0 for one that stands by.",
        (),
        [((), float(leads))],
    )
    own = (leading, *listener_families())
    if not leads:
        return own
    return (*own, *(family for each in health.features for family in each.families()))
