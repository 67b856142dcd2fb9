"""CiliumEndpoints: what this node publishes about its pods.

Each is named like its pod and owned by it, so that Kubernetes deletes it with the pod even if this
node never comes back. Only pods whose identity is known are published.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

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
from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.api.resource import ObjectKey
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, ConflictError, NotFoundError
from ciliate.kube.informer import Informer
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


class Publications(Mapping[ObjectKey, Publication]):
    """What is published, by pod: a live view of the endpoint table."""

    def __init__(self, table: EndpointTable, node_ip: IPAddress) -> None:
        self._table = table
        self._node_ip = node_ip

    def __getitem__(self, key: ObjectKey) -> Publication:
        endpoint = self._table.of_pod(key)
        if endpoint is None or endpoint.state is not EndpointState.READY or not endpoint.pod_uid:
            raise KeyError(key)
        return publication(endpoint, self._node_ip)

    def __iter__(self) -> Iterator[ObjectKey]:
        return (key for key in tuple(self._table.pods()) if key in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


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
        return await one_by_one(entries, lambda key: self._put(key, entries[key]))

    async def _put(self, key: ObjectKey, value: Publication) -> None:
        namespace, name = key
        known = self._informer.get(name, namespace)
        if known is not None and _published(known) == value:
            return
        metadata = ObjectMeta(
            name=name,
            namespace=namespace,
            owner_references=(
                OwnerReference(api_version="v1", kind="Pod", name=name, uid=value.pod_uid),
            ),
        )
        wanted = CiliumEndpoint(metadata=metadata, status=value.status)
        if known is None:
            try:
                await self._client.create(CILIUM_ENDPOINTS, wanted)
            except AlreadyExistsError:
                pass  # The watch had not reported it yet.
            else:
                return
        try:
            await self._client.patch(CILIUM_ENDPOINTS, name, wanted, namespace=namespace)
        except NotFoundError:
            await self._client.create(CILIUM_ENDPOINTS, wanted)

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
