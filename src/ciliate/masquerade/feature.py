"""Masquerading on a running node, by the programs or by the host's stack, by one list of rules.

The programs need maps of the rules and of the devices' addresses, and the conntrack GC.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.target import MapTarget
from ciliate.masquerade.agent_file import AgentFile
from ciliate.masquerade.conntrack_gc import ConntrackGC
from ciliate.masquerade.entries import address_entries
from ciliate.masquerade.maps import CONNECTIONS, MASQUERADE_ADDRESSES
from ciliate.masquerade.nftables.stack import StackMasquerade
from ciliate.masquerade.report import rule_rows
from ciliate.masquerade.rule_list import RuleList, restored_ranges
from ciliate.masquerade.rule_table import RULES, RuleTable
from ciliate.masquerade.status import MasqueradedFamilies, Masquerading
from ciliate.masquerade.sweep import Sweeper
from ciliate.node.context import Context
from ciliate.node.feature import Answer, AnyReconciler, Feature, Task
from ciliate.node.progress import Progress
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus


class MasqueradeFeature(Feature):
    """Which address pods get when they leave the cluster."""

    name: ClassVar[str] = "masquerade"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._gc = ConntrackGC()
        routing, settings = context.settings.routing, context.settings.masquerade
        native = (routing.native_v4, routing.native_v6)
        self._list = RuleList(each for each in native if each is not None)
        self._agent_file = None
        if settings.agent_file is not None:
            self._agent_file = AgentFile(
                settings.agent_file,
                versions=context.settings.ipam.versions,
                accept=self._list.exclude,
            )
        self._stack = StackMasquerade(context, lambda: self._list.rules)
        self._list.changed.add(self._stack.changed)

    async def load(self) -> None:
        """Take over the ranges in force: they stay if ip-masq-agent's file is refused."""
        if self._agent_file is None:
            return
        bpf_root = Path(self._context.settings.kernel.bpf_root)
        ranges = await asyncio.to_thread(restored_ranges, bpf_root)
        versions = self._context.settings.ipam.versions
        await self._list.exclude(tuple(each for each in ranges if each.version in versions))

    async def start(self, progress: Progress) -> None:
        """Read ip-masq-agent's file: the rules are right before packets are decided by them."""
        del progress  # Nothing is waited for.
        if self._agent_file is not None:
            await self._agent_file.start()
        await self._stack.start()

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Return the reconcilers of both back ends' rules, and of the devices' addresses."""
        devices = self._context.devices
        with datapath.opened(CONNECTIONS) as connections:
            self._gc.use(Sweeper(datapath.programs.sweep_fd, connections.capacity))
        addresses = Reconciler(
            MapTarget("sync-masquerade-addresses", datapath.opened(MASQUERADE_ADDRESSES)),
            lambda: address_entries(devices.current, self._context.own.internal_ips),
        )
        devices.listen(
            lambda old, new: addresses.touch(link.index for link in (*old.selected, *new.selected))
        )
        # A device without an address of a family has the node's own.
        self._context.cluster.own.listen(
            lambda _old, _new: addresses.touch(link.index for link in devices.current.selected)
        )
        rules = Reconciler(RuleTable(datapath), lambda: {RULES: self._list.tables})
        self._list.changed.add(lambda: rules.touch((RULES,)))
        return (rules, addresses, *self._stack.reconcilers(datapath))

    async def forget_leavers(self) -> None:
        """End the connections of pods that have left the datapath.

        Raises:
            CiliateError: They are still there.
        """
        await self._gc.forget_leavers()

    def tasks(self) -> Sequence[Task]:
        """Return the conntrack GC, what follows the stack's rules, the look at the agent's file."""
        of_file = () if self._agent_file is None else (self._agent_file.run,)
        return (self._gc.run, *self._stack.tasks(), *of_file)

    def statuses(self) -> Sequence[RunStatus]:
        """Return the statuses of the tasks."""
        of_file = () if self._agent_file is None else (self._agent_file.status,)
        return (self._gc.status, *self._stack.statuses(), *of_file)

    def answers(self) -> Mapping[str, Answer]:
        """Return the handler of `dbg masquerade rules`."""
        return {"masquerade/rules": lambda: rule_rows(self._list.rules)}

    def status(self) -> Mapping[str, object]:
        """Return the Masquerading line's part."""
        settings = self._context.settings
        on, routing = settings.masquerade, settings.routing
        return {
            "masquerading": Masquerading(
                mode="iptables" if on.by_stack else "BPF",
                enabled=on.ipv4 or on.ipv6,
                ip_masq_agent=self._agent_file is not None,
                enabled_protocols=MasqueradedFamilies(ipv4=on.ipv4, ipv6=on.ipv6),
                snat_exclusion_cidr_v4=str(routing.native_v4 or "") if on.ipv4 else "",
                snat_exclusion_cidr_v6=str(routing.native_v6 or "") if on.ipv6 else "",
            )
        }
