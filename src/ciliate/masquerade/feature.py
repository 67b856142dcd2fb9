"""Masquerading on a running node, by the programs or by the host's stack, by one list of rules.

The programs need maps of the rules and of the devices' addresses, and the conntrack GC.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.sweep import Sweeper
from ciliate.datapath.target import MapTarget
from ciliate.masquerade.agent_file import AgentFile
from ciliate.masquerade.conntrack_gc import ConntrackGC
from ciliate.masquerade.entries import address_entries
from ciliate.masquerade.explain.explainer import Explainer
from ciliate.masquerade.maps import CONNECTIONS, MASQUERADE_ADDRESSES
from ciliate.masquerade.nftables.stack import StackMasquerade
from ciliate.masquerade.policy.admission import Admission
from ciliate.masquerade.policy.local_pods import LocalPods
from ciliate.masquerade.policy.watch import PolicyWatch
from ciliate.masquerade.ports.watch import PortWatch
from ciliate.masquerade.report import rule_rows
from ciliate.masquerade.rule_list import RuleList, restored_ranges
from ciliate.masquerade.rule_table import RULES, RuleTable
from ciliate.masquerade.status import MasqueradedFamilies, Masquerading
from ciliate.metrics.family import Family
from ciliate.net.address import IPAddress
from ciliate.node.context import Context
from ciliate.node.endpoint import Endpoint
from ciliate.node.feature import Action, Answer, AnyReconciler, Feature, Task
from ciliate.node.progress import Progress
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus


class MasqueradeFeature(Feature):
    """Which address pods get when they leave the cluster."""

    name: ClassVar[str] = "masquerade"

    def __init__(
        self, context: Context, *, pool_of: Callable[[IPAddress], str] = lambda _: ""
    ) -> None:
        self._context = context
        self._gc = ConntrackGC()
        routing, settings = context.settings.routing, context.settings.masquerade
        native = (routing.native_v4, routing.native_v6)
        self._pods = LocalPods(context.cluster, context.endpoints, pool_of)
        self._list = RuleList(
            (each for each in native if each is not None),
            held=lambda: context.devices.current.addresses,
            selections=self._pods.selections,
            encapsulates=routing.tunnel is not None,
        )
        self._pods.changed.add(self._list.wake)
        context.devices.listen(lambda _old, _new: self._list.wake())
        self._policies = PolicyWatch(
            context.client, accept=self._list.follow, check=self._list.check
        )
        self._rule_table: RuleTable | None = None
        self._admission = Admission(self._list, self._pods, self._placed)
        self._agent_file = None
        if settings.agent_file is not None:
            self._agent_file = AgentFile(
                settings.agent_file,
                versions=context.settings.ipam.versions,
                accept=self._list.exclude,
            )
        self._stack = StackMasquerade(context, self._list)
        self._ports = PortWatch(context, back_end=self._back_end)
        self._list.changed.add(self._stack.changed)
        self._explainer = Explainer(context, self._list, self._stack)

    async def load(self) -> None:
        """Take over the ranges in force, which stay if ip-masq-agent's file is refused."""
        await self._stack.load()
        if self._agent_file is None:
            return
        bpf_root = Path(self._context.settings.kernel.bpf_root)
        ranges = await asyncio.to_thread(restored_ranges, bpf_root)
        versions = self._context.settings.ipam.versions
        await self._list.exclude(tuple(each for each in ranges if each.version in versions))

    async def start(self, progress: Progress) -> None:
        """Read policies and ip-masq-agent's file: rules are right before packets ask for them."""
        if self._agent_file is not None:
            await self._agent_file.start()
        self._context.tasks.create_task(self._policies.watch())
        await self._policies.start(progress)
        if self._list.selects_pods:
            progress.say("waiting for the labels of pods, which masquerade policies select by")
            await self._pods.listed()
        await self._list.look()
        await self._stack.start()

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Return the reconcilers of both back ends' rules, and of the devices' addresses."""
        devices = self._context.devices
        self._explainer.use(datapath)
        self._ports.open(datapath)
        with datapath.opened(CONNECTIONS) as connections:
            sweeper = Sweeper(datapath.programs.sweep_fd, connections.capacity)
        self._gc.use(sweeper, self._ports.are_short)
        addresses = Reconciler(
            MapTarget("sync-masquerade-addresses", datapath.opened(MASQUERADE_ADDRESSES)),
            lambda: address_entries(
                devices.current, self._context.own.internal_ips, self._context.own_links
            ),
        )
        devices.listen(
            lambda old, new: addresses.touch(link.index for link in (*old.selected, *new.selected))
        )
        self._context.own_links.listen(addresses.wake)
        # A device without an address of a family has the node's own.
        self._context.cluster.own.listen(
            lambda _old, _new: addresses.touch(link.index for link in devices.current.selected)
        )
        self._rule_table = RuleTable(datapath)
        rules = Reconciler(self._rule_table, lambda: {RULES: self._list.tables})
        self._list.changed.add(lambda: rules.touch((RULES,)))
        return (rules, addresses, *self._stack.reconcilers(datapath))

    async def forget_leavers(self) -> None:
        """End the connections of pods that have left the datapath.

        Raises:
            CiliateError: They are still there.
        """
        await self._gc.forget_leavers()

    def pools_changed(self) -> None:
        """Look again out of which pools pods have their addresses."""
        self._pods.look()

    async def admit(self, endpoint: Endpoint) -> None:
        """Return once the rules that select a new pod decide for its packets.

        Raises:
            CiliateError: They do not, and why.
        """
        await self._admission.admit(endpoint)

    async def _placed(self, endpoint: Endpoint) -> None:
        """Wait until both back ends have an endpoint where the list has it."""
        assert self._rule_table is not None, "pods come when the datapath is open"
        number = endpoint.id
        await self._rule_table.reached(
            lambda found: found.pods.get(number) == self._list.tables.pods.get(number)
        )
        await self._stack.settled()

    def tasks(self) -> Sequence[Task]:
        """Return the tasks: conntrack GC, port book, what follows rules, policies and the agent's file."""
        of_file = () if self._agent_file is None else (self._agent_file.run,)
        of_ports = (self._ports.run, self._ports.alarms.run)
        rules = (self._list.run, self._policies.run)
        return (self._gc.run, *of_ports, *rules, *self._stack.tasks(), *of_file)

    def statuses(self) -> Sequence[RunStatus]:
        """Return the statuses of the tasks."""
        of_file = () if self._agent_file is None else (self._agent_file.status,)
        rules = (self._list.status, self._policies.status)
        own = (self._gc.status, self._ports.status)
        return (*own, *rules, *self._stack.statuses(), *of_file)

    def answers(self) -> Mapping[str, Answer]:
        """Return the handler of `dbg masquerade rules`."""
        return {"masquerade/rules": lambda: rule_rows(self._list.rules)}

    def actions(self) -> Mapping[str, Action]:
        """Return the handlers of `dbg explain masquerade` and `masquerade ports`, which look now."""
        return {
            "masquerade/explain": self._explainer.explain,
            "masquerade/ports": self._ports.act,
        }

    def families(self) -> Iterable[Family]:
        """Return the metrics of ports."""
        return self._ports.families()

    @property
    def _back_end(self) -> str:
        on = self._context.settings.masquerade
        if not (on.ipv4 or on.ipv6):
            return "Disabled"
        return "iptables" if on.by_stack else "BPF"

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
