"""Where a pod's addresses come from: this node's own blocks, or another CNI plugin.

What the `endpoint` feature, which attaches pods, asks of the `ipam` feature.
"""

from abc import ABC, abstractmethod

from ciliate.cni.call import Call
from ciliate.cni.request import Add, Check, Del, Gc, Status
from ciliate.net.address import IPAddress
from ciliate.node.endpoint import Endpoint


class AddressSource(ABC):
    """Gives addresses to pods and takes them back; hooks that are not needed do nothing."""

    #: Whether another plugin accounts for them: restarts neither take nor free these addresses.
    external: bool

    @abstractmethod
    async def allocate(self, request: Add) -> tuple[IPAddress, ...]:
        """Return the pod's addresses, IPv6 first.

        Raises:
            CniError: There is none for it (now).
        """

    @abstractmethod
    def restore(self, endpoint: Endpoint) -> None:
        """Take the addresses of a pod that lives on, before any is allocated."""

    @abstractmethod
    def keep(self, endpoint: Endpoint) -> None:
        """Do not allocate these addresses, which are another plugin's, until `release`."""

    @abstractmethod
    async def release(self, endpoint: Endpoint, call: Call | None) -> None:
        """Free the addresses of an endpoint whose interface is gone.

        `call` is the runtime's ADD that needs them freed: it failed, or it makes the interface
        anew.

        Raises:
            CiliateError: They stay taken; housekeeping tries again.
        """

    def awaits_removal(self, request: Del) -> bool:  # noqa: ARG002 - for those who override.
        """Whether `deleted` must be called, once the interface is gone, before DEL is answered."""
        return False

    async def deleted(self, request: Del, endpoint: Endpoint | None) -> None:  # noqa: B027 - nothing, unless a source needs it.
        """The runtime's DEL: the interface is gone; None: no endpoint was known (any more)."""

    async def check(self, request: Check, endpoint: Endpoint) -> None:  # noqa: B027 - nothing, unless a source needs it.
        """The runtime's CHECK of an interface that is as it was made."""

    async def gc(self, request: Gc) -> None:  # noqa: B027 - nothing, unless a source needs it.
        """The runtime's GC, after ours."""

    async def status(self, request: Status) -> None:  # noqa: B027 - nothing, unless a source needs it.
        """The runtime's STATUS: raise unless an ADD could succeed now."""
