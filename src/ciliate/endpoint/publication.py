"""CiliumEndpoints: what this node publishes about its pods.

Each is named like its pod and owned by it, so that Kubernetes deletes it with the pod even if this
node never comes back. Only pods whose identity is known are published, and only while Kubernetes
has them on this node: a sandbox may outlive its pod (a forced deletion, a kubelet that hangs), and
an object whose owner is gone is deleted as often as it is made. A name may belong to another
node's pod meanwhile, as with a StatefulSet: its object is that node's, by the pod's uid.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from ciliate.api.cilium_endpoint import (
    CILIUM_ENDPOINTS,
    AddressPair,
    CiliumEndpoint,
    EndpointIdentity,
    EndpointNetworking,
    EndpointState,
    EndpointStatus,
    ExternalIdentifiers,
)
from ciliate.api.core import PODS, Pod
from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.api.resource import ObjectKey
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ConflictError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.kube.last_writer import find_last_writer
from ciliate.kube.lookup import find
from ciliate.net.address import IPAddress
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_table import EndpointTable
from ciliate.reconcile.target import Failures, one_by_one


@dataclass(frozen=True, slots=True)
class Publication:
    """The part of a CiliumEndpoint that this node decides."""

    pod_uid: str
    status: EndpointStatus


def publication(endpoint: Endpoint, node_ip: IPAddress) -> Publication:
    """Return what is published about `endpoint`."""
    return Publication(
        pod_uid=endpoint.pod_uid,
        status=EndpointStatus(
            id=endpoint.id,
            identity=EndpointIdentity(id=endpoint.identity, labels=endpoint.labels),
            networking=EndpointNetworking(
                addressing=(
                    AddressPair(
                        ipv4=str(endpoint.address(4) or ""), ipv6=str(endpoint.address(6) or "")
                    ),
                ),
                node=str(node_ip),
            ),
            state=str(endpoint.state),
            external_identifiers=ExternalIdentifiers(
                cni_attachment_id=":".join(endpoint.attachment),
                container_id=endpoint.container_id,
                k8s_namespace=endpoint.namespace,
                k8s_pod_name=endpoint.pod,
                pod_name=f"{endpoint.namespace}/{endpoint.pod}",
            ),
        ),
    )


class ForeignObjectError(CiliateError):
    """The object of that name belongs to another pod, which lives elsewhere."""

    def __init__(self, key: ObjectKey, uid: str) -> None:
        self.key = key
        self.uid = uid
        super().__init__(
            f"CiliumEndpoint {'/'.join(key)} is another node's and is left alone: pod {uid}, which"
            " was here, is gone; its sandbox leaves with its DEL"
        )


class Publications(Mapping[ObjectKey, Publication]):
    """What is published, by pod: a live view of the endpoint table and of this node's Pods."""

    def __init__(
        self, table: EndpointTable, pods: Mapping[ObjectKey, Pod], node_ip: IPAddress
    ) -> None:
        self._table = table
        self._pods = pods
        self._node_ip = node_ip

    def __getitem__(self, key: ObjectKey) -> Publication:
        endpoint = self._table.of_pod(key)
        if endpoint is None or endpoint.state is not EndpointState.READY or not endpoint.pod_uid:
            raise KeyError(key)
        pod = self._pods.get(key)
        if pod is None or not is_alive(pod, endpoint.pod_uid):
            raise KeyError(key)
        # A static pod's runtime knows another uid than the API, where an owner of that uid is gone.
        return replace(publication(endpoint, self._node_ip), pod_uid=pod.metadata.uid)

    def __iter__(self) -> Iterator[ObjectKey]:
        return (key for key in tuple(self._table.pods()) if key in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def is_alive(pod: Pod | None, uid: str) -> bool:
    """Whether `pod` is the one with that uid and has not ended: the operator takes ended ones."""
    return pod is not None and pod.is_known_as(uid) and not pod.status.has_ended


class CiliumEndpointTarget:
    """The CiliumEndpoints that say they are on this node."""

    name = "sync-ciliumendpoints"

    def __init__(
        self,
        client: ApiClient,
        informer: Informer[CiliumEndpoint],
        *,
        is_here: Callable[[str], bool],
    ) -> None:
        """`is_here`: whether an address is this node's, or was until lately."""
        self._client = client
        self._informer = informer
        self._is_here = is_here
        #: What the last put found as it should be (reconcile/rewrites.py).
        self.left_alone: set[ObjectKey] = set()

    async def observe(self) -> Mapping[ObjectKey, Publication]:
        """Return the objects of this node, as the watch last saw them."""
        await self._informer.synced()
        return {
            key: _published(found)
            for key, found in self._informer.objects.items()
            if self.is_ours(found)
        }

    def is_ours(self, endpoint: CiliumEndpoint | None) -> bool:
        """Whether an object says that its pod is on this node."""
        networking = endpoint.status.networking if endpoint is not None else None
        return networking is not None and self._is_here(networking.node)

    async def put(self, entries: Mapping[ObjectKey, Publication]) -> Failures[ObjectKey]:
        """Create the objects, or change those that stand and say something else."""
        self.left_alone = set()
        return await one_by_one(entries, lambda key: self._put(key, entries[key]))

    async def _put(self, key: ObjectKey, value: Publication) -> None:
        namespace, name = key
        known = self._informer.get(name, namespace)
        if known is not None and _published(known) == value:
            self.left_alone.add(key)
            return
        if known is not None and not self.is_ours(known):
            await self._confirm_ours(key, value.pod_uid)
        metadata = ObjectMeta(
            name=name,
            namespace=namespace,
            # Only what the watch reported is changed: another node may have taken it over since.
            resource_version=known.metadata.resource_version if known is not None else "",
            owner_references=(
                OwnerReference(api_version="v1", kind="Pod", name=name, uid=value.pod_uid),
            ),
        )
        wanted = CiliumEndpoint(metadata=metadata, status=value.status)
        if known is None:
            await self._client.create(CILIUM_ENDPOINTS, wanted)
            return
        with contextlib.suppress(NotFoundError):  # The watch will say so, and it is made anew.
            await self._client.patch(CILIUM_ENDPOINTS, name, wanted, namespace=namespace)

    async def last_writer(self, key: ObjectKey) -> str:
        """Return who wrote to an object last, as the API server notes it."""
        return await find_last_writer(self._client, CILIUM_ENDPOINTS, key)

    async def _confirm_ours(self, key: ObjectKey, uid: str) -> None:
        """Return if the pod of that name is this node's now, which a table may know too late.

        Raises:
            ForeignObjectError: It is another one.
            KubeError: The API server does not say.
        """
        namespace, name = key
        found = await find(self._client, PODS, name, namespace=namespace)
        if found is None or found.metadata.uid != uid:
            raise ForeignObjectError(key, uid)

    async def remove(self, keys: Collection[ObjectKey]) -> Failures[ObjectKey]:
        """Delete the objects; an absent one, or one of another node by now, is a success."""
        return await one_by_one(keys, self._remove)

    async def _remove(self, key: ObjectKey) -> None:
        namespace, name = key
        known = self._informer.get(name, namespace)
        if known is None or not self.is_ours(known):
            return
        # As the watch last reported it: a moved pod's new node may have taken it over since. What is
        # changed is reported, and looked at again.
        with contextlib.suppress(NotFoundError, ConflictError):
            await self._client.delete(
                CILIUM_ENDPOINTS,
                name,
                namespace=namespace,
                uid=known.metadata.uid,
                resource_version=known.metadata.resource_version,
            )


def _published(found: CiliumEndpoint) -> Publication:
    return Publication(
        pod_uid=next((o.uid for o in found.metadata.owner_references), ""), status=found.status
    )
