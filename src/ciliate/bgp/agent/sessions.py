"""The sessions of a running node: its objects are followed, the sessions kept, and told of.

No session is opened before all that it announces is known: by its End-of-RIB a router that kept the
routes of a former agent drops what is not announced anew.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from ciliate.api.bgp import CiliumBGPNodeConfig
from ciliate.bgp.agent import node_addresses
from ciliate.bgp.agent.object_tables import ObjectTables
from ciliate.bgp.agent.secret_tables import SecretTables
from ciliate.bgp.agent.status import NodeVerdict, node_verdict
from ciliate.bgp.agent.status_target import NodeStatusTarget
from ciliate.bgp.announcements import Announceable, Pool
from ciliate.bgp.families import families
from ciliate.bgp.model import Route, SessionKey
from ciliate.bgp.plan import NodeFacts, Plan, plan
from ciliate.bgp.report import PeerModel, RoutesModel, SessionView, peer_model, routes_model
from ciliate.bgp.speaker.speaker import Speaker
from ciliate.errors import CiliateError
from ciliate.metrics.family import Family
from ciliate.net.address import IPAddress, IPNetwork, ip_network
from ciliate.node.announced_tables import ServiceTables
from ciliate.node.context import Context
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: Changes come in bursts: a Service with its address, then its endpoints.
_SETTLE_S: Final = 0.05
#: At most this part of the time is spent on looking: of thousands of Services it takes a while.
_SHARE: Final = 0.05
#: Whether a route leads to a peer, nobody tells.
_LOOK_AGAIN_S: Final = 30.0
#: Sessions come and go in steps: changes within this time are one write.
_STATUS_SETTLE_S: Final = 0.5


class Sessions:
    """This node's sessions; `run` is their task."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.settings.bgp
        self._woken = asyncio.Event()
        self._status = RunStatus("bgp")
        self._plan = Plan({})
        self._is_planned = False
        self._speaker: Speaker | None = None
        self._services: ServiceTables | None = None
        self._secrets: SecretTables | None = None
        self._first_seen_s: dict[tuple[SessionKey, Route], float] = {}
        self._tables = ObjectTables(context.client, context.own.name, self._woken.set)
        target = NodeStatusTarget(context.client, lambda: self._tables.own, self._verdict)
        self._sync: Reconciler[str, NodeVerdict] = Reconciler(
            target, target.desired, settle_s=_STATUS_SETTLE_S
        )

    @property
    def statuses(self) -> Sequence[RunStatus]:
        """How it goes."""
        return (self._status, self._sync.status)

    def families(self) -> Iterable[Family]:
        """Return the numbers of sessions and routes."""
        return families(self._views())

    def peers(self) -> list[PeerModel]:
        """Return what `bgp peers` shows."""
        now_s = time.time()
        return [peer_model(view, now_s=now_s) for view in self._views()]

    def routes(self) -> RoutesModel:
        """Return what `bgp routes` shows."""
        return routes_model(self._views(), self._first_seen_s, time.time())

    def _views(self) -> Iterator[SessionView]:
        children = self._speaker.children if self._speaker is not None else {}
        for child in children.values():
            yield SessionView(child.wanted, child.told, child.state, child.problem)

    def _verdict(self, config: CiliumBGPNodeConfig) -> NodeVerdict | None:
        if not self._is_planned:
            return None
        return node_verdict(config, self._views(), self._plan.problems)

    async def run(self) -> None:
        """Keep them until cancelled."""
        context, client = self._context, self._context.client
        name = context.own.name
        context.devices.listen(lambda _old, _new: self._woken.set())
        context.cluster.own.listen(lambda _old, _new: self._woken.set())
        context.cluster.known_nodes.add_listener(
            lambda old, new: (
                self._woken.set() if name in {n.name for n in (old, new) if n} else None
            )
        )
        if context.cluster.pools is not None:
            context.cluster.pools.add_listener(lambda _old, _new: self._woken.set())
        self._tables.node_configs.add_listener(lambda _old, _new: self._touch())
        async with asyncio.TaskGroup() as tasks:
            self._speaker = Speaker(context.paths.state / "bgp", tasks, self._touch)
            self._secrets = SecretTables(
                client, self._settings.secrets_namespace, tasks, self._woken.set
            )
            for informer in self._tables.all:
                tasks.create_task(informer.run(), name=f"watch {informer.name}")
            if self._settings.reports_status:
                tasks.create_task(self._sync.run(), name="bgp status")
            while True:
                self._woken.clear()
                began_s = time.thread_time()
                await self._look(tasks)
                took_s = time.thread_time() - began_s
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN_S):
                        await self._woken.wait()
                await asyncio.sleep(max(_SETTLE_S, took_s / _SHARE))

    def _touch(self) -> None:
        self._sync.touch((self._context.own.name,))

    async def _look(self, tasks: asyncio.TaskGroup) -> None:
        """Have the sessions that the objects ask for, once all is known that they stand on."""
        try:
            found = await self._planned(tasks)
        except CiliateError as error:
            if str(error) != self._status.last_failure:
                _log.warning("BGP: %s", error)
            self._status.failed(str(error))
            return
        if found is None:
            return
        if found.problems != self._plan.problems:
            for problem in found.problems:
                _log.warning("BGP: %s", problem)
        self._plan, self._is_planned = found, True
        self._note_ages(found)
        assert self._speaker is not None, "made before the first look"
        await self._speaker.apply(found.sessions)
        self._status.succeeded()
        self._touch()

    async def _planned(self, tasks: asyncio.TaskGroup) -> Plan | None:
        """Return the plan; None while something that it stands on is not known."""
        if not self._tables.has_synced:
            return None
        config = self._tables.own
        wanted = config.spec.bgp_instances if config is not None else ()
        peer_configs = {e.metadata.name: e for e in self._tables.peer_configs.objects.values()}
        advertisements = tuple(self._tables.advertisements.objects.values())
        kinds = {each.advertisement_type for a in advertisements for each in a.spec.advertisements}
        assert self._secrets is not None, "made before the first look"
        used = {p.peer_config_ref.name for i in wanted for p in i.peers if p.peer_config_ref}
        specs = [peer_configs[name].spec for name in used if name in peer_configs]
        self._secrets.follow({spec.auth_secret_ref for spec in specs if spec.auth_secret_ref})
        if wanted and "Service" in kinds and self._services is None:
            self._services = ServiceTables(
                self._context.client,
                self._context.own.name,
                self._context.settings.services.proxy_name,
                self._woken.set,
            )
            tasks.create_task(self._services.run(), name="watch Services for BGP")
        has_services = self._services is None or self._services.has_synced
        if not (has_services and self._secrets.have_synced):
            return None
        rtnl = self._context.rtnl
        needs_devices = "Interface" in kinds or any(s.transport.source_interface for s in specs)
        devices = await node_addresses.device_addresses(rtnl) if needs_devices else {}
        needs_gateways = any(peer.auto_discovery for i in wanted for peer in i.peers)
        gateways = await node_addresses.default_gateways(rtnl) if needs_gateways else {}
        own = self._context.own
        addresses = {v: a for v in (4, 6) if (a := own.internal_ip(v)) is not None}
        facts = NodeFacts(
            name=own.name,
            addresses=addresses,
            source_of=node_addresses.source_of,
            gateway_of=gateways.get,
            password_of=self._secrets.password_of,
            here=self._announceable(devices),
        )
        return plan(config, peer_configs, advertisements, facts)

    def _announceable(self, devices: Mapping[str, tuple[IPAddress, ...]]) -> Announceable:
        cluster, services = self._context.cluster, self._services
        known = cluster.known_nodes.get(self._context.own.name)
        has_pools = cluster.pools is not None
        return Announceable(
            pod_cidrs=known.all_cidrs if known is not None and not has_pools else (),
            pools=tuple(self._pools()),
            services=tuple(services.services()) if services is not None else (),
            local_services=services.local() if services is not None else frozenset(),
            interfaces=devices,
            labels=self._context.own.labels,
        )

    def _pools(self) -> Iterator[Pool]:
        pools = self._context.cluster.pools
        node = self._context.cluster.nodes.get(self._context.own.name)
        if pools is None or node is None:
            return
        for held in node.spec.ipam.pools.allocated:
            found = pools.get(held.pool)
            labels = found.metadata.labels if found is not None else {}
            yield Pool(held.pool, labels, tuple(_networks(held.cidrs)))

    def _note_ages(self, found: Plan) -> None:
        now_s, before = time.time(), self._first_seen_s
        self._first_seen_s = {
            (key, route): before.get((key, route), now_s)
            for key, session in found.sessions.items()
            for route in session.routes
        }


def _networks(texts: Iterable[str]) -> Iterator[IPNetwork]:
    for text in texts:
        with contextlib.suppress(ValueError):  # `known_nodes` tells of it.
            yield ip_network(text)
