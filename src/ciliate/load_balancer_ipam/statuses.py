"""What Services and pools say of it in their status, read and written. Pure.

The condition of a Service marks it as ours: a status without one is somebody else's, and is not
touched. Names and reasons are those of Cilium 1.17 to 1.19, whose users look for them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from ciliate.api.load_balancer_ip_pool import CiliumLoadBalancerIPPool
from ciliate.api.metadata import Condition, format_time
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
_OF_POOLS: Final = (CONFLICT, TOTAL, AVAILABLE, USED, ACCEPTED, OVERLAP)


@dataclass(frozen=True, slots=True)
class ServiceVerdict:
    """The addresses of a Service, and its condition."""

    addresses: tuple[str, ...]
    is_satisfied: bool
    reason: str
    message: str
    generation: int


@dataclass(frozen=True, slots=True)
class PoolVerdict:
    """The conditions of a pool, each as (type, status, reason, message)."""

    conditions: tuple[tuple[str, str, str, str], ...]
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
    return _condition(service.status.conditions, SATISFIED) is not None


def shown_service_verdict(service: Service) -> ServiceVerdict | None:
    """Return what a Service's status says now; None: it is not ours."""
    found = _condition(service.status.conditions, SATISFIED)
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
    condition = _renewed(
        service.status.conditions,
        (SATISFIED, status, verdict.reason, verdict.message),
        verdict.generation,
        now,
    )
    known = {each.ip: each for each in service.status.load_balancer.ingress}
    ingress = [known.get(ip, LoadBalancerIngress(ip=ip)) for ip in verdict.addresses]
    others = [each for each in service.status.conditions if each.type != SATISFIED]
    return _status_patch(service, ingress, [*others, condition])


def cleared_patch(service: Service) -> dict[str, Any]:
    """Return the merge patch that takes from a Service's status what is ours."""
    others = [each for each in service.status.conditions if each.type != SATISFIED]
    return _status_patch(service, (), others)


def pool_verdict(pool: Pool, *, used: int, left: int, overlap: str = "") -> PoolVerdict:
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
    return PoolVerdict((conflict, *counted, accepted, apart), pool.generation)


def shown_pool_verdict(pool: CiliumLoadBalancerIPPool) -> PoolVerdict | None:
    """Return what a pool's status says now; None: nothing, or not all of it."""
    found = [_condition(pool.status.conditions, kind) for kind in _OF_POOLS]
    there = [each for each in found if each is not None]
    generations = {each.observed_generation for each in there}
    if len(there) < len(_OF_POOLS) or len(generations) != 1:
        return None
    return PoolVerdict(
        tuple((each.type, each.status, each.reason, each.message) for each in there),
        generations.pop(),
    )


def pool_patch(
    pool: CiliumLoadBalancerIPPool, verdict: PoolVerdict, now: datetime
) -> dict[str, Any]:
    """Return the merge patch that has a pool's status, as it is now, say `verdict`."""
    before = pool.status.conditions
    others = [each for each in before if each.type not in _OF_POOLS]
    ours = [_renewed(before, each, verdict.generation, now) for each in verdict.conditions]
    return {
        "metadata": {"resourceVersion": pool.metadata.resource_version},
        "status": {"conditions": _conditions([*others, *ours])},
    }


def _status_patch(
    service: Service, ingress: Sequence[LoadBalancerIngress], conditions: Sequence[Condition]
) -> dict[str, Any]:
    return {
        "metadata": {"resourceVersion": service.metadata.resource_version},
        "status": {
            "loadBalancer": {"ingress": msgspec.to_builtins(ingress) or None},
            "conditions": _conditions(conditions) or None,
        },
    }


def _conditions(conditions: Iterable[Condition]) -> list[dict[str, Any]]:
    """Return conditions with every field that the API wants, though it has the default."""
    wanted = {"status": "Unknown", "message": ""}
    return [{**wanted, **msgspec.to_builtins(each)} for each in conditions]


def _condition(conditions: Iterable[Condition], kind: str) -> Condition | None:
    return next((each for each in conditions if each.type == kind), None)


def _renewed(
    conditions: Iterable[Condition],
    words: tuple[str, str, str, str],
    generation: int,
    now: datetime,
) -> Condition:
    """Return the condition; its time is that of the last change of its status."""
    kind, status, reason, message = words
    before = _condition(conditions, kind)
    since = before.last_transition_time if before and before.status == status else None
    return Condition(
        type=kind,
        status=status,
        observed_generation=generation,
        reason=reason,
        message=message,
        last_transition_time=since or format_time(now),
    )
