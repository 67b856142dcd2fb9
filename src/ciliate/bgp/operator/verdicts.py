"""What cluster and peer configurations say of themselves. Pure."""

from collections.abc import Collection, Sequence

from ciliate.api.bgp import CiliumBGPClusterConfig, CiliumBGPPeerConfig
from ciliate.api.conditions import Verdict
from ciliate.bgp.conditions import (
    CONFLICTING,
    MISSING_PEER_CONFIGS,
    MISSING_SECRET,
    NO_MATCHING_NODE,
    words,
)
from ciliate.bgp.operator.plan import ClusterPlan

CLUSTER_KINDS = (NO_MATCHING_NODE, MISSING_PEER_CONFIGS, CONFLICTING)
PEER_KINDS = (MISSING_SECRET,)


def cluster_verdict(
    config: CiliumBGPClusterConfig, found: ClusterPlan, peer_configs: Collection[str]
) -> Verdict:
    """Return what a cluster configuration should say."""
    name = config.metadata.name
    named = {
        peer.peer_config_ref.name
        for instance in config.spec.bgp_instances
        for peer in instance.peers
        if peer.peer_config_ref is not None
    }
    missing, conflicts = sorted(named - set(peer_configs)), found.conflicts.get(name, ())
    conditions = (
        words(
            NO_MATCHING_NODE,
            holds=not found.selected.get(name),
            reason="NoMatchingNode",
            message="" if found.selected.get(name) else "No node matches spec.nodeSelector",
        ),
        words(
            MISSING_PEER_CONFIGS,
            holds=bool(missing),
            reason="MissingPeerConfigs",
            message=_listed("Referenced CiliumBGPPeerConfig(s) are missing", missing),
        ),
        words(
            CONFLICTING,
            holds=bool(conflicts),
            reason="ConflictingClusterConfigs",
            message=_listed("Selecting the same node(s) with ClusterConfig(s)", conflicts),
        ),
    )
    return Verdict(conditions, config.metadata.generation)


def peer_verdict(config: CiliumBGPPeerConfig, secrets: Collection[str]) -> Verdict:
    """Return what a peer configuration should say."""
    name = config.spec.auth_secret_ref
    is_missing = bool(name) and name not in secrets
    message = f'Referenced Auth Secret "{name}" is missing' if is_missing else ""
    condition = words(
        MISSING_SECRET, holds=is_missing, reason="MissingAuthSecret", message=message
    )
    return Verdict((condition,), config.metadata.generation)


def _listed(text: str, names: Sequence[str]) -> str:
    return f"{text}: [{' '.join(names)}]" if names else ""
