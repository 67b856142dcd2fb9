"""The ranges that each mode takes addresses from, by settings and pools. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from ciliate.api.node_cidrs import NodeCIDR, node_cidrs
from ciliate.api.pod_ip_pool import CiliumPodIPPool, PoolCIDRs
from ciliate.cli.ipam.migration.model import ClusterState, NodeState
from ciliate.config import values
from ciliate.config.keys import KEYS
from ciliate.config.pool_words import read_pools
from ciliate.errors import CiliateError, SettingError
from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.operator.settings import read_ranges
from ciliate.net.address import ip_network

T = TypeVar("T")


def strict_cidr(text: str) -> Cidr | None:
    """Return the CIDR as agents read it; None: they ignore it (host bits, or no CIDR)."""
    try:
        return Cidr.of(ip_network(text))
    except ValueError:
        return None


def versions(config: Mapping[str, str]) -> tuple[int, ...]:
    """Return the IP versions that are on.

    Raises:
        SettingError: A switch is no boolean.
    """
    return tuple(v for v in (4, 6) if _read(config, f"enable-ipv{v}", values.read_bool))


def needed_pools(config: Mapping[str, str]) -> tuple[str, ...]:
    """Return the pools of which every node keeps addresses ready (multi-pool).

    Raises:
        SettingError: The text is no list of pools and counts.
    """
    counts = _read(config, "ipam-multi-pool-pre-allocation", values.read_pool_counts) or {
        "default": 1
    }
    return tuple(sorted(pool for pool, count in counts.items() if count))


def _read(config: Mapping[str, str], name: str, reader: Callable[[str], T]) -> T:
    text = config.get(name) or KEYS[name].default or ""
    try:
        return reader(text)
    except values.ValueTextError as error:
        raise SettingError(
            key=name, value=text, problem=error.problem, remedy=error.remedy
        ) from error


def from_kubernetes(config: Mapping[str, str], node: NodeState) -> tuple[NodeCIDR, ...]:
    """Return what Kubernetes gives the node, of the families that are on.

    Raises:
        NodeCIDRError: It cannot be read.
    """
    on = versions(config)
    return tuple(each for each in node_cidrs(node.node) if each.cidr.version in on)


def pools_to_be(
    config: Mapping[str, str], pools: Mapping[str, CiliumPodIPPool]
) -> dict[str, tuple[tuple[str, ...], dict[int, int]]]:
    """Return ranges and mask sizes of the pools that exist and that the operator will create.

    Raises:
        SettingError: The text of the pools to make cannot be read.
    """
    found: dict[str, tuple[tuple[str, ...], dict[int, int]]] = {}
    wanted = _read(config, "auto-create-cilium-pod-ip-pools", read_pools)
    for name, families in wanted.items():
        cidrs = tuple(cidr for words in families.values() for cidr in words.cidrs)
        found[name] = cidrs, {v: words.mask_size for v, words in families.items()}
    for name, pool in pools.items():  # An existing pool is not created again.
        parts = _families(pool)
        cidrs = tuple(c for v, part in parts for c in part.cidrs if _is_of(v, c))
        found[name] = cidrs, {version: part.mask_size for version, part in parts}
    return found


def unusable_ranges(pool: CiliumPodIPPool) -> Iterator[tuple[str, str]]:
    """Yield field and text of each range of a pool that is no CIDR of its family."""
    for version, part in _families(pool):
        for text in part.cidrs:
            if not _is_of(version, text):
                yield f"spec.ipv{version}.cidrs", text


def _families(pool: CiliumPodIPPool) -> list[tuple[int, PoolCIDRs]]:
    parts = ((4, pool.spec.ipv4), (6, pool.spec.ipv6))
    return [(version, part) for version, part in parts if part is not None]


def _is_of(version: int, text: str) -> bool:
    cidr = strict_cidr(text)
    return cidr is not None and cidr.version == version


def new_ranges(state: ClusterState, config: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield IP version and text of every range that pods will get addresses from."""
    mode = config.get("ipam")
    texts: list[str] = []
    try:
        on = versions(config)
        if mode == "kubernetes":
            found = [each for node in state.nodes for each in from_kubernetes(config, node)]
            texts = [str(each.cidr) for each in found]
        elif mode == "cluster-pool":
            texts = [cidr for version in on for cidr in read_ranges(config, version).cidrs]
        else:
            known = pools_to_be(config, state.pools)
            texts = [cidr for cidrs, _ in known.values() for cidr in cidrs]
    except CiliateError:
        return  # Refused settings have no ranges.
    for text in dict.fromkeys(texts):
        version = Cidr.parse(text).version
        if version in on:
            yield version, text
