"""Where addresses come from in each mode, out of settings and pools. Pure."""

from collections.abc import Iterator, Mapping

from ciliate.api.pod_ip_pool import CiliumPodIPPool
from ciliate.cli.ipam.migration.model import ClusterState, NodeState
from ciliate.config import values
from ciliate.config.keys import KEYS
from ciliate.config.pool_words import read_pools
from ciliate.errors import CiliateError
from ciliate.ipam.carving import Cidr
from ciliate.net.address import ip_network
from ciliate.operator.ipam.settings import read_ranges


def versions(config: Mapping[str, str]) -> tuple[int, ...]:
    """Return the IP versions that are on."""
    found = []
    for version in (4, 6):
        name = f"enable-ipv{version}"
        if values.read_bool(config.get(name) or KEYS[name].default or ""):
            found.append(version)
    return tuple(found)


def needed_pools(config: Mapping[str, str]) -> tuple[str, ...]:
    """Return the pools of which every node keeps addresses ready (multi-pool)."""
    text = config.get("ipam-multi-pool-pre-allocation", "")
    counts = values.read_pool_counts(text) or {"default": 1}
    return tuple(sorted(pool for pool, count in counts.items() if count))


def kubernetes_cidrs(config: Mapping[str, str], node: NodeState) -> tuple[str, ...]:
    """Return what Kubernetes gave the node, of the families that are on."""
    spec = node.node.spec
    listed = spec.pod_cidrs or ((spec.pod_cidr,) if spec.pod_cidr else ())
    on = versions(config)
    return tuple(text for text in listed if ip_network(text).version in on)


def pools_to_be(
    config: Mapping[str, str], pools: Mapping[str, CiliumPodIPPool]
) -> dict[str, tuple[tuple[str, ...], dict[int, int]]]:
    """Return ranges and mask sizes of the pools there are and of those the operator will make."""
    found: dict[str, tuple[tuple[str, ...], dict[int, int]]] = {}
    for name, families in read_pools(config.get("auto-create-cilium-pod-ip-pools", "")).items():
        cidrs = tuple(cidr for words in families.values() for cidr in words.cidrs)
        found[name] = cidrs, {v: words.mask_size for v, words in families.items()}
    for name, pool in pools.items():  # What is there is not made anew.
        parts = [(v, f) for v, f in ((4, pool.spec.ipv4), (6, pool.spec.ipv6)) if f is not None]
        cidrs = tuple(cidr for _, part in parts for cidr in part.cidrs)
        found[name] = cidrs, {version: part.mask_size for version, part in parts}
    return found


def new_ranges(state: ClusterState, config: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield every range out of which pods will have addresses, with its IP version."""
    mode, on = config.get("ipam"), versions(config)
    texts: list[str] = []
    try:
        if mode == "kubernetes":
            texts = [cidr for node in state.nodes for cidr in kubernetes_cidrs(config, node)]
        elif mode == "cluster-pool":
            texts = [cidr for version in on for cidr in read_ranges(config, version).cidrs]
        else:
            known = pools_to_be(config, state.pools)
            texts = [cidr for cidrs, _ in known.values() for cidr in cidrs]
    except (CiliateError, values.ValueTextError):
        return  # Settings that are refused have no ranges.
    for text in dict.fromkeys(texts):
        version = Cidr.parse(text).version
        if version in on:
            yield version, text
