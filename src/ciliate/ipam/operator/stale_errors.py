"""Clears operator-status.error of nodes after a change to a mode without CIDRs by the operator.

Nodes' CIDRs are no longer checked then, and an error would stay for ever.
"""

import asyncio
import logging

from ciliate.api.cilium_node import CiliumNode
from ciliate.ipam.operator.cidr_writer import CidrWriter
from ciliate.ipam.operator.node_cidrs import Decision
from ciliate.kube.errors import KubeError
from ciliate.kube.informer import Informer
from ciliate.reconcile.backoff import Backoff

_log = logging.getLogger(__name__)


async def clear_errors(table: Informer[CiliumNode], writer: CidrWriter) -> None:
    """Return when no node of `table`, which is complete, shows an operator's error any more."""
    pause = Backoff()
    last_failure = ""
    while stale := [n for n in table.objects.values() if n.status.ipam.operator_status.error]:
        for node in stale:
            try:
                await writer.write(node, Decision())
            except KubeError as error:
                if str(error) != last_failure:  # Once per cause, not per attempt.
                    last_failure = str(error)
                    _log.warning("error of node %s: %s; trying again", node.metadata.name, error)
        await asyncio.sleep(pause.next())  # The watch brings what was written.
