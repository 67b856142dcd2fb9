"""The plan of a migration for each node, from the state of the cluster. Pure.

Which CIDRs a mode gives a node, which of the former mode's must be taken out of the CiliumNode for
that (cluster-pool only: its operator fills an empty list and never changes a full one), and when a
node has all of the new mode.
"""

from collections.abc import Mapping, Sequence

from ciliate.cli.ipam.migration import pools
from ciliate.cli.ipam.migration.model import (
    ClusterState,
    Endpoints,
    KeyChange,
    MigrationPlan,
    NodeState,
    NodeStep,
)
from ciliate.cli.ipam.migration.problems import find_problems, refused_settings
from ciliate.errors import CiliateError
from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.operator.settings import read_ranges
from ciliate.net.address import IPAddress, ip_address


def plan_migration(
    state: ClusterState, target: str, changes: Mapping[str, str | None]
) -> MigrationPlan:
    """Return what moving the cluster to `target` with these keys changed would do."""
    config = changed_config(state.config, changes)
    keys = tuple(
        KeyChange(key, state.config.get(key), value)
        for key, value in sorted(changes.items())
        if state.config.get(key) != value
    )
    refused = tuple(refused_settings(config, state.installation.config_map))
    if refused:  # What refused settings would do is not known.
        return MigrationPlan(state.mode, target, keys, (), refused)
    steps = tuple(plan_node(state, config, node) for node in state.nodes)
    problems = find_problems(state, config)
    return MigrationPlan(state.mode, target, keys, steps, problems)


def changed_config(config: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return the settings with keys set, or removed where the text is None."""
    merged = {**config, **changes}
    return {key: text for key, text in merged.items() if text is not None}


def plan_node(state: ClusterState, config: Mapping[str, str], node: NodeState) -> NodeStep:
    """Return what is to happen on one node."""
    stays = {cidr for cidr in node.cidrs if _stays(state, config, node, cidr)}
    drains = tuple(
        cidr
        for cidr in node.cidrs
        if cidr not in stays
        and any(_in(a, cidr) for held in node.endpoints.values() for a in held)
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
    cidr = pools.strict_cidr(text)
    if cidr is None:
        return False
    try:
        ranges = read_ranges(config, cidr.version)
    except CiliateError:
        return False
    return cidr.length == ranges.block_length and any(
        Cidr.parse(each).contains(cidr) for each in ranges.cidrs
    )


def awaited(config: Mapping[str, str], node: NodeState) -> str:
    """Return what the node still lacks of the mode that the settings say; empty: nothing."""
    mode = config.get("ipam")
    if node.cilium_node is None:
        return "its CiliumNode"
    ipam = node.cilium_node.spec.ipam
    if mode == "kubernetes":
        on = pools.versions(config)
        # Agents write those of a family that is off as well, though they do not use them.
        has = {c for c in map(pools.strict_cidr, ipam.pod_cidrs) if c and c.version in on}
        if has != _kubernetes_cidrs(config, node) or ipam.pools.allocated:
            return "the CIDRs of its Node in its CiliumNode"
        return ""
    if mode == "cluster-pool":
        cidrs = [text for text in ipam.pod_cidrs if is_block(config, text)]
        lacks = _lacking(config, cidrs)
        if lacks:
            return f"{lacks} of the cluster's pool"
        return "the end of what multi-pool allocated" if ipam.pools.allocated else ""
    if ipam.pod_cidrs:
        return "the end of its former podCIDRs"
    for pool in pools.needed_pools(config):
        cidrs = [c for each in ipam.pools.allocated if each.pool == pool for c in each.cidrs]
        lacks = _lacking(config, cidrs)
        if lacks:
            return f"{lacks} of pool {pool}"
    return ""


def _stays(state: ClusterState, config: Mapping[str, str], node: NodeState, cidr: str) -> bool:
    """Whether a CIDR that the node has now stays its own in the new mode."""
    mode = config.get("ipam")
    if mode == "kubernetes":
        return pools.strict_cidr(cidr) in _kubernetes_cidrs(config, node)
    if mode == "cluster-pool":
        return is_block(config, cidr)
    assert node.cilium_node is not None, "it has a CIDR"
    held = node.cilium_node.spec.ipam.pools.allocated
    listed = {text for each in held for text in each.cidrs}
    ranges = [c for cidrs, _ in pools.pools_to_be(config, state.pools).values() for c in cidrs]
    block = pools.strict_cidr(cidr)
    if block is None or cidr not in listed:
        return False
    return any(Cidr.parse(text).contains(block) for text in ranges)


def _kubernetes_cidrs(config: Mapping[str, str], node: NodeState) -> set[Cidr | None]:
    return {pools.strict_cidr(str(each.cidr)) for each in pools.from_kubernetes(config, node)}


def _source(state: ClusterState, config: Mapping[str, str], node: NodeState) -> str:
    mode = config.get("ipam")
    if mode == "kubernetes":
        try:
            cidrs = pools.from_kubernetes(config, node)
        except CiliateError:
            return "none: see the problems"
        fields = dict.fromkeys(each.field for each in cidrs)
        listed = " ".join(str(each.cidr) for each in cidrs) or "none"
        return f"{listed} ({', '.join(fields) or 'Node.spec.podCIDRs'})"
    if mode == "cluster-pool":
        try:
            ranges = [
                f"a /{found.block_length} of {' '.join(found.cidrs)}"
                for found in (read_ranges(config, version) for version in pools.versions(config))
            ]
        except CiliateError:
            return "none: see the problems"
        return ", ".join(ranges) + " (cluster-pool)"
    known = pools.pools_to_be(config, state.pools)
    words = [
        f"/{mask}s of pool {pool}"
        for pool in pools.needed_pools(config)
        if pool in known
        for mask in known[pool][1].values()
    ]
    return (", ".join(words) or "nothing") + " (multi-pool)"


def _lacking(config: Mapping[str, str], cidrs: Sequence[str]) -> str:
    there = {cidr.version for cidr in map(pools.strict_cidr, cidrs) if cidr is not None}
    lacks = [f"IPv{version}" for version in pools.versions(config) if version not in there]
    return f"an {' and '.join(lacks)} CIDR" if lacks else ""


def _pods_in(endpoints: Endpoints, cidrs: Sequence[str]) -> Endpoints:
    return {
        pod: addresses
        for pod, addresses in sorted(endpoints.items())
        if any(_in(address, cidr) for address in addresses for cidr in cidrs)
    }


def _in(address: str, cidr: str) -> bool:
    network = pools.strict_cidr(cidr)
    try:
        host: IPAddress = ip_address(address)
    except ValueError:
        return False
    return network is not None and network.contains(Cidr.host(host.version, int(host)))
