"""Pods come and go: what the agent does for each CNI request (CNI spec 1.1, section 2).

ADD: address, interface, maps, file, answer. Only a complete interface has a file, and only what
has a file is answered; whatever a killed agent leaves in between is cleaned up at its next start.
DEL: maps, then the interface in a group with others, then the address is free again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ciliate.agent.address_source import AddressSource
from ciliate.agent.identities import IdentityKeeper
from ciliate.api.cilium_endpoint import EndpointState
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.request import Add, Attachment, Check, Del, Gc, Status
from ciliate.cni.result import AddResult
from ciliate.datapath import layout
from ciliate.datapath.bpf_map import OpenMap
from ciliate.datapath.programs import Programs
from ciliate.endpoint.model import IDENTITY_INIT, Endpoint
from ciliate.endpoint.plan import endpoint_entry, interface_entry
from ciliate.endpoint.store import EndpointStore
from ciliate.endpoint.table import EndpointTable
from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress, to_octets
from ciliate.netlink.pod import PodLinks
from ciliate.netlink.pod_link import PodLink, PodLinkState, host_name, new_mac

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """What every pod of this node is given besides its address. MTUs in bytes."""

    gateways: tuple[IPAddress, ...]  # The router's address per family.
    mtu: int
    route_mtu: int


@dataclass(frozen=True, slots=True)
class Wiring:
    """What an attachment is made with."""

    addresses: AddressSource
    table: EndpointTable
    store: EndpointStore
    links: PodLinks
    programs: Programs
    interfaces: OpenMap[int, layout.Interface]
    endpoints: OpenMap[bytes, layout.Endpoint]
    identities: IdentityKeeper


class PodAttachments:
    """The backend of the CNI service: one request of an attachment at a time."""

    def __init__(
        self, wiring: Wiring, network: Callable[[], PodNetwork], tasks: asyncio.TaskGroup
    ) -> None:
        self._wiring = wiring
        self._network = network
        self._tasks = tasks
        self._locks = KeyedLocks()
        self._removals: dict[int, asyncio.Task[None]] = {}  # By endpoint number.

    async def add(self, request: Add) -> AddResult:
        """Give a pod its interface (CNI ADD); a repeated request gets the same answer.

        Raises:
            CniError: The node has no address left; retryable.
            CiliateError: The kernel refused something; nothing is left behind.
        """
        attachment = request.attachment
        async with self._locks.held(attachment):
            known = self._find(attachment)
            if known is not None:
                if known.netns == request.netns and await self._stands(known):
                    return _result(known)
                # A removal under way goes on; one that failed is tried again.
                await self._detach(known)
                self._refuse_while_it_stays(known)
            endpoint = await self._attach(request)
        return _result(endpoint)

    async def delete(self, request: Del) -> None:
        """Take a pod's interface away (CNI DEL); what is gone already is a success."""
        attachment = request.attachment
        async with self._locks.held(attachment):
            known = self._find(attachment)
            if known is not None:
                self._start_removal(known)

    async def check(self, request: Check) -> None:
        """Verify that a pod's interface is as it was made (CNI CHECK).

        Raises:
            CniError: There is no such attachment.
            CiliateError: Something about the interface differs; the message names it.
        """
        attachment = request.attachment
        known = self._find(attachment)
        if known is None:
            raise CniError(
                CniCode.UNKNOWN_CONTAINER,
                f"container {attachment.container_id} has no interface {attachment.ifname} of ours",
            )
        await self._wiring.links.check(self._link(known))

    async def gc(self, request: Gc) -> None:
        """Remove every attachment that the runtime does not know any more (CNI GC)."""
        # By interface: of an endpoint whose file was damaged no container ID is known.
        valid = {host_name(each.container_id, each.ifname) for each in request.valid}
        stale = [endpoint for endpoint in self._wiring.table if endpoint.host_name not in valid]
        for endpoint in stale:
            _log.info("gc: removing endpoint %d of pod %s", endpoint.id, endpoint.owner)
        await asyncio.gather(*map(self._detach_idle, stale))  # One group, one wait for RCU.

    async def status(self, request: Status) -> None:
        """Tell whether the node can attach pods at all (CNI STATUS): it can while we answer.

        A full pool is no failure of the node: an ADD says so, and a DEL makes room.
        """

    async def remove_vanished(self) -> None:
        """Drop endpoints whose interface is gone although no DEL came: their pods are dead.

        Removals that failed are tried again.
        """
        known = tuple(self._wiring.table)  # First: a pod that comes meanwhile is not in question.
        standing = {link.name for link in await self._wiring.links.observe()}
        for endpoint in known:
            if endpoint.state is EndpointState.DISCONNECTING:
                await self._detach_idle(endpoint)
            elif endpoint.host_name not in standing:
                _log.warning(
                    "endpoint %d of pod %s lost its interface %s: forgotten",
                    endpoint.id,
                    endpoint.owner,
                    endpoint.host_name,
                )
                await self._detach_idle(endpoint)

    def _find(self, attachment: Attachment) -> Endpoint | None:
        """Return the endpoint of an attachment, also one that is known by its interface alone."""
        known = self._wiring.table.find(attachment.container_id, attachment.ifname)
        if known is not None:
            return known
        name = host_name(attachment.container_id, attachment.ifname)
        return next((e for e in self._wiring.table if e.host_name == name), None)

    async def _detach_idle(self, endpoint: Endpoint) -> None:
        async with self._locks.held(Attachment(endpoint.container_id, endpoint.ifname)):
            if self._wiring.table.get(endpoint.id) == endpoint:
                await self._detach(endpoint)

    def _refuse_while_it_stays(self, former: Endpoint) -> None:
        """A new interface would bear the same name, which the former's removal goes by."""
        if self._wiring.table.get(former.id) is not None:
            raise CniError(
                CniCode.TRY_AGAIN_LATER,
                f"interface {former.host_name} of pod {former.owner} cannot be removed yet",
                "the agent's log says why",
            )

    async def _stands(self, endpoint: Endpoint) -> bool:
        if endpoint.state is EndpointState.DISCONNECTING:
            return False
        try:
            await self._wiring.links.check(self._link(endpoint))
        except CiliateError as error:
            _log.info("endpoint %d is made anew: %s", endpoint.id, error)
            return False
        return True

    async def _attach(self, request: Add) -> Endpoint:
        wiring = self._wiring
        number = wiring.table.promise_id()
        try:
            addresses = await wiring.addresses.allocate(request)
        except BaseException:
            wiring.table.remove(number)
            raise
        endpoint = self._draft(number, request, addresses)
        # Not of the group: its failure is this request's answer. `_undo` awaits what goes on.
        creation = asyncio.create_task(wiring.links.create(self._link(endpoint)))
        try:
            state = await asyncio.shield(creation)
            endpoint = replace(endpoint, ifindex=state.host_ifindex)
            self._connect(endpoint)
        except BaseException:  # Also when the request is cancelled.
            await asyncio.shield(self._tasks.create_task(self._undo(endpoint, creation)))
            raise
        return endpoint

    def _draft(self, endpoint_id: int, request: Add, addresses: tuple[IPAddress, ...]) -> Endpoint:
        network = self._network()
        pod = request.pod
        known = self._wiring.identities.known(pod.namespace, pod.name, pod.uid)
        identity, labels = known or (IDENTITY_INIT, ("reserved:init",))
        return Endpoint(
            id=endpoint_id,
            container_id=request.attachment.container_id,
            ifname=request.attachment.ifname,
            netns=request.netns,
            namespace=pod.namespace,
            pod=pod.name,
            pod_uid=pod.uid,
            addresses=addresses,
            gateways=network.gateways,
            host_name=host_name(request.attachment.container_id, request.attachment.ifname),
            host_mac=new_mac(),
            pod_mac=new_mac(),
            ifindex=0,
            mtu=network.mtu,
            route_mtu=network.route_mtu,
            created=datetime.now(UTC),
            identity=identity,
            labels=labels,
            state=EndpointState.READY if known else EndpointState.WAITING_FOR_IDENTITY,
            external_ipam=self._wiring.addresses.external,
        )

    def _link(self, endpoint: Endpoint) -> PodLink:
        return PodLink(
            host_name=endpoint.host_name,
            host_mac=endpoint.host_mac,
            pod_name=endpoint.ifname,
            pod_mac=endpoint.pod_mac,
            netns=endpoint.netns,
            mtu=endpoint.mtu,
            route_mtu=endpoint.route_mtu,
            addresses=endpoint.addresses,
            gateways=endpoint.gateways,
            from_pod_fd=self._wiring.programs.from_pod_fd,
            to_pod_fd=self._wiring.programs.to_pod_fd,
            ipv6=any(address.version == 6 for address in endpoint.addresses),
            route=True,
        )

    def _connect(self, endpoint: Endpoint) -> None:
        """Enter a complete interface into maps, file and table."""
        self._wiring.interfaces.put(endpoint.ifindex, interface_entry(endpoint))
        for address in endpoint.addresses:
            self._wiring.endpoints.put(to_octets(address), endpoint_entry(endpoint))
        self._wiring.store.save(endpoint)
        self._wiring.table.put(endpoint)

    def _disconnect(self, endpoint: Endpoint) -> None:
        """Take an endpoint out of the maps; file and table say so until the interface is gone."""
        self._clear_maps(endpoint)
        leaving = replace(endpoint, state=EndpointState.DISCONNECTING)
        self._wiring.table.put(leaving)
        try:
            self._wiring.store.save(leaving)
        except CiliateError as error:  # No space left must not keep a pod from going.
            _log.warning("%s", error)

    def _clear_maps(self, endpoint: Endpoint) -> None:
        for address in endpoint.addresses:
            held = self._wiring.endpoints.get(to_octets(address))
            if held is not None and held.endpoint_id == endpoint.id:
                self._wiring.endpoints.remove(to_octets(address))
        if endpoint.ifindex:
            self._wiring.interfaces.remove(endpoint.ifindex)

    def _start_removal(self, endpoint: Endpoint) -> asyncio.Task[None]:
        """Disconnect now; remove the interface in the background, grouped with others.

        A removal that is under way is not begun twice.
        """
        running = self._removals.get(endpoint.id)
        if running is not None:
            return running
        self._disconnect(endpoint)
        task = self._tasks.create_task(self._finish(endpoint))
        self._removals[endpoint.id] = task
        task.add_done_callback(lambda _: self._removals.pop(endpoint.id, None))
        return task

    async def _detach(self, endpoint: Endpoint) -> None:
        await asyncio.shield(self._start_removal(endpoint))

    async def _finish(self, endpoint: Endpoint) -> None:
        """Remove the interface, then free what it held. On failure the addresses stay taken."""
        try:
            await self._wiring.links.remove(endpoint.host_name)
            await self._wiring.addresses.release(endpoint)
            self._wiring.store.remove(endpoint.id)
        except CiliateError as error:
            _log.warning(
                "interface %s of pod %s stays for now, and so do its addresses: %s",
                endpoint.host_name,
                endpoint.owner,
                error,
            )
            return
        self._wiring.table.remove(endpoint.id)

    async def _undo(self, endpoint: Endpoint, creation: asyncio.Task[PodLinkState]) -> None:
        """Leave nothing of an ADD that failed; its worker may still be making the interface."""
        await asyncio.wait([creation])
        if not creation.cancelled() and creation.exception() is None:
            endpoint = replace(endpoint, ifindex=creation.result().host_ifindex)
        await self._detach(endpoint)  # Known to housekeeping until it is gone.


class KeyedLocks:
    """A lock per attachment that exists only while somebody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: dict[Attachment, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def held(self, key: Attachment) -> AsyncIterator[None]:
        """Hold the lock of `key`."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)


def _result(endpoint: Endpoint) -> AddResult:
    return AddResult(
        host_name=endpoint.host_name,
        host_mac=endpoint.host_mac,
        pod_name=endpoint.ifname,
        pod_mac=endpoint.pod_mac,
        netns=endpoint.netns,
        mtu=endpoint.mtu,
        route_mtu=endpoint.route_mtu,
        addresses=endpoint.addresses,
        gateways=endpoint.gateways,
    )
