"""The router's addresses: one of each family on `cilium_host`, the gateway of every pod.

A restart keeps them (docs/CILIUM.md, "Addresses"). When the node's CIDR changes the router moves to the
new one, so that the old one can drain; pods keep their gateway, and the old address stays on
`cilium_host` while its CIDR drains, for pods and connections that use it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from ciliate.config.settings import IPAMSettings
from ciliate.errors import CiliateError
from ciliate.ipam.errors import IPAMError, PoolNotReadyError
from ciliate.ipam.node import ROUTER_OWNER, NodeAddresses
from ciliate.net.address import IPAddress, ip_address
from ciliate.net.router_device import RouterDevice
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.router import RouterLink, ensure_router_link, observe_router_addresses
from ciliate.node.cluster import Cluster
from ciliate.reconcile.listeners import Listeners
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

_RETRY_S = 5.0


class Router:
    """The router's addresses; `follow` keeps them inside the node's current CIDRs."""

    def __init__(
        self,
        settings: IPAMSettings,
        cluster: Cluster,
        addresses: NodeAddresses,
        rtnl: Rtnetlink,
        *,
        made: Callable[[RouterDevice], object] = lambda _: None,
    ) -> None:
        """Call `made` with the device each time it is as it should be."""
        self.status = RunStatus("sync-router-addresses")
        self._made = made
        self._settings = settings
        self._cluster = cluster
        self._addresses = addresses
        self._rtnl = rtnl
        self._fixed = {4: settings.router_ipv4, 6: settings.router_ipv6}
        self._current: dict[int, IPAddress] = {}
        self._former: list[IPAddress] = []
        self._reported: tuple[IPAddress, ...] = ()
        self._unset: set[int] = set()  # Families that wait for the node's first CIDR.
        self._woken = asyncio.Event()
        self._listeners: Listeners[[]] = Listeners()
        addresses.listen(self._cidrs_changed)

    @property
    def current(self) -> tuple[IPAddress, ...]:
        """The gateways of new pods, IPv4 first."""
        return tuple(self._current[version] for version in sorted(self._current))

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever `current` changed."""
        self._listeners.add(listener)

    async def choose(self, node_name: str) -> None:
        """Take the addresses: as set, else those of `cilium_host`, the published, or new ones.

        A family without a CIDR gets its address with the first one.

        Raises:
            IPAMError: The node has no address left to give.
        """
        earlier = (
            *await observe_router_addresses(self._rtnl),
            *self._published(node_name),
        )
        for version in self._addresses.versions:
            fixed = self._fixed[version]
            if fixed is not None:
                self._addresses.reserve(fixed, ROUTER_OWNER)
                self._current[version] = fixed
            else:
                self._choose(version, [a for a in earlier if a.version == version])
        self._keep([a for a in earlier if a not in self.current])
        self._reported = self.current

    def _choose(self, version: int, earlier: Sequence[IPAddress]) -> None:
        for address in earlier:
            held = self._addresses.find(address)
            if held is None or held.draining:
                continue
            try:
                self._addresses.take((address,), ROUTER_OWNER)
            except IPAMError as error:
                _log.warning("the router cannot keep %s: %s", address, error)
            else:
                self._current[version] = address
                return
        if earlier:
            _log.info("the router leaves %s, which is in no current CIDR", earlier[0])
        try:
            self._current[version] = self._allocate(version)
        except IPAMError as error:
            if not earlier:
                if not isinstance(error, PoolNotReadyError):
                    raise
                _log.info("the router has no IPv%d address yet: %s", version, error)
                self._unset.add(version)
                return
            # Kept until there is a current CIDR again, and reserved: that may be the former one.
            self._current[version] = earlier[0]
            self._addresses.reserve(earlier[0], ROUTER_OWNER)

    def _cidrs_changed(self) -> None:
        # At once: a pod that takes an address of the first CIDR needs its gateway.
        with contextlib.suppress(IPAMError):  # `follow` tries again, and logs.
            self._fill()
        self._woken.set()

    def _fill(self) -> None:
        """Take an address of each family that waits for one and has a CIDR by now."""
        for version in sorted(self._unset):
            if self._addresses.usage(self._settings.own_pool, version).usable:
                self._current[version] = self._allocate(version)
                self._unset.remove(version)
                _log.info("router: %s", self._current[version])

    def _allocate(self, version: int) -> IPAddress:
        return self._addresses.allocate_one(ROUTER_OWNER, self._settings.own_pool, version)

    def _keep(self, former: Sequence[IPAddress]) -> None:
        """Keep those of the `former` addresses whose CIDR drains; no pod gets them."""
        kept = []
        for address in dict.fromkeys(former):
            held = self._addresses.find(address)
            if held is not None and held.draining:
                self._addresses.reserve(address, ROUTER_OWNER)
                kept.append(address)
        for address in self._former:
            if address not in kept and address not in self.current:
                self._addresses.unreserve(address, ROUTER_OWNER)
        self._former = kept

    async def ensure_link(self, mtu: int) -> None:
        """Give `cilium_host` the current and the former addresses.

        Raises:
            NetlinkError: Names step, object and errno.
        """
        link = await ensure_router_link(
            self._rtnl, RouterLink(mtu=mtu, addresses=(*self.current, *self._former))
        )
        self._made(RouterDevice(link.host_index, self.current))

    def look(self) -> None:
        """Look at `cilium_host` again: it may be gone."""
        self._woken.set()

    async def follow(self, mtu: Callable[[], int]) -> None:
        """Move to a current CIDR whenever the node's CIDRs change, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                try:
                    self._move()
                finally:  # Also when one family failed: another may have moved.
                    await self._settle(mtu())
            except CiliateError as error:
                self.status.failed(str(error))
                _log.warning("router: %s", error)
                await asyncio.sleep(_RETRY_S)
                self._woken.set()
                continue
            self.status.succeeded()

    async def _settle(self, mtu: int) -> None:
        """Give `cilium_host` the router's addresses, then call the listeners."""
        await self.ensure_link(mtu)
        if self.current != self._reported:
            self._reported = self.current
            self._listeners()

    def _move(self) -> None:
        """Replace addresses whose CIDR is no longer current, where another one is.

        Raises:
            IPAMError: One family has no address left: none moves.
        """
        self._fill()
        for version, address in self._next().items():
            former, self._current[version] = self._current[version], address
            _log.info("router: %s after %s", address, former)
            # It may have been only reserved: then it is not released.
            self._addresses.unreserve(former, ROUTER_OWNER)
            if self._addresses.owner(former) == ROUTER_OWNER:
                self._addresses.release((former,))
            self._former.append(former)
        self._keep([a for a in self._former if a not in self.current])

    def _next(self) -> dict[int, IPAddress]:
        """Take the addresses to move to, by IP version: for all families that are due, or none."""
        taken: dict[int, IPAddress] = {}
        try:
            for version in self._due():
                taken[version] = self._return(version) or self._allocate(version)
        except IPAMError:
            self._addresses.release(taken.values())
            for address in taken.values():
                if address in self._former:  # Still on `cilium_host`.
                    self._addresses.reserve(address, ROUTER_OWNER)
            raise
        return taken

    def _due(self) -> list[int]:
        """Return the families whose address is in no current CIDR, while there is one."""
        due = []
        for version, address in self._current.items():
            held = self._addresses.find(address)
            if self._fixed[version] is not None or (held is not None and not held.draining):
                continue
            if self._addresses.usage(self._settings.own_pool, version).usable:
                due.append(version)
        return due

    def _return(self, version: int) -> IPAddress | None:
        """Take a former address whose CIDR is current again, if no pod has it."""
        for address in self._former:
            held = self._addresses.find(address)
            if address.version == version and held is not None and not held.draining:
                self._addresses.unreserve(address, ROUTER_OWNER)
                try:
                    self._addresses.take((address,), ROUTER_OWNER)
                except IPAMError as error:
                    _log.warning("the router cannot take %s back: %s", address, error)
                    continue
                return address
        return None

    def _published(self, node_name: str) -> tuple[IPAddress, ...]:
        node = self._cluster.nodes.get(node_name)
        texts = [a.ip for a in node.spec.addresses if a.type == "CiliumInternalIP"] if node else []
        try:
            return tuple(map(ip_address, texts))
        except ValueError as error:
            _log.warning("CiliumNode %s: router address: %s", node_name, error)
            return ()
