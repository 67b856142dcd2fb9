"""Pods come and go: what the agent does for each CNI request (CNI spec 1.1, section 2).

ADD: address, interface, maps, file, answer. Only a complete interface has a file, and only what
has a file is answered; whatever a killed agent leaves in between is cleaned up at its next start.
DEL: maps, then the interface in a group with others, then the address is free again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.cni.call import Call
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.plugin_result import PassedResult
from ciliate.cni.request import Add, Attachment, Check, Del, Gc, Status
from ciliate.datapath.programs import Programs
from ciliate.endpoint.chained import ChainedPod, ChainedPods
from ciliate.endpoint.keyed_locks import KeyedLocks
from ciliate.endpoint.records import EndpointRecords
from ciliate.endpoint.removals import REMOVAL_WAIT_S, Removals
from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress
from ciliate.net.identity import ReservedIdentity
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.pod import PodLinks
from ciliate.netlink.pod_link import PodLink, host_name, new_mac
from ciliate.node.address_source import AddressSource
from ciliate.node.endpoint import Endpoint

_log = logging.getLogger(__name__)

_HELD_UP: Final = (
    "something on the node holds it up (a lock of the kernel's, a file system): see"
    " `cilium-dbg status`, then restart the agent"
)


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """What every pod of this node gets besides its address. MTUs in bytes."""

    gateways: tuple[IPAddress, ...]  # The router's address per family.
    mtu: int
    route_mtu: int


#: Number and labels of a pod's identity, by namespace, name and uid; None while not known.
KnownIdentity = Callable[[str, str, str], tuple[int, tuple[str, ...]] | None]


async def _nothing(*_of: object) -> None:
    """Do nothing, where there are no connections to end and no rules that select pods."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What an attachment is made with."""

    addresses: AddressSource
    records: EndpointRecords
    links: PodLinks
    programs: Programs
    identity: KnownIdentity
    versions: tuple[int, ...]  # IP versions in use.
    #: What an ADD would fail for, whatever the pod: see `node/privileges.py`.
    missing: Callable[[], tuple[str, ...]] = tuple
    removal_wait_s: float = REMOVAL_WAIT_S
    #: Ends the connections of those who have left the datapath.
    forget_leavers: Callable[[], Awaitable[None]] = _nothing
    #: Returns once packets of a new endpoint are decided as those of any other.
    admit: Callable[[Endpoint], Awaitable[None]] = _nothing


