"""Pools and Services as the API server shows them."""

from collections.abc import Iterable, Mapping
from typing import Any

from ciliate.api.load_balancer_ip_pool import (
    CiliumLoadBalancerIPPool,
    LoadBalancerIPPoolSpec,
    PoolBlock,
)
from ciliate.api.metadata import LabelSelector, ObjectMeta
from ciliate.api.service import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
)
from ciliate.load_balancer_ipam.requests import Request, read_request
from ciliate.load_balancer_ipam.settings import LoadBalancerIPAMSettings

BOTH = LoadBalancerIPAMSettings(enabled=True, takes_classless=True, versions=(4, 6))
IPV4 = LoadBalancerIPAMSettings(enabled=True, takes_classless=True, versions=(4,))

SHARING = "lbipam.cilium.io/sharing-key"


def block(text: str) -> PoolBlock:
    """Return a block out of `a/n`, `a - b` or `a`."""
    if "/" in text:
        return PoolBlock(cidr=text)
    start, _, stop = text.partition(" - ")
    return PoolBlock(start=start, stop=stop)


def pool(
    *blocks: str,
    name: str = "blue",
    second: int = 0,
    selector: Mapping[str, str] | None = None,
    disabled: bool = False,
    ends: str = "",
) -> CiliumLoadBalancerIPPool:
    """Return a pool that was made in this second."""
    return CiliumLoadBalancerIPPool(
        metadata=ObjectMeta(
            name=name, generation=1, creation_timestamp=f"2026-11-29T10:00:{second:02}Z"
        ),
        spec=LoadBalancerIPPoolSpec(
            blocks=tuple(block(each) for each in blocks),
            service_selector=None if selector is None else LabelSelector(dict(selector)),
            allow_first_last_ips=ends,
            disabled=disabled,
        ),
    )


def service(
    name: str = "web",
    *,
    namespace: str = "default",
    second: int = 0,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    ports: Iterable[tuple[int, str]] = ((80, "TCP"),),
    has: Iterable[str] = (),
    **spec: Any,
) -> Service:
    """Return a LoadBalancer that was made in this second."""
    return Service(
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            resource_version="7",
            labels=dict(labels or {}),
            annotations=dict(annotations or {}),
            creation_timestamp=f"2026-11-29T11:00:{second:02}Z",
        ),
        spec=ServiceSpec(
            **{
                "type": "LoadBalancer",
                "ports": tuple(ServicePort(port=port, protocol=kind) for port, kind in ports),
                **spec,
            }
        ),
        status=ServiceStatus(
            load_balancer=LoadBalancerStatus(tuple(LoadBalancerIngress(ip=ip) for ip in has))
        ),
    )


def request(
    name: str = "web", *, settings: LoadBalancerIPAMSettings = BOTH, **parts: Any
) -> Request:
    """Return what such a Service asks for."""
    return read_request(service(name, **parts), settings)
