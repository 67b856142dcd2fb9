"""What the operator measures: whether it leads, and how full the pools and nodes are.

Read from the tables when somebody asks. A standby has no tables, and so only says that it is one:
pools are shown by one operator, never by two.
"""

from ciliate.metrics.family import Family
from ciliate.operator.health import Health


def operator_families(health: Health) -> tuple[Family, ...]:
    """Return the families of an operator in this state."""
    leads = health.elector is not None and health.elector.is_leader
    return (
        Family(
            "ciliate_operator_leading",
            "1 for the operator that holds the lease, 0 for one that stands by.",
            (),
            [((), float(leads))],
        ),
    )
