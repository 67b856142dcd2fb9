"""Whether an address of a Service lies inside a native routing CIDR.

Packets of pods to there are most packets of most pods, so programs ask for a Service only where the
agent has seen one. Once seen it stays so until the agent ends: it costs a look-up a packet.
"""

from collections.abc import Iterable, Mapping

from ciliate.config.settings import RoutingSettings
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.target import MapTarget
from ciliate.net.address import prefix_bits, to_octets
from ciliate.reconcile.reconciler import Reconciler
from ciliate.services.map_keys import MapKey, ServiceMap, address_of, map_of
from ciliate.services.maps import SERVICE_IN_NATIVE

_BITS = 128


class NativeRange:
    """Keeps the map's one entry; `note` is told of frontends."""

    def __init__(self, datapath: Datapath, routing: RoutingSettings) -> None:
        self._prefixes = [
            (
                int.from_bytes(to_octets(each.network_address), "big"),
                _BITS - prefix_bits(each),
            )
            for each in (routing.native_v4, routing.native_v6)
            if each is not None
        ]
        self._seen = False
        target = MapTarget("sync-service-native-range", datapath.opened(SERVICE_IN_NATIVE))
        self.sync: Reconciler[int, int] = Reconciler(target, self._desired)

    def note(self, keys: Iterable[MapKey]) -> None:
        """Look at keys of maps that are written."""
        if not self._seen and any(self._has(each) for each in keys):
            self._seen = True
            self.sync.touch((0,))

    def _desired(self) -> Mapping[int, int]:
        return {0: int(self._seen)}

    def _has(self, key: MapKey) -> bool:
        if map_of(key) is not ServiceMap.FRONTENDS:
            return False
        address = int.from_bytes(address_of(key), "big")
        return any(not (address ^ prefix) >> host for prefix, host in self._prefixes)
