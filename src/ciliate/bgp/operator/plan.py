"""A configuration for each node that a CiliumBGPClusterConfig selects. Pure.

A node has one: of several cluster configurations that select it, the one that it has keeps it, else the
oldest gets it; the others say so.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ciliate.api.bgp import (
    BGPInstance,
    CiliumBGPClusterConfig,
    CiliumBGPNodeConfigOverride,
    InstanceOverride,
    NodeConfigSpec,
    NodeInstance,
    NodePeer,
)
from ciliate.api.label_selectors import matches


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What one node's object should hold, and whose it is."""

    owner: str
    owner_uid: str
    spec: NodeConfigSpec


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """The configurations by node, and by cluster configuration who is in its way."""

    nodes: Mapping[str, NodeConfig] = field(default_factory=dict)
    selected: Mapping[str, int] = field(default_factory=dict)  # Nodes that it selects.
    conflicts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def plan(
    configs: Collection[CiliumBGPClusterConfig],
    overrides: Mapping[str, CiliumBGPNodeConfigOverride],
    nodes: Mapping[str, Mapping[str, str]],
    owners: Mapping[str, str],
) -> ClusterPlan:
    """Return the plan; `nodes` are labels by name, `owners` the uids that objects are of now."""
    by_age = sorted(configs, key=lambda c: (c.metadata.creation_timestamp or "", c.metadata.name))
    found: dict[str, NodeConfig] = {}
    selected = {config.metadata.name: 0 for config in by_age}
    conflicts: dict[str, set[str]] = {}
    for name, labels in nodes.items():
        wanting = [config for config in by_age if _selects(config, labels)]
        for config in wanting:
            selected[config.metadata.name] += 1
        if not wanting:
            continue
        owner = next((c for c in wanting if c.metadata.uid == owners.get(name)), wanting[0])
        for config in wanting:
            if config is not owner:
                conflicts.setdefault(config.metadata.name, set()).add(owner.metadata.name)
        override = overrides.get(name)
        found[name] = NodeConfig(
            owner=owner.metadata.name,
            owner_uid=owner.metadata.uid,
            spec=NodeConfigSpec(
                tuple(_instance(each, override) for each in owner.spec.bgp_instances)
            ),
        )
    return ClusterPlan(
        found, selected, {name: tuple(sorted(found)) for name, found in conflicts.items()}
    )


def _selects(config: CiliumBGPClusterConfig, labels: Mapping[str, str]) -> bool:
    selector = config.spec.node_selector
    return selector is None or matches(selector, labels)


def _instance(instance: BGPInstance, override: CiliumBGPNodeConfigOverride | None) -> NodeInstance:
    instances = override.spec.bgp_instances if override is not None else ()
    other = next(
        (each for each in instances if each.name == instance.name),
        InstanceOverride(name=instance.name),
    )
    local_addresses = {each.name: each.local_address for each in other.peers}
    return NodeInstance(
        name=instance.name,
        local_asn=other.local_asn or instance.local_asn,
        local_port=other.local_port or instance.local_port,
        router_id=other.router_id,
        peers=tuple(
            NodePeer(
                name=peer.name,
                peer_address=peer.peer_address,
                peer_asn=peer.peer_asn,
                peer_config_ref=peer.peer_config_ref,
                auto_discovery=peer.auto_discovery,
                local_address=local_addresses.get(peer.name, ""),
            )
            for peer in instance.peers
        ),
    )
