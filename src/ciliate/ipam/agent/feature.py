"""Address management on a running node: CIDRs, pods' addresses, publication, check and repair."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

import msgspec

from ciliate.api.ipam_audit import CheckReport, CheckRequest, RepairReport, RepairRequest
from ciliate.cni.delegate import Delegate
from ciliate.ipam.agent.check import IpamCheck
from ciliate.ipam.agent.delegated import DelegatedAddresses
from ciliate.ipam.agent.metrics import ipam_families
from ciliate.ipam.agent.node_ipam import NodeIPAM
from ciliate.ipam.agent.repair import IpamRepair
from ciliate.ipam.agent.report import ipam_report, ipam_status
from ciliate.ipam.agent.snapshot import Snapshots
from ciliate.metrics.family import Family
from ciliate.net.address import IPAddress
from ciliate.netlink.monitor import Change
from ciliate.node.context import Context
from ciliate.node.device_selection import is_ours
from ciliate.node.feature import Action, Answer, Feature, Task
from ciliate.node.host_path import node_path
from ciliate.node.progress import Progress
from ciliate.reconcile.status import RunStatus


class IpamFeature(Feature):
    """The addresses of this node; `addresses` gives them to pods."""

    name: ClassVar[str] = "ipam"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ipam = NodeIPAM.make(context)
        settings = context.settings.ipam
        self.addresses = DelegatedAddresses(
            Delegate(node_path),
            context.endpoints,
            is_current=settings.mode == "delegated-plugin",
            former=self._ipam.source,
            versions=settings.versions,
            node_addresses=lambda: (*context.devices.current.addresses, *self.gateways),
        )
        demand = self._ipam.demand
        self._check = IpamCheck(Snapshots(context, self._ipam))
        self._repair = IpamRepair(
            context,
            self._ipam.addresses,
            self._check,
            freed=demand.freed if demand is not None else lambda: None,
        )

    @property
    def gateways(self) -> tuple[IPAddress, ...]:
        """The router's addresses: the gateways of pods that come now."""
        return self._ipam.router.current

    def pool_of(self, address: IPAddress) -> str:
        """Return the pool out of which an address is; empty: of none of this node's blocks."""
        held = self._ipam.addresses.find(address)
        return held.pool if held is not None else ""

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever addresses may be of other pools than before."""
        self._ipam.addresses.listen(listener)

    async def load(self) -> None:
        """Hold the CIDRs that pods of a previous agent may have addresses of."""
        self._ipam.load()

    async def start(self, progress: Progress) -> None:
        """Publish what this node holds and needs; wait until it can give addresses."""
        await self._ipam.start(progress)
        await self._context.devices.refresh()  # The wait may have been long.
        await self._ipam.router.ensure_link(self._context.devices.mtu)

    def tasks(self) -> Sequence[Task]:
        """Return the tasks that keep and move the router, and that check addresses."""
        self._context.devices.listen(lambda _old, _new: self._ipam.router.look())
        self._context.devices.listen_losses(self._lost)
        return (self._follow_router, self._check.run)

    def _lost(self, change: Change) -> None:
        if change.link is not None and is_ours(change.link.name):
            self._ipam.router.look()

    async def _follow_router(self) -> None:
        await self._ipam.router.follow(lambda: self._context.devices.mtu)

    def statuses(self) -> Sequence[RunStatus]:
        """Return the statuses of publication, router and check."""
        return (
            self._ipam.publication.status,
            self._ipam.router.status,
            self._check.status,
        )

    def status(self) -> Mapping[str, object]:
        """Return the IPAM line's part."""
        return {"ipam": ipam_status(self._ipam)}

    def answers(self) -> Mapping[str, Answer]:
        """Return the answers about addresses and past repairs."""
        return {
            "ipam": lambda: ipam_report(self._ipam),
            "ipam/repairs": self._repair.records,
        }

    def actions(self) -> Mapping[str, Action]:
        """Return the actions check and repair."""
        return {"ipam/check": self._act_check, "ipam/repair": self._act_repair}

    async def _act_check(self, body: bytes) -> CheckReport:
        return await self._check.check(msgspec.json.decode(body, type=CheckRequest))

    async def _act_repair(self, body: bytes) -> RepairReport:
        return await self._repair.act(msgspec.json.decode(body, type=RepairRequest))

    def families(self) -> Iterable[Family]:
        """Return the metric families of addresses."""
        return ipam_families(self._ipam.addresses, self._ipam.source.pending)
