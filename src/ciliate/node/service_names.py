"""Which Service is asked for at which address and port of this node's datapath.

The feature that serves Services and the one that names flows meet here: the one knows who has a
frontend of several that claim it, the other tells it on. Nothing is kept: there are tens of
thousands of frontends.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ciliate.api.resource import ObjectKey
from ciliate.reconcile.listeners import Listeners


class Place(NamedTuple):
    """An address (16 octets) and port; a node port is also at any address (net/address.py)."""

    address: bytes
    port: int
    protocol: int  # As in the IP header.


#: A place and the namespace and name of the Service that has it now; None: nobody.
Change = tuple[Place, ObjectKey | None]


class ServiceNames:
    """The frontends that are served: all of them, and each that changes."""

    def __init__(self) -> None:
        self._all: Callable[[], Iterator[tuple[Place, ObjectKey]]] = lambda: iter(())
        self._listeners: Listeners[Sequence[Change]] = Listeners()
        #: Whether anybody listens: else changes need not be told.
        self.is_followed = False

    def provide(self, every: Callable[[], Iterator[tuple[Place, ObjectKey]]]) -> None:
        """Ask `every` for all of them from now on."""
        self._all = every

    def all(self) -> Iterator[tuple[Place, ObjectKey]]:
        """Yield every frontend, those of a Service together as a rule; they may change meanwhile."""
        return self._all()

    def listen(self, changed: Callable[[Sequence[Change]], object]) -> None:
        """Call `changed` after every change from now on; what did not change may be among them."""
        self.is_followed = True
        self._listeners.add(changed)

    def tell(self, changes: Sequence[Change]) -> None:
        """Tell who listens what changed."""
        self._listeners(changes)
