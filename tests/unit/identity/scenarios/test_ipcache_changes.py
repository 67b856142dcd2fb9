"""Writing the prefixes that changes name, and no others, leaves nothing for a walk to find."""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.identity.test_ipcache import Devices
from tests.unit.node.cluster_tables import (
    NODE,
    all_listed,
    cilium_endpoint,
    cilium_node,
    new_cluster,
)
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.identity.ipcache import Entry, Ipcache, Key
from ciliate.node.devices import DeviceWatch
from ciliate.node.endpoint_table import EndpointTable

#: Few of each, so that nodes and pods claim what others have.
_NODES = st.sampled_from([NODE, "k8s-w1", "k8s-w2"])
_OFFSETS = st.integers(1, 4)
_STATES = st.sampled_from(
    [EndpointState.READY, EndpointState.WAITING_FOR_IDENTITY, EndpointState.DISCONNECTING]
)
_CHANGES = st.one_of(
    st.tuples(st.just("node"), _NODES, _OFFSETS, _OFFSETS),
    st.tuples(st.just("pod"), st.integers(1, 3), _OFFSETS, st.integers(0, 2)),
    st.tuples(st.just("pod gone"), st.integers(1, 3), _OFFSETS, _OFFSETS),
    st.tuples(st.just("endpoint"), _OFFSETS, _STATES, st.integers(256, 258)),
    st.tuples(st.just("endpoint gone"), _OFFSETS, _OFFSETS, _OFFSETS),
    st.tuples(st.just("devices"), st.sets(_OFFSETS), _OFFSETS, _OFFSETS),
)


class Kernel:
    """The map, written as the reconciler writes it: the keys that were named."""

    def __init__(self) -> None:
        self.cluster = new_cluster()
        self.table, self.devices = EndpointTable(), Devices()
        self.ipcache = Ipcache(self.cluster, self.table, cast("DeviceWatch", self.devices))
        all_listed(self.cluster)
        self.held: dict[Key, Entry] = {}
        self.pods: set[str] = set()
        self.ipcache.changed.add(self._write)

    def _write(self, keys: Iterable[Key]) -> None:
        for key in keys:
            entry = self.ipcache.get(key)
            if entry is None:
                self.held.pop(key, None)
            else:
                self.held[key] = entry

    def apply(self, change: tuple[object, ...]) -> None:
        match change:
            case "node", str(name), int(ip), int(cidr):
                node = cilium_node(
                    name, f"192.168.10.{ip}", f"10.244.{cidr}.0/24", router=f"10.244.{cidr}.93"
                )
                publish(self.cluster.nodes, node)
            case "pod", int(number), int(offset), int(identity):
                name = f"pod-{number}"
                self.pods.add(name)
                told = cilium_endpoint(
                    name, f"10.244.1.{offset}", number=identity and 1000 + identity
                )
                publish(self.cluster.endpoints, told)
            case "pod gone", int(number), *_:
                name = f"pod-{number}"
                if name in self.pods:
                    self.pods.remove(name)
                    withdraw(self.cluster.endpoints, name, "default")
            case "endpoint", int(offset), EndpointState() as state, int(identity):
                address = ip_address(f"10.244.1.{offset}")
                made = endpoint(offset, identity=identity, state=state, addresses=(address,))
                self.table.put(made)
            case "endpoint gone", int(offset), *_:
                self.table.remove(offset)
            case "devices", set() as offsets, *_:
                self.devices.become(*(f"10.244.1.{offset}" for offset in sorted(offsets)))


@given(st.lists(_CHANGES, max_size=25))
def test_a_walk_after_any_changes_finds_nothing_to_do(changes: list[tuple[object, ...]]) -> None:
    kernel = Kernel()

    for change in changes:
        kernel.apply(change)

    assert kernel.held == dict(kernel.ipcache)
    assert len(kernel.ipcache) == len(kernel.held)
