"""Writes a decision into its CiliumNode: only if it is unchanged, only while this operator leads.

Every write has the resourceVersion that the decision was made on: one that arrives late, or
twice, changes nothing. So where a node shows again what an earlier write answered, somebody has
undone that one: CIDRs are given anew with growing pauses (`kube/write_pace.py`), whichever they are.
"""

import asyncio
import hashlib
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import msgspec

from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.metadata import PartialObject
from ciliate.ipam.operator.node_cidrs import Decision
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ConflictError, NotFoundError, UnavailableError
from ciliate.kube.write_pace import WritePace

#: A write without an answer for so long is given up. Shorter than the time between the moment at
#: which a leader that cannot renew stops and that at which another may begin (kube/election.py:
#: 5 s), so that no write of the one is under way when the other grants CIDRs.
WRITE_TIMEOUT_S: Final = 4.0

#: Of the answer only the resourceVersion is read; other fields may have a wrong form.
_WRITTEN: Final = CILIUM_NODES.narrowed(PartialObject)


class Outcome(Enum):
    """The outcome of a write."""

    NOTHING = "nothing to write"
    DONE = "done"
    REFUSED = "not done: the object has changed or is gone"
    UNKNOWN = "no answer: it may or may not have been done"


class CidrWriter:
    """Carries out decisions; `may_act` is asked before every write."""

    def __init__(self, client: ApiClient, *, may_act: Callable[[], bool]) -> None:
        self._client = client
        self._pace: WritePace[str, bytes] = WritePace(client)
        self._may_act = may_act

    async def write(self, node: CiliumNode, decision: Decision) -> Outcome:
        """Write `decision` into `node`, which is the object it was made on.

        Raises:
            KubeError: Refused for a reason that repeating does not change.
            UndoneError: Somebody writes something else there again and again.
        """
        spec = _spec_of(decision)
        if not spec and decision.error == node.status.ipam.operator_status.error:
            return Outcome.NOTHING
        name, shown = node.metadata.name, _shown(node)
        await self._pace.wait_for_turn(name, shown, CILIUM_NODES, ("", name))
        outcome = await self._write(node, spec, decision.error)
        if outcome is Outcome.DONE:
            self._pace.note(name, shown)
        return outcome

    async def _write(self, node: CiliumNode, spec: dict[str, Any], error: str) -> Outcome:
        shown = node.status.ipam.operator_status.error
        outcome = Outcome.NOTHING
        version = node.metadata.resource_version
        try:
            if spec:
                if not self._may_act():
                    return Outcome.REFUSED
                body = {"metadata": {"resourceVersion": version}, "spec": {"ipam": spec}}
                version = await self._patch(node.metadata.name, body, subresource="")
                outcome = Outcome.DONE
            if error != shown:
                if not self._may_act():
                    return outcome if spec else Outcome.REFUSED
                status = {"ipam": {"operator-status": {"error": error or None}}}
                body = {"metadata": {"resourceVersion": version}, "status": status}
                await self._patch(node.metadata.name, body, subresource="status")
                outcome = Outcome.DONE
        except (ConflictError, NotFoundError):
            return outcome if outcome is Outcome.DONE else Outcome.REFUSED
        except (UnavailableError, TimeoutError):
            return Outcome.UNKNOWN
        return outcome

    async def _patch(self, name: str, body: dict[str, Any], *, subresource: str) -> str:
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            written = await self._client.patch(_WRITTEN, name, body, subresource=subresource)
        return written.metadata.resource_version


def _shown(node: CiliumNode) -> bytes:
    """Return what a decision about a node answers, as a digest."""
    shown = msgspec.json.encode([node.metadata.uid, node.spec.ipam, node.status.ipam])
    return hashlib.blake2b(shown, digest_size=16).digest()


def _spec_of(decision: Decision) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    if decision.pod_cidrs is not None:
        spec["podCIDRs"] = decision.pod_cidrs
    if decision.allocated is not None:
        spec["pools"] = {"allocated": decision.allocated}
    return spec
