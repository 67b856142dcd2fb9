"""Addresses for pods out of this node's own blocks."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Final

from ciliate.api.core import NAMESPACES, PODS, Pod
from ciliate.api.metadata import ObjectMeta
from ciliate.cni.call import Call
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.request import Add, PodReference
from ciliate.ipam.agent.pod_cidrs import PodCIDRs
from ciliate.ipam.agent.pool_demand import PoolDemand
from ciliate.ipam.demand import Pending
from ciliate.ipam.errors import (
    BlockExhaustedError,
    IPAMError,
    PoolExhaustedError,
    PoolNotReadyError,
)
from ciliate.ipam.node import DEFAULT_POOL, NodeAddresses
from ciliate.ipam.selection import select_pool
from ciliate.kube.errors import KubeError
from ciliate.kube.lookup import find
from ciliate.net.address import IPAddress, host_network
from ciliate.node.address_source import AddressSource
from ciliate.node.context import Context
from ciliate.node.endpoint import Endpoint

#: How long an ADD waits for a CIDR the node asked for. The CNI plugin waits 90 s, a kubelet 120 s.
#: The demand of an ADD that is repeated is still counted.
CIDR_WAIT_S: Final = 20.0


#: ADDs that may wait at one time: the CNI server takes twice as many requests, so that a DEL that
#: frees an address is still served.
WAITING_MAX: Final = 32


_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Asking:
    """An ADD that has no address yet."""

    pod: PodReference
    deleted: bool = False


class OwnAddresses(AddressSource):
    """Addresses out of this node's blocks: one of each family, of the pool the pod asks for."""

    external = False

    def __init__(
        self,
        context: Context,
        addresses: NodeAddresses,
        pod_cidrs: PodCIDRs,
        demand: PoolDemand | None,
    ) -> None:
        self._context = context
        self._addresses = addresses
        self._pod_cidrs = pod_cidrs
        self._demand = demand
        self._pending = Pending()  # For `pending` in modes without demand.
        self._asking: set[_Asking] = set()
        self._waiting = 0  # How many of those wait for `_news`.
        self._news = asyncio.Event()  # An address may have become free.
        addresses.listen(self._news.set)
        context.cluster.pods.add_listener(self._pod_changed)

    @property
    def pending(self) -> dict[tuple[str, int], int]:
        """How many pods wait for an address, by pool and IP version."""
        if self._demand is not None:
            return self._demand.pending
        self._pending.expire(time.monotonic())
        return self._pending.counts()

    async def allocate(self, request: Add) -> tuple[IPAddress, ...]:
        """Return the pod's addresses, IPv6 first; waits for a CIDR that the node lacks.

        Raises:
            CniError: There is none for it (now); retryable.
        """
        owner = f"{request.pod.namespace}/{request.pod.name}"
        deadline = time.monotonic() + CIDR_WAIT_S
        asking = _Asking(request.pod)
        self._asking.add(asking)
        try:
            pools = await self._choose_pools(request.pod)
            while True:
                try:
                    addresses = self._addresses.allocate(owner, pools)
                except (PoolNotReadyError, PoolExhaustedError, BlockExhaustedError) as error:
                    if not await self._wait(asking, pools, error, deadline):
                        raise
                else:
                    break
        except (IPAMError, KubeError) as error:
            raise CniError(CniCode.TRY_AGAIN_LATER, str(error), f"pod {owner}") from error
        finally:
            self._asking.remove(asking)
            self._give_up_place(request.pod)
        self._satisfied(owner)
        return addresses

    async def _wait(
        self, asking: _Asking, pools: dict[int, str], error: IPAMError, deadline: float
    ) -> bool:
        """Wait until an address may be free; False when waiting cannot help.

        Raises:
            CniError: The time is over, with the reason; or the pod was deleted.
        """
        owner = f"{asking.pod.namespace}/{asking.pod.name}"
        self._refuse_deleted(asking)
        self._unmet(pools, owner)
        if self._demand is None and not isinstance(error, PoolNotReadyError):
            return False  # The one CIDR is full, and the node gets no other.
        if self._waiting >= WAITING_MAX:
            return False
        self._news.clear()
        self._waiting += 1
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
                await self._news.wait()
        except TimeoutError:
            why = self._pod_cidrs.missing_of(pools)
            if not why and self._demand is not None and self._pod_cidrs.refusal:
                why = f"the operator says: {self._pod_cidrs.refusal}"
            if why:
                raise CniError(
                    CniCode.TRY_AGAIN_LATER, f"{error}: {why}", f"pod {owner}"
                ) from error
            return False
        finally:
            self._waiting -= 1
        self._refuse_deleted(asking)
        return True

    @staticmethod
    def _refuse_deleted(asking: _Asking) -> None:
        """End the ADD of a deleted pod: its DEL, and a next pod of its name, wait for that."""
        if asking.deleted:
            owner = f"{asking.pod.namespace}/{asking.pod.name}"
            problem = f"pod {owner} was deleted while it waited for an address"
            raise CniError(CniCode.TRY_AGAIN_LATER, problem, f"pod {owner}")

    def _unmet(self, pools: dict[int, str], owner: str) -> None:
        for version, pool in pools.items():
            if self._demand is not None:
                self._demand.unmet(pool, version, owner)
            else:
                self._pending.add(pool, version, owner, time.monotonic())

    def _satisfied(self, owner: str) -> None:
        """Forget the demand of a pod that got its addresses, or is gone."""
        if self._demand is not None:
            self._demand.satisfied(owner)
        else:
            self._pending.clear_owner(owner)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """End the ADD of a deleted pod, and its demand."""
        if old is None or new is not None:
            return
        meta = old.metadata
        for asking in self._asking:
            pod = asking.pod
            is_same = (pod.namespace, pod.name) == (meta.namespace, meta.name)
            if is_same and (not pod.uid or old.is_known_as(pod.uid)):
                asking.deleted = True
                self._news.set()
        self._satisfied(f"{meta.namespace}/{meta.name}")

    def _give_up_place(self, pod: PodReference) -> None:
        """Forget the demand of a pod that was deleted while it waited."""
        if self._context.cluster.pods.get(pod.name, pod.namespace) is None:
            self._satisfied(f"{pod.namespace}/{pod.name}")

    def restore(self, endpoint: Endpoint) -> None:
        """Take each address by itself: when one is taken the other still gets its owner.

        An address outside every known CIDR becomes a block of its own, which is published.
        """
        if endpoint.external_ipam:
            for address in endpoint.addresses:  # Another plugin's: no pod gets it from us.
                self._addresses.reserve(address, endpoint.owner)
            return
        for address in endpoint.addresses:
            try:
                if self._addresses.find(address) is None:
                    self._addresses.hold(DEFAULT_POOL, (host_network(address),))
                self._addresses.take((address,), endpoint.owner)
            except IPAMError as error:
                _log.warning("endpoint %d of pod %s: %s", endpoint.id, endpoint.owner, error)

    def keep(self, endpoint: Endpoint) -> None:
        """Reserve the addresses of another plugin: its range may overlap this node's CIDRs."""
        if not endpoint.external_ipam:
            return
        for address in endpoint.addresses:
            other = self._addresses.reserve(address, endpoint.owner)
            if other is not None:
                _log.error(
                    "address %s is used twice: by %s and by %s, to which another plugin gave it",
                    address,
                    other,
                    endpoint.owner,
                )

    async def release(self, endpoint: Endpoint, call: Call | None) -> None:  # noqa: ARG002 - no plugin is asked.
        """Free the endpoint's addresses; end the reservation of another plugin's."""
        if endpoint.external_ipam:
            for address in endpoint.addresses:
                self._addresses.unreserve(address, endpoint.owner)
        else:
            self._addresses.release(endpoint.addresses)
        self._news.set()
        if self._demand is not None:
            self._demand.freed()

    async def _choose_pools(self, pod: PodReference) -> dict[int, str]:
        """Return the pool of each family; annotations and selectors count in multi-pool alone."""
        pools = self._context.cluster.pools
        if pools is None:
            return dict.fromkeys(self._addresses.versions, DEFAULT_POOL)
        metadata = await self._pod_metadata(pod)
        namespace = self._context.cluster.namespaces.get(pod.namespace)
        if namespace is None:
            namespace = await find(self._context.client, NAMESPACES, pod.namespace)
        if namespace is None:
            raise _not_there(f"Namespace {pod.namespace}", pod)
        known = {item.metadata.name: item for item in pools.objects.values()}
        return {
            version: select_pool(
                version,
                f"{pod.namespace}/{pod.name}",
                pod=metadata,
                namespace=namespace.metadata,
                pools=known,
                default_pool=self._context.settings.ipam.default_pool,
                config_map=self._context.installation.config_map,
                synced=pools.has_synced,
            )
            for version in self._addresses.versions
        }

    async def _pod_metadata(self, pod: PodReference) -> ObjectMeta:
        """Return the pod's metadata: from the watch, or from the API server if it is behind."""
        known = self._context.cluster.pods.get(pod.name, pod.namespace)
        if known is not None and (not pod.uid or known.is_known_as(pod.uid)):
            return known.metadata
        found = await find(self._context.client, PODS, pod.name, namespace=pod.namespace)
        if found is None or (pod.uid and not found.is_known_as(pod.uid)):
            uid = f" of uid {pod.uid}" if pod.uid else ""
            raise _not_there(f"Pod {pod.namespace}/{pod.name}{uid}", pod)
        return found.metadata


def _not_there(what: str, pod: PodReference) -> CniError:
    return CniError(
        CniCode.TRY_AGAIN_LATER,
        f"the API server has no {what}, which says out of which pool the pod's address is",
        f"pod {pod.namespace}/{pod.name}",
    )
