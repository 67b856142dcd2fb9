"""The nodes that relays are told of, as the agent knows them."""

from collections.abc import Iterator

from ciliate.config.hubble_server_settings import HubbleListenSettings
from ciliate.flows import tls_names
from ciliate.flows.feed import Line, NodePeer, NodePeerGone
from ciliate.node.context import Context
from ciliate.node.known_node import KnownNode
from ciliate.reconcile.listeners import Listeners


class PeerSource:
    """Every node with an address, this one too; `changed` gets each line that follows."""

    def __init__(self, context: Context) -> None:
        self.changed: Listeners[Line] = Listeners()
        self._nodes = context.cluster.known_nodes
        self._cluster = context.settings.cluster.name
        self._listen = context.settings.flows.hubble.listen

    def listen(self) -> None:
        """Follow what changes, from now on."""
        self._nodes.add_listener(self._node_changed)

    def all(self) -> Iterator[Line]:
        """Yield every node there is now."""
        if self._listen.port:
            yield from filter(None, (self._peer(node) for node in self._nodes))

    def _node_changed(self, old: KnownNode | None, new: KnownNode | None) -> None:
        if not self._listen.port:
            return
        before = self._peer(old) if old is not None else None
        after = self._peer(new) if new is not None else None
        if after is not None and after != before:
            self.changed(after)
        elif before is not None and after is None:
            self.changed(NodePeerGone(name=before.name))

    def _peer(self, node: KnownNode) -> NodePeer | None:
        """Return what relays are told of a node; None: it has no address."""
        address = peer_address(node, self._listen)
        if not address:
            return None
        name = node.name if self._cluster in ("", "default") else f"{self._cluster}/{node.name}"
        server_name = tls_names.node_name(node.name, self._cluster) if self._listen.tls else ""
        return NodePeer(name=name, address=address, server_name=server_name)


def peer_address(node: KnownNode, listen: HubbleListenSettings) -> str:
    """Return where a node's flow server is asked; empty: it has no address."""
    versions = (6, 4) if listen.prefer_ipv6 else (4, 6)
    found = next(filter(None, map(node.node_ip, versions)), None)
    if found is None:
        return ""
    return f"[{found}]:{listen.port}" if found.version == 6 else f"{found}:{listen.port}"
