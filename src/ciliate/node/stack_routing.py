"""Which pods' packets the host's stack carries, instead of the programs alone.

All of them where rules in the stack must see both directions: another plugin's, or ours that
masquerade. Where the programs masquerade again, only pods with connections that the stack still
translates. The features that decide about it and that write it into maps meet here.
"""

from collections.abc import Callable

from ciliate.node.endpoint import Endpoint
from ciliate.reconcile.listeners import Listeners


class StackRouting:
    """The pods that are routed by the stack now; listeners are called when they are others.

    `programs_masquerade`: whether the programs are loaded to translate, which is read once, when
    they are. They also are where the stack masquerades and they know flows from before.
    """

    def __init__(self, *, always: bool) -> None:
        self.programs_masquerade = True
        self._always = always
        self._everyone = always
        self._pods: frozenset[bytes] = frozenset()
        self._listeners: Listeners[()] = Listeners()

    def listen(self, changed: Callable[[], object]) -> None:
        """Call `changed` after every change."""
        self._listeners.add(changed)

    def carries(self, endpoint: Endpoint) -> bool:
        """Whether the packets of this endpoint go by the stack."""
        return self._everyone or not self._pods.isdisjoint(endpoint.octets)

    @property
    def is_in_use(self) -> bool:
        """Whether any pod is routed by the stack."""
        return self._everyone or bool(self._pods)

    def hold(self) -> None:
        """Keep every pod there, as an earlier agent left them, until `release`."""
        self._everyone = True

    def release(self, *, but: frozenset[bytes]) -> None:
        """Take the pods out, but those with one of these addresses (16 octets each)."""
        if (self._everyone, self._pods) == (self._always, but):
            return
        self._everyone, self._pods = self._always, but
        self._listeners()
