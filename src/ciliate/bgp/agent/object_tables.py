"""The objects that this node's sessions are of, as the API server has them."""

from collections.abc import Callable
from typing import Any

from ciliate.api.bgp import (
    ADVERTISEMENTS,
    NODE_CONFIGS,
    PEER_CONFIGS,
    CiliumBGPAdvertisement,
    CiliumBGPNodeConfig,
    CiliumBGPPeerConfig,
)
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer


class ObjectTables:
    """The informers; `changed` is called after every change of a specification."""

    def __init__(self, client: ApiClient, node: str, changed: Callable[[], object]) -> None:
        self._node = node
        self.node_configs: Informer[CiliumBGPNodeConfig] = Informer(
            client, NODE_CONFIGS, field_selector=f"metadata.name={node}"
        )
        self.peer_configs: Informer[CiliumBGPPeerConfig] = Informer(client, PEER_CONFIGS)
        self.advertisements: Informer[CiliumBGPAdvertisement] = Informer(client, ADVERTISEMENTS)

        def listen(old: Any, new: Any) -> None:
            if _spec(old) != _spec(new):
                changed()

        for informer in self.all:
            informer.add_listener(listen)

    @property
    def all(self) -> "tuple[Informer[Any], ...]":
        """Every informer."""
        return (self.node_configs, self.peer_configs, self.advertisements)

    @property
    def has_synced(self) -> bool:
        """Whether every table has been complete once; before, absence means nothing."""
        return all(informer.has_synced for informer in self.all)

    @property
    def own(self) -> CiliumBGPNodeConfig | None:
        """This node's configuration."""
        return self.node_configs.get(self._node)


def _spec(found: Any) -> object:
    """Return what of an object decides; a status does not."""
    return (found.spec, found.metadata.labels) if found is not None else None
