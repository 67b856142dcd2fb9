"""Conditions of the BGP objects: their names, and their words. Pure.

Names and reasons are those of Cilium, whose users look for them.
"""

from typing import Final

from ciliate.api.conditions import Words

#: Of a CiliumBGPClusterConfig.
NO_MATCHING_NODE: Final = "cilium.io/NoMatchingNode"
MISSING_PEER_CONFIGS: Final = "cilium.io/MissingPeerConfigs"
CONFLICTING: Final = "cilium.io/ConflictingClusterConfig"
#: Of a CiliumBGPPeerConfig.
MISSING_SECRET: Final = "cilium.io/MissingAuthSecret"  # noqa: S105 - a condition's name.
#: Of a CiliumBGPNodeConfig.
RECONCILE_ERROR: Final = "cilium.io/BGPReconcileError"
#: Ours, of the same: whether every session is established.
ESTABLISHED: Final = "ciliate.io/SessionsEstablished"

#: What a status takes.
MESSAGE_LENGTH_MAX: Final = 4096


def words(kind: str, *, holds: bool, reason: str, message: str = "") -> Words:
    """Return a condition's words."""
    return (kind, "True" if holds else "False", reason, message[:MESSAGE_LENGTH_MAX])
