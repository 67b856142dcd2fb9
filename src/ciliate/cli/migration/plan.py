"""What a migration does to each node, decided from the cluster as it is. Pure.

Which CIDRs a mode gives a node, which of the former mode's must be taken out of the CiliumNode for
that (cluster-pool alone: its operator fills an empty list and never changes a full one), and when
a node has arrived.
"""

from collections.abc import Mapping, Sequence

from ciliate.api.pod_ip_pool import CiliumPodIPPool
from ciliate.cli.migration.model import (
    ClusterState,
    Endpoints,
    KeyChange,
    NodeState,
    NodeStep,
    Plan,
)
from ciliate.cli.migration.problems import find_problems
from ciliate.config import values
from ciliate.config.keys import KEYS
from ciliate.config.pool_words import read_pools
from ciliate.errors import CiliateError
from ciliate.ipam.carving import Cidr
from ciliate.net.address import IPNetwork, ip_address, ip_network
from ciliate.operator.ipam_settings import read_ranges


def plan_migration(
    state: ClusterState, target: str, changes: Mapping[str, str | None]
) -> Plan:
    """Return what moving the cluster to `target` with these keys changed would do."""
    config = changed_config(state.config, changes)
    keys = tuple(
        KeyChange(key, state.config.get(key), value)
        for key, value in sorted(changes.items())
        if state.config.get(key) != value
    )
    steps = tuple(plan_node(state, config, node) for node in state.nodes)
    problems = find_problems(state, config)
    return Plan(state.mode, target, keys, steps, problems)


def changed_config(
    config: Mapping[str, str], changes: Mapping[str, str | None]
) -> dict[str, str]:
    """Return the settings with keys set, or removed where the text is None."""
    merged = {**config, **changes}
    return {key: text for key, text in merged.items() if text is not None}


def plan_node(state: ClusterState, config: Mapping[str, str], node: NodeState) -> NodeStep:
    """Return what is to happen on one node."""
    stays = {cidr for cidr in node.cidrs if _stays(state, config, node, cidr)}
    drains = tuple(
        cidr
        for cidr in node.cidrs
        if cidr not in stays and any(_in(a, cidr) for held in node.endpoints.values() for a in held)
    )
    return NodeStep(
        node=node.name,
        before=node.cidrs,
        after=_source(state, config, node),
        empties=to_empty(config, node),
        drains=drains,
        keeps=_pods_in(node.endpoints, [c for c in node.cidrs if c not in stays]),
    )


def to_empty(config: Mapping[str, str], node: NodeState) -> tuple[str, ...]:
    """Return the podCIDRs that keep cluster-pool's operator from giving the node others.

    All or none: a list with one family in it would be filled with the other one alone.
    """
    if config.get("ipam") != "cluster-pool" or node.cilium_node is None:
        return ()
    present = node.cilium_node.spec.ipam.pod_cidrs
    fitting = all(is_block(config, text) for text in present)
    return () if fitting else present


def is_block(config: Mapping[str, str], text: str) -> bool:
    """Whether a CIDR is one that cluster-pool's operator gives: a whole block of its ranges."""
    try:
        cidr = Cidr.parse(text)
        ranges = read_ranges(config, cidr.version)
    except (ValueError, CiliateError):
        return False
    return cidr.length == ranges.block_length and any(
        Cidr.parse(each).contains(cidr) for each in ranges.cidrs
    )


def versions(config: Mapping[str, str]) -> tuple[int, ...]:
    """Return the IP versions that are on."""
    found = []
    for version in (4, 6):
        name = f"enable-ipv{version}"
        if values.read_bool(config.get(name) or KEYS[name].default or ""):
            found.append(version)
    return tuple(found)


def awaited(state: ClusterState, node: NodeState) -> str:
    """Return what the node still lacks of the mode that the ConfigMap says; empty: nothing."""
    config, mode = state.config, state.mode
    if node.cilium_node is None:
        return "its CiliumNode"
    ipam = node.cilium_node.spec.ipam
    if mode == "kubernetes":
        if set(ipam.pod_cidrs) != set(kubernetes_cidrs(config, node)) or ipam.pools.allocated:
            return "the CIDRs of Node.spec.podCIDRs in its CiliumNode"
        return ""
    if mode == "cluster-pool":
        given = [text for text in ipam.pod_cidrs if is_block(config, text)]
        lacks = _lacking(config, given)
        if lacks:
            return f"{lacks} of the cluster's pool"
        return "the end of what multi-pool allocated" if ipam.pools.allocated else ""
    if ipam.pod_cidrs:
        return "the end of its former podCIDRs"
    for pool in needed_pools(config):
        given = [c for each in ipam.pools.allocated if each.pool == pool for c in each.cidrs]
        lacks = _lacking(config, given)
        if lacks:
            return f"{lacks} of pool {pool}"
    return ""


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


def _stays(
    state: ClusterState, config: Mapping[str, str], node: NodeState, cidr: str
) -> bool:
    """Whether a CIDR that the node has now is its own in the new mode as well."""
    mode = config.get("ipam")
    if mode == "kubernetes":
        return cidr in kubernetes_cidrs(config, node)
    if mode == "cluster-pool":
        return is_block(config, cidr)
    assert node.cilium_node is not None, "it has a CIDR"
    held = node.cilium_node.spec.ipam.pools.allocated
    listed = {text for each in held for text in each.cidrs}
    ranges = [c for cidrs, _ in pools_to_be(config, state.pools).values() for c in cidrs]
    return cidr in listed and any(Cidr.parse(r).contains(Cidr.parse(cidr)) for r in ranges)


def _source(state: ClusterState, config: Mapping[str, str], node: NodeState) -> str:
    mode = config.get("ipam")
    if mode == "kubernetes":
        return " ".join(kubernetes_cidrs(config, node)) + " (Node.spec.podCIDRs)"
    if mode == "cluster-pool":
        try:
            ranges = [
                f"a /{found.block_length} of {' '.join(found.cidrs)}"
                for found in (read_ranges(config, version) for version in versions(config))
            ]
        except CiliateError:
            return "none: see the problems"
        return ", ".join(ranges) + " (cluster-pool)"
    known = pools_to_be(config, state.pools)
    words = [
        f"/{mask}s of pool {pool}"
        for pool in needed_pools(config)
        if pool in known
        for mask in known[pool][1].values()
    ]
    return ", ".join(words) + " (multi-pool)"


def _lacking(config: Mapping[str, str], given: Sequence[str]) -> str:
    there = {ip_network(text).version for text in given}
    lacks = [f"IPv{version}" for version in versions(config) if version not in there]
    return f"an {' and '.join(lacks)} CIDR" if lacks else ""


def _pods_in(endpoints: Endpoints, cidrs: Sequence[str]) -> Endpoints:
    return {
        pod: addresses
        for pod, addresses in sorted(endpoints.items())
        if any(_in(address, cidr) for address in addresses for cidr in cidrs)
    }


def _in(address: str, cidr: str) -> bool:
    network: IPNetwork = ip_network(cidr)
    return ip_address(address) in network
