"""CiliumEndpoints: what this node tells the cluster about its pods.

Each is named like its pod and owned by it, so that it goes with the pod even if this node never
comes back. Only pods whose identity is known are told.
"""

from collections.abc import Iterable, Mapping
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
from ciliate.kube.errors import AlreadyExistsError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.net.address import IPAddress
from ciliate.node.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Publication:
    """The part of a CiliumEndpoint that this node decides."""

    pod_uid: str
    status: EndpointStatus


def publication(endpoint: Endpoint, node_ip: IPAddress) -> Publication:
    """Return what the cluster is told about `endpoint`."""
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
                cni_attachment_id=f"{endpoint.container_id}:{endpoint.ifname}",
                container_id=endpoint.container_id,
                k8s_namespace=endpoint.namespace,
                k8s_pod_name=endpoint.pod,
                pod_name=f"{endpoint.namespace}/{endpoint.pod}",
            ),
        ),
    )


def publications(
    endpoints: Iterable[Endpoint], node_ip: IPAddress
) -> dict[ObjectKey, Publication]:
    """Return what the cluster is told, by pod."""
    return {
        endpoint.pod_key: publication(endpoint, node_ip)
        for endpoint in endpoints
        if endpoint.state is EndpointState.READY and endpoint.pod_uid
    }


class CiliumEndpointTarget:
    """The CiliumEndpoints that say they are on this node."""

    name = "sync-ciliumendpoints"

    def __init__(
        self, client: ApiClient, informer: Informer[CiliumEndpoint], node_ip: IPAddress
    ) -> None:
        self._client = client
        self._informer = informer
        self._node_ip = str(node_ip)

    async def observe(self) -> Mapping[ObjectKey, Publication]:
        """Return the objects of this node, as the watch last saw them."""
        await self._informer.synced()
        return {
            key: Publication(
                pod_uid=next((o.uid for o in found.metadata.owner_references), ""),
                status=found.status,
            )
            for key, found in self._informer.objects.items()
            if found.status.networking is not None
            and found.status.networking.node == self._node_ip
        }

    async def put(self, key: ObjectKey, value: Publication) -> None:
        """Create the object, or change the one that stands."""
        namespace, name = key
        metadata = ObjectMeta(
            name=name,
            namespace=namespace,
            owner_references=(
                OwnerReference(api_version="v1", kind="Pod", name=name, uid=value.pod_uid),
            ),
        )
        wanted = CiliumEndpoint(metadata=metadata, status=value.status)
        if self._informer.get(name, namespace) is None:
            try:
                await self._client.create(CILIUM_ENDPOINTS, wanted)
            except AlreadyExistsError:
                pass  # The watch had not told us yet.
            else:
                return
        try:
            await self._client.patch(CILIUM_ENDPOINTS, name, wanted, namespace=namespace)
        except NotFoundError:
            await self._client.create(CILIUM_ENDPOINTS, wanted)

    async def remove(self, key: ObjectKey) -> None:
        """Delete the object; an absent one is a success."""
        namespace, name = key
        try:
            await self._client.delete(CILIUM_ENDPOINTS, name, namespace=namespace)
        except NotFoundError:
            return
