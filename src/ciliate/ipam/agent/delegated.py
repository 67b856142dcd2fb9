"""Addresses of another CNI plugin (`ipam: delegated-plugin`).

The plugin that the configuration names is called for every ADD and every DEL, with the runtime's
own configuration. That is not kept beyond the request: it may hold secrets, and every request
brings it. A runtime repeats DEL until it succeeds, also after an ADD during which the agent was
killed; an endpoint that vanished without DEL gets its DEL later, or the plugin its own GC.
"""

import asyncio
import logging
from collections.abc import Callable

from ciliate.cni.call import Call
from ciliate.cni.delegate import Delegate
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.plugin_result import addresses_of
from ciliate.cni.request import Add, Check, Del, Gc, Status, Verb
from ciliate.net.address import IPAddress
from ciliate.node.address_source import AddressSource
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_table import EndpointTable

_log = logging.getLogger(__name__)


class DelegatedAddresses(AddressSource):
    """The address source that asks the request's IPAM plugin.

    On a node whose mode is another by now it serves the pods of before alone.
    """

    def __init__(
        self,
        delegate: Delegate,
        table: EndpointTable,
        *,
        is_current: bool,
        former: AddressSource,
        versions: tuple[int, ...],
        node_addresses: Callable[[], tuple[IPAddress, ...]],
    ) -> None:
        """Give addresses of the IP `versions`, if `is_current`; `former` is the other source."""
        self.external = is_current
        self._delegate = delegate
        self._table = table
        self._former = former
        self._versions = versions
        self._node_addresses = node_addresses

    async def allocate(self, request: Add) -> tuple[IPAddress, ...]:
        """Return what the plugin gives: the first address of each family in use.

        Raises:
            CniError: The plugin failed, or what it gave is of no use; then it was taken back.
        """
        if not self.external:
            return await self._former.allocate(request)
        name = request.call.ipam_type
        try:
            document = await self._delegate.run(request.call, Verb.ADD)
            found = addresses_of(
                document, versions=self._versions, source=f"result of IPAM plugin {name}"
            )
            self._refuse_useless(found.addresses, name)
        except BaseException:  # Also when the request is cancelled.
            await asyncio.shield(self._take_back(request.call))
            raise
        return found.addresses

    def _refuse_useless(self, addresses: tuple[IPAddress, ...], name: str) -> None:
        """Refuse an empty result, and an address in use here: a user of it would lose packets."""
        if not addresses:
            raise CniError(
                CniCode.INVALID_CONFIG,
                "IPAM did provide neither IPv4 nor IPv6 address",
                f"IPAM plugin {name} gave none of a family that the agent has enabled",
            )
        for address in addresses:
            is_nodes = address in self._node_addresses()
            owner = "this node" if is_nodes else self._table.owner_of(address)
            if owner is not None:
                raise CniError(
                    CniCode.TRY_AGAIN_LATER,
                    f"IPAM plugin {name} gave {address}, which is in use by {owner}",
                    "its range must be for this node's pods alone",
                )

    async def _take_back(self, call: Call) -> None:
        """Undo an ADD in which the plugin may have given addresses; the runtime's DEL follows."""
        if not call.ipam_type:
            return
        try:
            await self._delegate.run(call, Verb.DEL)
        except CniError as error:
            _log.warning("clean-up after a failed ADD: %s", error)

    def restore(self, endpoint: Endpoint) -> None:
        """Take the addresses of a pod that lives on."""
        self._former.restore(endpoint)

    def keep(self, endpoint: Endpoint) -> None:
        """Reserve the addresses of another plugin until `release`."""
        self._former.keep(endpoint)

    async def release(self, endpoint: Endpoint, call: Call | None) -> None:
        """Free the addresses of an endpoint whose interface is gone.

        The plugin frees its own with the runtime's DEL, unless an ADD needs them free: then `call`
        is that ADD's.
        """
        await self._former.release(endpoint, call)
        if call is not None and _is_of_plugin(endpoint):
            await self._delegate.run(call, Verb.DEL)

    def awaits_removal(self, request: Del) -> bool:
        """Whether the plugin needs the DEL; it gets it once the interface is gone."""
        return self.external or bool(request.call.ipam_type)

    async def deleted(self, request: Del, endpoint: Endpoint | None) -> None:
        """Have the plugin free the address (CNI DEL).

        Raises:
            CniError: The plugin failed: the runtime asks again.
        """
        if endpoint is None:
            await self._report_unknown(request)
        elif _is_of_plugin(endpoint):
            await self._pass_on(request.call, Verb.DEL)

    async def _report_unknown(self, request: Del) -> None:
        """Pass on the DEL of an attachment that the plugin may know, though the agent does not."""
        try:
            await self._pass_on(request.call, Verb.DEL)
        except CniError as error:
            if self.external:
                raise
            # In another mode the plugin may be gone, and DEL would be repeated for ever.
            _log.warning("DEL of container %s: %s", request.attachment.container_id, error)

    async def check(self, request: Check, endpoint: Endpoint) -> None:
        """Have the plugin check the address (CNI CHECK)."""
        if _is_of_plugin(endpoint):
            await self._pass_on(request.call, Verb.CHECK)

    async def gc(self, request: Gc) -> None:
        """Have the plugin remove what the runtime no longer lists (CNI GC)."""
        await self._pass_on(request.call, Verb.GC)

    async def status(self, request: Status) -> None:
        """Ask whether an ADD could succeed (CNI STATUS): without the plugin it could not."""
        if self.external:
            await self._delegate.run(request.call, Verb.STATUS)

    async def _pass_on(self, call: Call, verb: Verb) -> None:
        """Call the plugin; a configuration that names none never gave an address."""
        if call.ipam_type:
            await self._delegate.run(call, verb)


def _is_of_plugin(endpoint: Endpoint) -> bool:
    """Whether an IPAM plugin gave the addresses at the agent's request, in any mode."""
    return endpoint.external_ipam and not endpoint.chained
