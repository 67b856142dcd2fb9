"""What a node says of its tunnel in its CiliumNode: out of which it takes packets, by which it sends.

Others act upon it, so it is written when the programs stand, and again where somebody removed it.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from ciliate.api.cilium_node import (
    CILIUM_NODES,
    TUNNEL_RECEIVED_ANNOTATION,
    TUNNEL_SENT_ANNOTATION,
    CiliumNode,
)
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.reconcile.target import Failures, one_by_one


class Announcement(NamedTuple):
    """The names of the tunnels; empty: none."""

    received: str = ""
    sent: str = ""


class AnnouncementTarget:
    """This node's announcement; observed in the table of CiliumNodes, which follows the API."""

    name = "announce-tunnel"

    def __init__(self, client: ApiClient, nodes: Informer[CiliumNode], node: str) -> None:
        self._client = client
        self._nodes = nodes
        self._node = node

    async def observe(self) -> Mapping[str, Announcement]:
        """Return what the CiliumNode says; nothing while there is none."""
        found = self._nodes.get(self._node)
        if found is None:
            return {}
        return {self._node: Announcement(found.tunnel_received, found.tunnel_sent)}

    async def put(self, entries: Mapping[str, Announcement]) -> Failures[str]:
        """Write the announcement, where the CiliumNode says another."""
        observed = await self.observe()
        changed = {name: said for name, said in entries.items() if observed.get(name) != said}
        return await one_by_one(changed, lambda name: self._write(changed[name]))

    async def _write(self, said: Announcement) -> None:
        annotations = {
            TUNNEL_RECEIVED_ANNOTATION: said.received or None,
            TUNNEL_SENT_ANNOTATION: said.sent or None,
        }
        body = {"metadata": {"annotations": annotations}}
        await self._client.patch(CILIUM_NODES, self._node, body)

    async def remove(self, keys: Collection[str]) -> Failures[str]:  # noqa: ARG002 - never asked.
        """Do nothing: the announcement goes with its CiliumNode."""
        return {}