class PodAttachments:
    """The backend of the CNI service: one ADD or DEL of an attachment at a time."""

    def __init__(
        self, wiring: Wiring, network: Callable[[], PodNetwork], tasks: asyncio.TaskGroup
    ) -> None:
        self._wiring = wiring
        self._addresses = wiring.addresses
        self._table = wiring.records.table
        self._network = network
        self._locks = KeyedLocks()
        self._chained = ChainedPods(wiring.links, wiring.programs, wiring.versions)
        self._removals = Removals(
            wiring.links,
            wiring.records,
            wiring.addresses,
            tasks,
            forget_leavers=wiring.forget_leavers,
            wait_s=wiring.removal_wait_s,
        )

    async def add(self, request: Add) -> PodInterface | PassedResult:
        """Give a pod its interface (CNI ADD); a repeated request gets the same answer.

        Behind another plugin: take over the interface that it made, and pass its result on.

        Raises:
            CniError: The node has no address left; retryable.
            CiliateError: The kernel refused something; nothing is left behind.
        """
        attachment = request.attachment
        self._refuse_without_workers()
        async with self._locks.held(attachment):
            known = self._find(attachment)
            if known is not None:
                is_alike = known.chained == (request.prev_result is not None)
                is_there = is_alike and known.interface.netns == request.netns
                if is_there and await self._stands(known):
                    self._note_network(known, request.network)
                    return _answer(request, known)
                # A removal under way goes on; one that failed is tried again.
                await self._removals.detach(known, _call_for_release(request))
                self._removals.refuse_while_it_stays(known)
            if request.prev_result is not None:
                endpoint = await self._take_over(request)
            else:
                endpoint = await self._attach(request)
        return _answer(request, endpoint)

    async def delete(self, request: Del) -> None:
        """Take a pod's interface away (CNI DEL); what is gone already is a success.

        Raises:
            CniError: The interface stays for now, or the plugin that gave the address failed; the
                runtime asks again.
        """
        attachment = request.attachment
        async with self._locks.held(attachment):
            known = self._find(attachment)
            if not self._addresses.awaits_removal(request):
                if known is not None:
                    self._removals.start(known)
                return
            if known is not None:
                await self._removals.detach(known)
                self._removals.refuse_while_it_stays(known)
            await self._addresses.deleted(request, known)

    async def check(self, request: Check) -> None:
        """Verify that a pod's interface is as it was made (CNI CHECK).

        Raises:
            CniError: There is no such attachment, or none any more: its removal has begun.
            CiliateError: Something about the interface differs; the message names it.
        """
        attachment = request.attachment
        known = self._find(attachment)
        if known is None or not known.is_connected:
            raise CniError(
                CniCode.UNKNOWN_CONTAINER,
                f"container {attachment.container_id} has no interface {attachment.ifname} of ours",
            )
        self._refuse_without_workers()
        await self._verify(known)
        await self._addresses.check(request, known)

    def _refuse_without_workers(self) -> None:
        """Refuse now what would wait for a worker that stays away, and hold a request's place."""
        if refusal := self._wiring.links.refusal_to_make:
            raise CniError(CniCode.TRY_AGAIN_LATER, refusal, _HELD_UP)

    async def _verify(self, endpoint: Endpoint) -> None:
        if endpoint.chained:
            await self._chained.check(endpoint)
        else:
            await self._wiring.links.check(endpoint.interface)

    async def gc(self, request: Gc) -> None:
        """Remove what the runtime does not know any more of the request's network (CNI GC).

        The list covers that network alone. An endpoint whose network is not known (its file was
        damaged, or is of an earlier version) is never garbage: DEL or housekeeping removes it.
        """
        stale = [
            endpoint
            for endpoint in self._table
            if endpoint.network == request.network and _attachment(endpoint) not in request.valid
        ]
        for endpoint in stale:
            _log.info("gc: removing endpoint %d of pod %s", endpoint.id, endpoint.owner)
        try:
            await self._detach_idle(stale)
        finally:
            await self._addresses.gc(request)

    async def status(self, request: Status) -> None:
        """Return when the node can attach pods (CNI STATUS).

        A full pool is no failure of the node: an ADD says so, and a DEL makes room.

        Raises:
            CniError: Every ADD would fail, since the agent lacks a privilege or its workers do not
                come back; or another plugin is needed and not there.
        """
        if missing := self._wiring.missing():
            raise CniError(
                CniCode.PLUGIN_NOT_AVAILABLE, "the agent cannot attach pods", "; ".join(missing)
            )
        refusal = self._wiring.links.refusal
        if refusal:
            raise CniError(CniCode.PLUGIN_NOT_AVAILABLE, refusal, _HELD_UP)
        await self._addresses.status(request)

    async def remove_vanished(self) -> None:
        """Drop endpoints whose interface is gone although no DEL came: their pods are gone too.

        Removals that failed are tried again.

        Raises:
            CiliateError: The first failure; every other one was tried too.
        """
        known = tuple(self._table)  # Listed first: a pod that is added meanwhile is left alone.
        chained = {endpoint.ifindex for endpoint in known if endpoint.chained}
        links = await self._wiring.links.observe(chained=chained)
        standing = {link.name: link.ifindex for link in links}
        failed = [each for each in known if not each.is_connected]
        vanished = [
            each for each in known if each not in failed and not _is_standing(each, standing)
        ]
        for endpoint in vanished:
            _log.warning(
                "endpoint %d of pod %s lost its interface %s: forgotten",
                endpoint.id,
                endpoint.owner,
                endpoint.interface.host_name,
            )
        await self._detach_idle(failed + vanished)

    def _find(self, attachment: Attachment) -> Endpoint | None:
        """Return the endpoint of an attachment, also one that is known by its interface alone."""
        known = self._table.find(attachment.container_id, attachment.ifname)
        if known is not None:
            return known
        name = host_name(attachment.container_id, attachment.ifname)
        return next((e for e in self._table if e.interface.host_name == name), None)

    async def _detach_idle(self, endpoints: Iterable[Endpoint]) -> None:
        """Remove endpoints that no request has changed meanwhile: one group, one wait for RCU.

        Those whose removal is under way are not awaited: a worker may be at it that stays away.
        """

        async def detach(endpoint: Endpoint) -> None:
            async with self._locks.held(_attachment(endpoint)):
                if self._table.get(endpoint.id) != endpoint or self._removals.has_begun(endpoint):
                    return
                removal = self._removals.start(endpoint)
            await asyncio.shield(removal)  # Without the lock: a DEL that comes now is answered.

        outcomes = await asyncio.gather(*map(detach, endpoints), return_exceptions=True)
        for failure in filter(None, outcomes):
            raise failure

    def _note_network(self, endpoint: Endpoint, network: str) -> None:
        """Remember by which network the runtime asked last: that one's GC lists the pod."""
        if endpoint.network != network:
            noted = replace(self._table.get(endpoint.id) or endpoint, network=network)
            self._wiring.records.store.save(noted)
            self._table.put(noted)

    async def _stands(self, endpoint: Endpoint) -> bool:
        if not endpoint.is_connected:
            return False
        try:
            await self._verify(endpoint)
        except CiliateError as error:
            _log.info("endpoint %d is made anew: %s", endpoint.id, error)
            return False
        return True

    async def _attach(self, request: Add) -> Endpoint:
        wiring = self._wiring
        number = self._table.promise_id()
        try:
            addresses = await self._addresses.allocate(request)
        except BaseException:
            self._table.remove(number)
            raise
        # No await since the source checked their owners: another ADD could check in between.
        self._table.promise_addresses(number, addresses)
        endpoint = self._draft(number, request, addresses)
        self._addresses.keep(endpoint)
        # Not in the agent's group: its failure is this request's answer. `abandon` awaits it.
        creation = asyncio.create_task(wiring.links.create(self._link(endpoint)))
        try:
            state = await asyncio.shield(creation)
            endpoint = replace(endpoint, ifindex=state.host_ifindex)
            self._wiring.records.enter(endpoint)
            await self._wiring.admit(endpoint)
        except BaseException:  # Also when the request is cancelled.
            await self._removals.abandon(endpoint, request.call, creation)
            raise
        return endpoint

    async def _take_over(self, request: Add) -> Endpoint:
        """Make an interface of another plugin's an endpoint; it stays that plugin's."""
        found = await self._chained.find(request)
        self._refuse_taken_over(request, found)
        await self._refuse_double(request, found.addresses)
        number = self._table.promise_id()
        self._table.promise_addresses(number, found.addresses)  # No await since the check.
        endpoint = self._draft(number, request, found.addresses)
        endpoint = found.complete(endpoint)
        self._addresses.keep(endpoint)
        try:
            await self._chained.attach(endpoint)
            self._wiring.records.enter(endpoint)
            await self._wiring.admit(endpoint)
        except BaseException:  # Also when the request is cancelled.
            await self._removals.abandon(endpoint, None)
            raise
        return endpoint

    def _refuse_taken_over(self, request: Add, found: ChainedPod) -> None:
        """Refuse an interface that is another attachment's: the DEL of one would end both."""
        other = self._table.behind(found.link.host_ifindex)
        # A number may be used again, before the interface that had it is known to be gone.
        if other is not None and other.interface.host_name == found.link.host_name:
            raise CniError(
                CniCode.INVALID_CONFIG,
                f"interface {other.interface.host_name} is endpoint {other.id}'s already, of pod"
                f" {other.owner}, interface {other.interface.pod_name}",
                f"the plugin before ciliate-cni made no veth {request.attachment.ifname}",
            )

    async def _refuse_double(self, request: Add, addresses: tuple[IPAddress, ...]) -> None:
        """Refuse an address that another pod of this node, or the router, has."""
        for address in addresses:
            if address in self._network().gateways:
                raise CniError(
                    CniCode.INVALID_CONFIG,
                    f"address {address} of pod {request.pod.namespace}/{request.pod.name} is the"
                    " router's of this node",
                    f"set local-router-ipv{address.version} to one out of the other plugin's range",
                )
        if any(map(self._table.owner_of, addresses)):
            await self.remove_vanished()  # The other plugin may have allocated it again.
        owner = next(filter(None, map(self._table.owner_of, addresses)), None)
        if owner is not None:
            raise CniError(
                CniCode.TRY_AGAIN_LATER,
                f"address of pod {request.pod.namespace}/{request.pod.name} is in use by {owner}",
                "the plugin before ciliate-cni gave it twice",
            )

    def _draft(self, endpoint_id: int, request: Add, addresses: tuple[IPAddress, ...]) -> Endpoint:
        network = self._network()
        pod = request.pod
        known = self._wiring.identity(pod.namespace, pod.name, pod.uid)
        identity, labels = known or (ReservedIdentity.INIT, (ReservedIdentity.INIT.label,))
        versions = {address.version for address in addresses}
        return Endpoint(
            id=endpoint_id,
            container_id=request.attachment.container_id,
            namespace=pod.namespace,
            pod=pod.name,
            pod_uid=pod.uid,
            interface=PodInterface(
                host_name=host_name(request.attachment.container_id, request.attachment.ifname),
                host_mac=new_mac(),
                pod_name=request.attachment.ifname,
                pod_mac=new_mac(),
                netns=request.netns,
                mtu=network.mtu,
                route_mtu=network.route_mtu,
                addresses=addresses,
                gateways=tuple(g for g in network.gateways if g.version in versions),
            ),
            ifindex=0,
            created=datetime.now(UTC),
            identity=identity,
            labels=labels,
            state=EndpointState.READY if known else EndpointState.WAITING_FOR_IDENTITY,
            external_ipam=self._addresses.external,
            network=request.network,
        )

    def _link(self, endpoint: Endpoint) -> PodLink:
        programs = self._wiring.programs
        return PodLink(endpoint.interface, programs.from_pod_fd, programs.to_pod_fd)


def _attachment(endpoint: Endpoint) -> Attachment:
    return Attachment(*endpoint.attachment)


def _call_for_release(request: Add) -> Call | None:
    """Return the call that releases a delegated address; None behind a plugin."""
    return request.call if request.prev_result is None else None


def _is_standing(endpoint: Endpoint, standing: Mapping[str, int]) -> bool:
    """Whether the interface is there; another plugin may use a name again for another pod."""
    index = standing.get(endpoint.interface.host_name)
    return index is not None and (not endpoint.chained or index == endpoint.ifindex)


def _answer(request: Add, endpoint: Endpoint) -> PodInterface | PassedResult:
    if request.prev_result is not None:
        return PassedResult(request.prev_result.document)
    return endpoint.interface
