"""BGP as the operator runs it: one writer of CiliumBGPNodeConfigs, while it leads."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from msgspec import structs

from ciliate.api.bgp import (
    CLUSTER_CONFIGS,
    NODE_CONFIG_OVERRIDES,
    NODE_CONFIGS,
    PEER_CONFIGS,
    CiliumBGPClusterConfig,
    CiliumBGPNodeConfig,
    CiliumBGPNodeConfigOverride,
    CiliumBGPPeerConfig,
    owner_of,
)
from ciliate.api.conditions import Verdict
from ciliate.api.core import NODES
from ciliate.api.metadata import ObjectMeta, PartialObject
from ciliate.api.secret import SECRETS
from ciliate.bgp.operator.plan import ClusterPlan, NodeConfig, plan
from ciliate.bgp.operator.targets import NodeConfigTarget
from ciliate.bgp.operator.verdicts import (
    CLUSTER_KINDS,
    PEER_KINDS,
    cluster_verdict,
    peer_verdict,
)
from ciliate.cluster.context import Context
from ciliate.cluster.feature import Feature, Task
from ciliate.config.bgp_settings import BGPSettings
from ciliate.kube.conditions_target import ConditionsTarget
from ciliate.kube.informer import Informer
from ciliate.reconcile.reconciler import Reconciler

#: Names and labels are all that is read of them.
_NODE_LABELS: Final = NODES.narrowed(PartialObject)
_SECRET_NAMES: Final = SECRETS.narrowed(PartialObject)


class BGP(Feature):
    """Gives each selected node its configuration, and says what is wrong with configurations."""

    name: ClassVar[str] = "bgp"

    def __init__(self, context: Context, settings: BGPSettings) -> None:
        client, may_act = context.client, context.may_act
        self._settings = settings
        self._nodes: Informer[PartialObject] = Informer(client, _NODE_LABELS, transform=_trimmed)
        self._secrets: Informer[PartialObject] = Informer(
            client, _SECRET_NAMES, namespace=settings.secrets_namespace, transform=_trimmed
        )
        self._configs: Informer[CiliumBGPClusterConfig] = Informer(client, CLUSTER_CONFIGS)
        self._peers: Informer[CiliumBGPPeerConfig] = Informer(client, PEER_CONFIGS)
        self._overrides: Informer[CiliumBGPNodeConfigOverride] = Informer(
            client, NODE_CONFIG_OVERRIDES
        )
        self._objects: Informer[CiliumBGPNodeConfig] = Informer(client, NODE_CONFIGS)
        self._found: ClusterPlan | None = None
        target = NodeConfigTarget(client, self._objects, self._node_configs, may_act=may_act)
        cluster = ConditionsTarget(
            client,
            CLUSTER_CONFIGS,
            self._configs,
            CLUSTER_KINDS,
            self._cluster_verdicts,
            may_act=may_act,
        )
        peer = ConditionsTarget(
            client, PEER_CONFIGS, self._peers, PEER_KINDS, self._peer_verdicts, may_act=may_act
        )
        self._sync: Reconciler[str, NodeConfig] = Reconciler(target, target.desired)
        self._cluster_sync: Reconciler[str, Verdict] = Reconciler(cluster, cluster.desired)
        self._peer_sync: Reconciler[str, Verdict] = Reconciler(peer, peer.desired)
        for informer in self._informers:
            informer.add_listener(lambda _old, _new: self._changed())

    def tasks(self) -> Sequence[Task]:
        """Follow the objects, if BGP is on."""
        return tuple(each.run for each in self._informers) if self._settings.enabled else ()

    def reconcilers(self) -> Sequence[Reconciler[Any, Any]]:
        """Return the reconcilers of objects and conditions, if BGP is on."""
        if not self._settings.enabled:
            return ()
        conditions = (self._cluster_sync, self._peer_sync)
        return (self._sync, *(conditions if self._settings.reports_status else ()))

    @property
    def _informers(self) -> tuple[Informer[Any], ...]:
        return (
            self._nodes,
            self._secrets,
            self._configs,
            self._peers,
            self._overrides,
            self._objects,
        )

    def _changed(self) -> None:
        self._found = None
        for sync in (self._sync, self._cluster_sync, self._peer_sync):
            sync.wake()

    def _plan(self) -> ClusterPlan | None:
        """Return the plan; None while a table that it stands on is not complete."""
        if not all(each.has_synced for each in self._informers):
            return None
        if self._found is None:
            owners = {
                each.metadata.name: owner.uid
                for each in self._objects.objects.values()
                if (owner := owner_of(each.metadata)) is not None
            }
            self._found = plan(
                tuple(self._configs.objects.values()),
                {each.metadata.name: each for each in self._overrides.objects.values()},
                {e.metadata.name: e.metadata.labels for e in self._nodes.objects.values()},
                owners,
            )
        return self._found

    def _node_configs(self) -> Mapping[str, NodeConfig] | None:
        found = self._plan()
        return found.nodes if found is not None else None

    def _cluster_verdicts(self) -> Mapping[str, Verdict] | None:
        found = self._plan()
        if found is None:
            return None
        names = {each.metadata.name for each in self._peers.objects.values()}
        configs = self._configs.objects.values()
        return {each.metadata.name: cluster_verdict(each, found, names) for each in configs}

    def _peer_verdicts(self) -> Mapping[str, Verdict] | None:
        if not self._secrets.has_synced:
            return None
        names = {each.metadata.name for each in self._secrets.objects.values()}
        peers = self._peers.objects.values()
        return {each.metadata.name: peer_verdict(each, names) for each in peers}


def _trimmed(found: PartialObject) -> PartialObject:
    """Return the object with name, version and labels."""
    meta = found.metadata
    kept = ObjectMeta(
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        resource_version=meta.resource_version,
        labels=meta.labels,
    )
    return structs.replace(found, metadata=kept)
