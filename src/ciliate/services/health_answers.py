"""What load balancers and probes are told of this node's proxy, as kube-proxy tells it. Pure.

A load balancer in front of a Service with `externalTrafficPolicy: Local` asks every node at the
Service's `healthCheckNodePort` whether it has endpoints, and sends nothing to one that has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from ciliate.api.core import Node

#: Set by the cluster's autoscaler on a node that it is about to remove.
_TO_BE_DELETED: Final = "ToBeDeletedByClusterAutoscaler"

_JSON: Final = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A Service, and how many of its endpoints are on this node and ready."""

    namespace: str
    name: str
    local_endpoints: int

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """Status, headers and body of an answer over HTTP."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def service_answer(check: HealthCheck, *, is_proxy_healthy: bool) -> HealthAnswer:
    """Return what is answered at a Service's port, whatever path is asked for."""
    count = check.local_endpoints
    body = {
        "service": {"namespace": check.namespace, "name": check.name},
        "localEndpoints": count,
        "serviceProxyHealthy": is_proxy_healthy,
    }
    return HealthAnswer(
        200 if count and is_proxy_healthy else 503,
        msgspec.json.format(msgspec.json.encode(body), indent=4),
        _JSON | {"X-Load-Balancing-Endpoint-Weight": str(count)},
    )


def proxy_answer(
    now: datetime, *, is_healthy: bool, last_updated: datetime, is_eligible: bool | None
) -> HealthAnswer:
    """Return what is answered about the proxy as a whole.

    `is_eligible`: whether the node should get traffic of load balancers; None: nobody asks for it.
    """
    is_well = is_healthy and is_eligible is not False
    body: dict[str, str | bool] = {
        "lastUpdated": _text(now if is_well else last_updated),
        "currentTime": _text(now),
    }
    if is_eligible is not None:
        body["nodeEligible"] = is_eligible
    return HealthAnswer(200 if is_well else 503, msgspec.json.encode(body), _JSON)


def is_eligible(node: Node | None) -> bool:
    """Whether the node stays: one that is about to go should get no new connections.

    A node that is not known, as while the agent starts, counts as one that stays.
    """
    if node is None:
        return True
    return node.metadata.deletion_timestamp is None and all(
        taint.key != _TO_BE_DELETED for taint in node.spec.taints
    )


def _text(time: datetime) -> str:
    """Return a time of UTC as Go prints it."""
    return f"{time:%Y-%m-%d %H:%M:%S.%f} +0000 UTC"
