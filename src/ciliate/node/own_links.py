"""The devices that features make for the node itself, and that others' entries name.

The router's (`cilium_host`) has the gateways of all pods; the tunnel's (`cilium_vxlan`,
`cilium_geneve`) leads to other nodes. Who makes a device says here what it is now.
"""

from collections.abc import Callable

from ciliate.net.router_device import RouterDevice
from ciliate.reconcile.listeners import Listeners


class OwnLinks:
    """Both devices now; listeners are called when one is another."""

    def __init__(self) -> None:
        self.router = RouterDevice()
        self.tunnel_index = 0  # 0: there is no tunnel.
        self._listeners: Listeners[()] = Listeners()

    def listen(self, changed: Callable[[], object]) -> None:
        """Call `changed` after every change."""
        self._listeners.add(changed)

    def note_router(self, router: RouterDevice) -> None:
        """Say what the router's device is."""
        if router != self.router:
            self.router = router
            self._listeners()

    def note_tunnel(self, index: int) -> None:
        """Say which device is the tunnel's; 0: there is none."""
        if index != self.tunnel_index:
            self.tunnel_index = index
            self._listeners()
