"""Where an endpoint is recorded: the datapath's maps, its file, the table."""

import logging
from dataclasses import dataclass, replace

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.datapath import layout
from ciliate.datapath.bpf_map import OpenMap
from ciliate.endpoint.entries import ByStack
from ciliate.endpoint.plan import endpoint_entry, interface_entry
from ciliate.errors import CiliateError
from ciliate.net.address import to_octets
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.endpoint_table import EndpointTable

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EndpointRecords:
    """The records of this node's endpoints, changed together."""

    table: EndpointTable
    store: EndpointStore
    interfaces: OpenMap[int, layout.Interface]
    endpoints: OpenMap[bytes, layout.Endpoint]
    stack_routed: ByStack

    def enter(self, endpoint: Endpoint) -> None:
        """Enter a complete interface into maps, file and table.

        Without a pause: a reconciler that ran in between would take the entries for leftovers.

        Raises:
            CiliateError: A map is full, or the disk is.
        """
        by_stack = self.stack_routed(endpoint)
        self.interfaces.put(endpoint.ifindex, interface_entry(endpoint, stack_routed=by_stack))
        for address in endpoint.addresses:
            entry = endpoint_entry(endpoint, stack_routed=by_stack)
            self.endpoints.put(to_octets(address), entry)
        self.store.save(endpoint)
        self.table.put(endpoint)

    def disconnect(self, endpoint: Endpoint) -> None:
        """Take an endpoint out of the maps; file and table say so until the interface is gone.

        Raises:
            CiliateError: The maps refused. The endpoint is known as being removed: another DEL,
                or housekeeping, finishes it.
        """
        leaving = replace(endpoint, state=EndpointState.DISCONNECTING)
        self.table.put(leaving)
        try:
            self.store.save(leaving)
        except CiliateError as error:  # No space left must not keep a pod from going.
            _log.warning("%s", error)
        self._clear_maps(endpoint)

    def _clear_maps(self, endpoint: Endpoint) -> None:
        for address in endpoint.addresses:
            held = self.endpoints.get(to_octets(address))
            if held is not None and held.endpoint_id == endpoint.id:
                self.endpoints.remove(to_octets(address))
        if endpoint.ifindex:
            self.interfaces.remove(endpoint.ifindex)
