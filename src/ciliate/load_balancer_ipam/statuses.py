"""What Services and pools say of it in their status, read and written. Pure.

The condition of a Service marks it as ours: a status without one is somebody else's, and is not
touched. Names and reasons are those of Cilium 1.17 to 1.19, whose users look for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from ciliate.api.conditions import Verdict, condition_of, encoded, without, written
from ciliate.api.service import LoadBalancerIngress, Service
from ciliate.load_balancer_ipam.allocator import Outcome
from ciliate.load_balancer_ipam.pools import Pool

#: Of a Service: whether it has what it asks for.
SATISFIED: Final = "cilium.io/IPAMRequestSatisfied"

#: Of a pool: whether an older one is in its way, and numbers of addresses.
CONFLICT: Final = "cilium.io/PoolConflict"
TOTAL: Final = "cilium.io/IPsTotal"
AVAILABLE: Final = "cilium.io/IPsAvailable"
USED: Final = "cilium.io/IPsUsed"
#: Ours: whether every block can be read.
ACCEPTED: Final = "ciliate.io/Accepted"
#: Ours: whether a pod, a node or another Service may have an address of it.
OVERLAP: Final = "ciliate.io/OverlapsCluster"
OF_POOLS: Final = (CONFLICT, TOTAL, AVAILABLE, USED, ACCEPTED, OVERLAP)


@dataclass(frozen=True, slots=True)
class ServiceVerdict:
    """The addresses of a Service, and its condition."""

    addresses: tuple[str, ...]
    is_satisfied: bool
    reason: str
    message: str
    generation: int


def service_verdict(outcome: Outcome, generation: int) -> ServiceVerdict:
    """Return what a Service of this generation should say."""
    satisfied, lack = outcome.is_satisfied, outcome.lack
    message = lack.message
    if satisfied and message:
        message = f"one family is enough (ipFamilyPolicy PreferDualStack); {message}"
    return ServiceVerdict(
        addresses=tuple(str(address) for address in outcome.addresses),
        is_satisfied=satisfied,
        reason="satisfied" if satisfied else lack.reason,
        message=message,
        generation=generation,
    )


def is_marked(service: Service) -> bool:
    """Whether a Service's status has our condition."""
    return condition_of(service.status.conditions, SATISFIED) is not None


def shown_service_verdict(service: Service) -> ServiceVerdict | None:
    """Return what a Service's status says now; None: it is not ours."""
    found = condition_of(service.status.conditions, SATISFIED)
    if found is None:
        return None
    ingress = service.status.load_balancer.ingress
    return ServiceVerdict(
        addresses=tuple(each.ip or each.hostname for each in ingress),
        is_satisfied=found.status == "True",
        reason=found.reason,
        message=found.message,
        generation=found.observed_generation,
    )


def service_patch(service: Service, verdict: ServiceVerdict, now: datetime) -> dict[str, Any]:
    """Return the merge patch that has a Service's status, as it is now, say `verdict`."""
    status = "True" if verdict.is_satisfied else "False"
    conditions = written(
        service.status.conditions,
        [(SATISFIED, status, verdict.reason, verdict.message)],
        verdict.generation,
        now,
    )
    known = {each.ip: each for each in service.status.load_balancer.ingress}
    ingress = [known.get(ip, LoadBalancerIngress(ip=ip)) for ip in verdict.addresses]
    return _status_patch(service, ingress, conditions)


def cleared_patch(service: Service) -> dict[str, Any]:
    """Return the merge patch that takes from a Service's status what is ours."""
    others = encoded(without(service.status.conditions, [SATISFIED]))
    return _status_patch(service, (), others)


def pool_verdict(pool: Pool, *, used: int, left: int, overlap: str = "") -> Verdict:
    """Return what a pool should say; `overlap`: who in the cluster has addresses of it."""
    conflict = (CONFLICT, "False", "resolved", "")
    if pool.conflict:
        conflict = (CONFLICT, "True", "cidr_overlap", pool.conflict)
    accepted = (ACCEPTED, "True", "Accepted", "every block can be used")
    if pool.problem:
        kept = "nothing is given out of this pool, and Services keep what they have"
        accepted = (ACCEPTED, "False", "Invalid", f"{pool.problem}; {kept}")
    numbers = ((TOTAL, used + left), (AVAILABLE, left), (USED, used))
    counted = ((kind, "Unknown", "noreason", str(number)) for kind, number in numbers)
    apart = (OVERLAP, "True" if overlap else "False", "Overlap" if overlap else "Apart", overlap)
    return Verdict((conflict, *counted, accepted, apart), pool.generation)


def _status_patch(
    service: Service, ingress: Sequence[LoadBalancerIngress], conditions: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "metadata": {"resourceVersion": service.metadata.resource_version},
        "status": {
            "loadBalancer": {"ingress": msgspec.to_builtins(ingress) or None},
            "conditions": conditions or None,
        },
    }
