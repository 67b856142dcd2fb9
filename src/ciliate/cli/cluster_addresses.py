"""Reading what the API says about addresses: for `ciliate ipam status` and `check`."""

import asyncio
from collections.abc import Mapping
from typing import Final, TypeVar

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS
from ciliate.api.cilium_node import CILIUM_NODES
from ciliate.api.core import CONFIG_MAPS, NODES, PODS
from ciliate.api.ipam_audit import CheckReport
from ciliate.api.metadata import KubeObject
from ciliate.api.pod_ip_pool import CILIUM_POD_IP_POOLS, CiliumPodIPPool
from ciliate.api.resource import Resource
from ciliate.config import values
from ciliate.config.keys import KEYS
from ciliate.console.installation import installation
from ciliate.errors import SettingError
from ciliate.ipam.audit.cluster_snapshot import ClusterSnapshot, PoolRange, ServiceRange, parsed
from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.operator.settings import CLUSTER_POOL, PoolRanges, read_ranges
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ForbiddenError, NotFoundError

T = TypeVar("T", bound=KubeObject)

_SERVICE_CIDRS: Final = "/apis/networking.k8s.io/v1/servicecidrs"
_SERVICES: Final = "/api/v1/services"

#: The ranges of each pool and IP version.
Families = Mapping[str, Mapping[int, PoolRanges]]


async def read_snapshot(client: ApiClient, reports: Mapping[str, CheckReport]) -> ClusterSnapshot:
    """Return everything the API says, as close to one moment as possible.

    Raises:
        KubeError: The API server refuses or does not answer.
    """
    config, pools = await read_config(client), await list_if_defined(client, CILIUM_POD_IP_POOLS)
    nodes, cilium_nodes, pods, endpoints, services = await asyncio.gather(
        client.list(NODES),
        list_if_defined(client, CILIUM_NODES),
        client.list(PODS),
        list_if_defined(client, CILIUM_ENDPOINTS),
        _services(client),
    )
    families = pool_families(config, pools)
    return ClusterSnapshot(
        mode=ipam_mode(config),
        installation=installation(),
        versions=versions(config),
        plugins_addresses=ipam_mode(config) == "delegated-plugin"
        or config.get("cni-chaining-mode", "") == "generic-veth",
        nodes=nodes.items,
        cilium_nodes=cilium_nodes,
        pods=pods.items,
        endpoints=endpoints,
        ranges=tuple(
            PoolRange(pool, cidr)
            for pool, ranges in families.items()
            for each in ranges.values()
            for cidr in parsed(each.cidrs)
        ),
        services=services,
        reports=reports,
    )


async def read_config(client: ApiClient) -> Mapping[str, str]:
    """Return the data of cilium-config.

    Raises:
        KubeError: There is none, or the API server refuses or does not answer.
    """
    names = installation()
    return (await client.get(CONFIG_MAPS, names.config_map, namespace=names.namespace)).data


def ipam_mode(config: Mapping[str, str]) -> str:
    """Return how nodes get their addresses."""
    return config.get("ipam", "") or KEYS["ipam"].default or ""


def versions(config: Mapping[str, str]) -> tuple[int, ...]:
    """Return the IP versions that are on."""
    found = []
    for version in (4, 6):
        name = f"enable-ipv{version}"
        if values.read_bool(config.get(name, "") or KEYS[name].default or "false"):
            found.append(version)
    return tuple(found)


def pool_families(config: Mapping[str, str], pools: tuple[CiliumPodIPPool, ...]) -> Families:
    """Return the pools of the mode; lists that cannot be used are left out: the operator reports them."""
    mode = ipam_mode(config)
    if mode == "cluster-pool":
        ranges = {}
        for version in versions(config):
            try:
                ranges[version] = read_ranges(config, version)
            except SettingError:
                continue
        return {CLUSTER_POOL: ranges}
    if mode != "multi-pool":
        return {}
    return {
        pool.metadata.name: {
            version: PoolRanges(family.cidrs, family.mask_size)
            for version, family in ((4, pool.spec.ipv4), (6, pool.spec.ipv6))
            if family is not None
        }
        for pool in pools
    }


async def list_if_defined(client: ApiClient, kind: Resource[T]) -> tuple[T, ...]:
    """Return all objects of a CRD's kind; none where the operator has not made the CRD yet."""
    try:
        return (await client.list(kind)).items
    except NotFoundError:
        return ()


async def _services(client: ApiClient) -> tuple[ServiceRange, ...]:
    """Return the Services' ranges; before Kubernetes 1.33 only what each Service shows."""
    try:
        answer = await client.get_json(_SERVICE_CIDRS)
        items = answer.get("items") or []
        found = [
            ServiceRange(f"ServiceCIDR {item['metadata']['name']}", cidr)
            for item in items
            for cidr in parsed(item.get("spec", {}).get("cidrs") or ())
        ]
    except (NotFoundError, ForbiddenError):
        found = []
    if found:
        return tuple(found)
    answer = await client.get_json(_SERVICES)
    return tuple(
        ServiceRange(f"Service {item['metadata']['namespace']}/{item['metadata']['name']}", cidr)
        for item in answer.get("items") or []
        for cidr in _cluster_ips(item.get("spec", {}).get("clusterIPs") or ())
    )


def _cluster_ips(texts: list[str] | tuple[()]) -> list[Cidr]:
    return parsed(text for text in texts if text != "None")
