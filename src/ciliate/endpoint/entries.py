"""The maps `interfaces` and `endpoints` as they should be: live views of the endpoint table."""

from collections.abc import Callable, Iterator, Mapping

from ciliate.datapath import layout
from ciliate.endpoint.plan import endpoint_entry, host_entry, interface_entry
from ciliate.node.devices import DeviceWatch
from ciliate.node.endpoint import Endpoint, connected
from ciliate.node.endpoint_table import EndpointTable

#: Whether rules in the host's stack must see an endpoint's packets.
ByStack = Callable[[Endpoint], bool]


class InterfaceEntries(Mapping[int, layout.Interface]):
    """What from_pod and to_pod know of each pod's interface, by its ifindex."""

    def __init__(self, table: EndpointTable, *, stack_routed: ByStack) -> None:
        self._table = table
        self._stack_routed = stack_routed

    def __getitem__(self, ifindex: int) -> layout.Interface:
        endpoint = self._table.behind(ifindex)
        if endpoint is None:
            raise KeyError(ifindex)
        return interface_entry(endpoint, stack_routed=self._stack_routed(endpoint))

    def __iter__(self) -> Iterator[int]:
        return iter({endpoint.ifindex for endpoint in connected(self._table)})

    def __len__(self) -> int:
        return sum(1 for _ in self)


class EndpointEntries(Mapping[bytes, layout.Endpoint]):
    """Where packets to each address of this node go; the node's own win over a pod's."""

    def __init__(
        self, table: EndpointTable, devices: DeviceWatch, *, stack_routed: ByStack
    ) -> None:
        self._table = table
        self._devices = devices
        self._stack_routed = stack_routed

    def __getitem__(self, address: bytes) -> layout.Endpoint:
        devices = self._devices.current
        if address in devices.octets:
            return host_entry(devices.holders.get(address, 0))
        endpoint = self._table.at(address)
        if endpoint is None:
            raise KeyError(address)
        return endpoint_entry(endpoint, stack_routed=self._stack_routed(endpoint))

    def __iter__(self) -> Iterator[bytes]:
        of_pods = {octets for endpoint in connected(self._table) for octets in endpoint.octets}
        return iter(of_pods | self._devices.current.octets)

    def __len__(self) -> int:
        return sum(1 for _ in self)
