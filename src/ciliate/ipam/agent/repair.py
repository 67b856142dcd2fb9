"""Freeing leaked addresses of this node, and undoing that.

An address is freed only when the allocator alone has it: no endpoint of the agent, nothing in the
kernel, no Pod and no CiliumEndpoint: in every inspection for the grace time, in the API server's
answer at the end, and while no ADD is under way. Other differences are not repaired.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from ciliate.api.core import PODS, Pod
from ciliate.api.ipam_audit import Kept, RepairRecord, RepairReport, RepairRequest
from ciliate.errors import CiliateError
from ciliate.ipam.agent.check import IpamCheck
from ciliate.ipam.agent.repair_file import RepairFile
from ciliate.ipam.audit.first_seen import Aged
from ciliate.ipam.audit.node import LEAKED, pod_of
from ciliate.ipam.node import NodeAddresses
from ciliate.kube.lookup import find
from ciliate.net.address import IPAddress, ip_address, to_octets
from ciliate.node.context import Context

_log = logging.getLogger(__name__)

#: How long a repair waits for a moment without an ADD under way.
_QUIET_WAIT_S: Final = 5.0
_QUIET_POLL_S: Final = 0.02

#: The least grace time, whatever is requested: two inspections must be two moments.
GRACE_S_MIN: Final = 1.0


class RepairUnknownError(CiliateError):
    """`--undo` names no repair of this node."""

    def __init__(self, *, wanted: str, node: str) -> None:
        self.wanted = wanted
        super().__init__(
            f"no repair {wanted!r} in the record of node {node}: `ciliate ipam repair --list`"
            " shows them"
        )


class IpamRepair:
    """Frees what `check` finds leaked; one repair at a time."""

    def __init__(
        self,
        context: Context,
        addresses: NodeAddresses,
        check: IpamCheck,
        *,
        freed: Callable[[], None],
    ) -> None:
        self._context = context
        self._addresses = addresses
        self._table = context.endpoints
        self._check = check
        self._freed = freed
        self._file = RepairFile(context.paths.state / "ipam-repairs.jsonl")
        self._repairing = asyncio.Lock()

    def records(self) -> tuple[RepairRecord, ...]:
        """Return what was repaired on this node, oldest first."""
        return self._file.load()

    async def act(self, request: RepairRequest) -> RepairReport:
        """Repair or undo, as requested.

        Raises:
            CiliateError: Nothing was changed; the message says why.
        """
        async with self._repairing:
            if request.undo:
                return self._undo(request)
            return await self._repair(request)

    # Freeing

    async def _repair(self, request: RepairRequest) -> RepairReport:
        grace_s = max(request.grace_s, GRACE_S_MIN)
        kept: list[Kept] = []
        candidates = []
        for each in await self._leaks():
            if each.age_s >= grace_s:
                candidates.append(each)
            else:
                reason = f"leaked for {each.age_s:.0f} s: the grace time is {grace_s:g} s"
                kept.append(self._kept(each, reason))
        agreed = await self._confirm(candidates, kept)
        if agreed:
            agreed = await self._quiet(agreed, kept)
        # No await from here on: what was just checked stays true.
        records = self._records(agreed)
        if records and not request.dry_run:
            self._file.append(records)
            self._addresses.release(ip_address(record.address) for record in records)
            self._freed()
            for record in records:
                _log.info("repair %s: freed %s of %s", record.id, record.address, record.owner)
        return RepairReport(
            node=self._context.own.name,
            id=records[0].id if records and not request.dry_run else "",
            dry_run=request.dry_run,
            freed=records,
            kept=tuple(kept),
        )

    async def _leaks(self) -> list[Aged]:
        return [each for each in await self._check.inspect() if each.finding.kind == LEAKED]

    async def _confirm(self, leaks: Iterable[Aged], kept: list[Kept]) -> list[Aged]:
        """Return leaks without a Pod in the API server itself: the watch may be behind."""
        agreed = []
        for each in leaks:
            address = ip_address(each.finding.object)
            owner = self._addresses.owner(address) or ""
            pod = await self._pod(owner)
            if self._context.cluster.known_pods.at(to_octets(address)) is not None:
                kept.append(self._kept(each, "a CiliumEndpoint of another node has it"))
            elif pod is not None and self._owns(pod, address):
                kept.append(self._kept(each, f"Pod {owner} is there"))
            else:
                agreed.append(each)
        return agreed

    async def _pod(self, owner: str) -> Pod | None:
        namespace, name = pod_of(owner)
        if not namespace:
            return None
        return await find(self._context.client, PODS, name, namespace=namespace)

    def _owns(self, pod: Pod, address: IPAddress) -> bool:
        """Whether the pod is this node's, or has the address wherever it is."""
        here = pod.spec.node_name == self._context.own.name
        return here or str(address) in {each.ip for each in pod.status.pod_ips}

    async def _quiet(self, leaks: list[Aged], kept: list[Kept]) -> list[Aged]:
        """Return those that still leak in a moment in which no ADD is under way."""
        deadline_s = asyncio.get_running_loop().time() + _QUIET_WAIT_S
        while True:
            still = {each.finding.key for each in await self._leaks()}
            if not self._table.attaching:
                break
            if asyncio.get_running_loop().time() > deadline_s:
                kept += [self._kept(each, "pods are being attached: try again") for each in leaks]
                return []
            await asyncio.sleep(_QUIET_POLL_S)
        return [each for each in leaks if each.finding.key in still]

    def _records(self, leaks: list[Aged]) -> tuple[RepairRecord, ...]:
        recorded = {address for endpoint in self._table for address in endpoint.addresses}
        now, number = datetime.now(UTC), secrets.token_hex(4)
        records = []
        for each in leaks:
            address = ip_address(each.finding.object)
            owner, held = self._addresses.owner(address), self._addresses.find(address)
            free = owner is None or held is None
            if free or address in recorded or self._addresses.is_reserved(address):
                continue
            assert owner is not None, "not free"
            assert held is not None, "not free"
            records.append(
                RepairRecord(
                    id=number,
                    time=now,
                    address=str(address),
                    owner=owner,
                    pool=held.pool,
                    cidr=str(held.cidr),
                    since=each.dated(now).since or now,
                    evidence=each.finding.evidence,
                )
            )
        return tuple(records)

    def _kept(self, leak: Aged, reason: str) -> Kept:
        address = leak.finding.object
        owner = self._addresses.owner(ip_address(address)) or ""
        return Kept(address=address, owner=owner, reason=reason)

    # Taking back

    def _undo(self, request: RepairRequest) -> RepairReport:
        records = [each for each in self._file.load() if each.id == request.undo]
        if not records:
            raise RepairUnknownError(wanted=request.undo, node=self._context.own.name)
        now, taken, kept = datetime.now(UTC), [], []
        for record in records:
            reason = self._why_not(record)
            if reason:
                kept.append(Kept(address=record.address, owner=record.owner, reason=reason))
            else:
                taken.append(msgspec.structs.replace(record, undone=now))
        if taken and not request.dry_run:
            self._file.append(taken)
            for record in taken:
                self._addresses.take((ip_address(record.address),), record.owner)
                _log.info("repair %s undone: %s is %s's", record.id, record.address, record.owner)
        return RepairReport(
            node=self._context.own.name,
            id=request.undo if taken and not request.dry_run else "",
            dry_run=request.dry_run,
            taken=tuple(taken),
            kept=tuple(kept),
        )

    def _why_not(self, record: RepairRecord) -> str:
        """Return what keeps an address from being taken again, empty when nothing does."""
        if record.undone is not None:
            return f"undone at {record.undone:%Y-%m-%d %H:%M:%S} already"
        address = ip_address(record.address)
        owner = self._addresses.owner(address)
        if owner is not None:
            return f"{owner} holds it now"
        if self._addresses.find(address) is None:
            return "no CIDR of this node holds it any more"
        return ""
