"""The names in certificates of flow servers and relays, which clients look for. Pure."""

from typing import Final

_DOMAIN: Final = "hubble-grpc.cilium.io"
_DEFAULT: Final = "default"

#: What a relay's own certificate is for.
RELAY_NAMES: Final = "*.hubble-relay.cilium.io"


def node_name(node: str, cluster: str) -> str:
    """Return the name of a node's flow server: a node of two labels is one label here."""
    return f"{_label(node)}.{_label(cluster)}.{_DOMAIN}"


def all_nodes(cluster: str) -> str:
    """Return the name that stands for every node of a cluster."""
    return f"*.{_label(cluster)}.{_DOMAIN}"


def peer_service_name(cluster: str) -> str:
    """Return the name by which a relay knows whichever node answers for the Service."""
    return node_name("hubble-peer", cluster)


def _label(name: str) -> str:
    return name.replace(".", "-") or _DEFAULT
