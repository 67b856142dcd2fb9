"""Gives every node its pod CIDR, out of the cluster's: kube-controller-manager's node IPAM.

Host-scope IPAM (`ipam: kubernetes`) waits for it. A node keeps what it has; a CIDR is free again
when its node is deleted. The numbers follow the lab's names where they can, so that the
walk-through's addresses come out whichever node registers first.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from ciliate.api.core import ObjectReference
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.kube.events import EventRecorder, Severity
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.failures import log_failures
from ciliate.lab.objects import NODES, Node
from ciliate.lab.topology import CONTROL_PLANE
from ciliate.reconcile.work_queue import WorkQueue

Network = IPv4Network | IPv6Network

#: A node's share: the mask sizes of kube-controller-manager (--node-cidr-mask-size).
_MASK: Final = {4: 24, 6: 64}
_WORKER: Final = re.compile(r"k8s-w([1-9][0-9]{0,4})")
_EXHAUSTED_RETRY_S: Final = 30.0

_log = logging.getLogger(__name__)


def preferred_index(node: str) -> int | None:
    """Return the number of a node of the lab: k8s-ctr is 0, k8s-w1 is 1."""
    if node == CONTROL_PLANE:
        return 0
    found = _WORKER.fullmatch(node)
    return int(found.group(1)) if found else None


def share(cluster: Network, index: int) -> Network | None:
    """Return the share number `index` of the cluster's CIDR; None: there are not so many."""
    mask = max(_MASK[cluster.version], cluster.prefixlen)
    if index >= 1 << (mask - cluster.prefixlen):
        return None
    first = int(cluster.network_address) + (index << (cluster.max_prefixlen - mask))
    return ip_network((first, mask))


def choose(clusters: Sequence[Network], node: str, taken: Iterable[str]) -> tuple[str, ...] | None:
    """Return the node's CIDRs, one per cluster CIDR and all of one number; None: all are taken."""
    used = set(taken)
    smallest = min(1 << (max(_MASK[c.version], c.prefixlen) - c.prefixlen) for c in clusters)
    preferred = preferred_index(node)
    candidates = [] if preferred is None else [preferred]
    for index in (*candidates, *range(smallest)):
        shares = [share(cluster, index) for cluster in clusters]
        if all(each is not None and str(each) not in used for each in shares):
            return tuple(str(each) for each in shares)
    return None


class NodeCidrController:
    """Acts for every node without a CIDR; one task executes `run`."""

    def __init__(
        self,
        client: ApiClient,
        nodes: Informer[Node],
        events: EventRecorder,
        *,
        cluster_cidrs: Sequence[str],
    ) -> None:
        self._client = client
        self._nodes = nodes
        self._events = events
        self._clusters = [ip_network(cidr) for cidr in cluster_cidrs]
        self._assigned: dict[str, tuple[str, ...]] = {}  # node uid -> not yet seen in the cache
        self._queue: WorkQueue[str] = WorkQueue()
        nodes.add_listener(self._changed)

    def _changed(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            assert old is not None
            self._assigned.pop(old.metadata.uid, None)
        elif not new.spec.pod_cidrs:
            self._queue.put(new.metadata.name)
        else:
            self._assigned.pop(new.metadata.uid, None)

    async def run(self) -> None:
        """Give out CIDRs until cancelled, once all nodes are known."""
        await self._nodes.synced()
        await self._queue.run(self._reconcile, log_failures("node cidr"))

    async def _reconcile(self, name: str) -> float | None:
        node = self._nodes.get(name)
        if node is None or node.spec.pod_cidrs or node.metadata.uid in self._assigned:
            return None
        taken = [cidr for each in self._nodes.objects.values() for cidr in each.spec.pod_cidrs]
        taken += [cidr for cidrs in self._assigned.values() for cidr in cidrs]
        cidrs = choose(self._clusters, name, taken)
        if cidrs is None:
            about = ObjectReference(kind="Node", name=name, uid=node.metadata.uid)
            message = (
                f"Node {name} status is now: CIDRNotAvailable: all shares of "
                f"{', '.join(map(str, self._clusters))} are taken: remove a node"
            )
            self._events.record(
                about, severity=Severity.WARNING, reason="CIDRNotAvailable", message=message
            )
            return _EXHAUSTED_RETRY_S
        self._assigned[node.metadata.uid] = cidrs
        try:
            await self._client.patch(
                NODES, name, {"spec": {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)}}
            )
        except BaseException as error:
            self._assigned.pop(node.metadata.uid, None)
            if isinstance(error, NotFoundError):
                return None
            raise
        return None
