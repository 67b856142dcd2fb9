"""Identities on a running node: numbers for its endpoints' labels, and the ipcache."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.target import MapTarget
from ciliate.identity.ipcache import Ipcache
from ciliate.identity.maps import IPCACHE
from ciliate.identity.numbers import IDENTITY_MAX, IDENTITY_MIN
from ciliate.identity.registry import IdentityRegistry
from ciliate.identity.report import address_list, identity_list
from ciliate.identity.resolver import IdentityResolver
from ciliate.identity.status import IdentityRange
from ciliate.kube.paced_client import PacedClient
from ciliate.node.context import Context
from ciliate.node.feature import Answer, AnyReconciler, Feature, Task
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus

#: How long changes of other nodes' pods are gathered before they are written together.
_SETTLE_S = 0.1


class IdentityFeature(Feature):
    """The identities of this node's pods, and the ipcache."""

    name: ClassVar[str] = "identity"

    def __init__(self, context: Context) -> None:
        self._context = context
        cluster, settings = context.cluster, context.settings
        self.resolver = IdentityResolver(
            cluster,
            IdentityRegistry(PacedClient(context.client), cluster.identities),
            context.endpoints,
            context.endpoint_store,
            cluster_name=settings.cluster.name,
            label_filter=settings.label_filter,
        )
        self._ipcache = Ipcache(
            cluster,
            context.endpoints,
            context.devices,
            tunnel=settings.routing.tunnel,
        )

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Return the reconciler of the ipcache."""
        sync = Reconciler(
            MapTarget("sync-ipcache", datapath.opened(IPCACHE)),
            lambda: self._ipcache.desired,
            settle_s=_SETTLE_S,
        )
        self._ipcache.changed.add(sync.touch)
        return (sync,)

    def tasks(self) -> Sequence[Task]:
        """Return the task that resolves identities."""
        return (self.resolver.run,)

    def statuses(self) -> Sequence[RunStatus]:
        """Return the status of resolving."""
        return (self.resolver.status,)

    def status(self) -> Mapping[str, object]:
        """Return the range of numbers."""
        return {
            "identity_range": IdentityRange(min_identity=IDENTITY_MIN, max_identity=IDENTITY_MAX)
        }

    def answers(self) -> Mapping[str, Answer]:
        """Return the handlers of `dbg ip list` and `dbg identity list`."""
        identities = self._context.cluster.identities
        return {
            "ip": lambda: address_list(self._ipcache),
            "identity": lambda: identity_list(identities.objects.values()),
        }
