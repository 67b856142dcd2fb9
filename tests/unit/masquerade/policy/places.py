"""A node with pods, as its watches report them."""

from tests.unit.identity.identity_api import publish
from tests.unit.node.cluster_tables import new_cluster

from ciliate.api.core import Namespace, Pod, PodSpec
from ciliate.api.metadata import ObjectMeta
from ciliate.masquerade.policy.local_pods import LocalPods
from ciliate.net.address import IPAddress
from ciliate.node.endpoint_table import EndpointTable


class Place:
    """A node: its endpoints, what its watches report, and the pools of its addresses."""

    def __init__(self) -> None:
        self.cluster = new_cluster()
        self.endpoints = EndpointTable()
        self.pool = "default"
        self.pods = LocalPods(self.cluster, self.endpoints, self._pool_of)
        self.changes = 0
        self.pods.changed.add(self._count)

    def _pool_of(self, _address: IPAddress) -> str:
        return self.pool

    def _count(self) -> None:
        self.changes += 1

    def namespace(self, **labels: str) -> None:
        publish(self.cluster.namespaces, Namespace(ObjectMeta(name="default", labels=labels)))

    def pod(self, number: int, *, uid: str = "", **labels: str) -> Pod:
        meta = ObjectMeta(
            name=f"pod-{number}", namespace="default", uid=uid or f"uid-{number}", labels=labels
        )
        made = Pod(meta, PodSpec(node_name="k8s-ctr"))
        publish(self.cluster.pods, made)
        return made
