"""CiliumIdentities as an API server keeps them, in memory: what `IdentityRegistry` asks for."""

from itertools import count
from typing import Any, TypeVar, cast

import msgspec

from ciliate.api.cilium_identity import CILIUM_IDENTITIES, CiliumIdentity
from ciliate.api.metadata import KubeObject, ObjectMeta
from ciliate.api.resource import Resource
from ciliate.kube.client import ApiClient
from ciliate.kube.document import key_of
from ciliate.kube.errors import AlreadyExistsError, NotFoundError, UnavailableError
from ciliate.kube.informer import Informer

T = TypeVar("T", bound=KubeObject)

_versions = count(1)


def publish(informer: Informer[T], item: T) -> T:
    """Let the watch report `item` as it is now."""
    meta = msgspec.structs.replace(item.metadata, resource_version=str(next(_versions)))
    published: T = msgspec.structs.replace(cast("Any", item), metadata=meta)
    informer._put(key_of(published), published)
    return published


def withdraw(informer: Informer[T], name: str, namespace: str = "") -> None:
    """Let the watch report that an object is gone."""
    informer._remove((namespace, name))


def identity(number: int, labels: dict[str, str], **annotations: str) -> CiliumIdentity:
    """Return a CiliumIdentity; underscores of annotations' names are dots."""
    marks = {name.replace("_", "."): value for name, value in annotations.items()}
    return CiliumIdentity(
        metadata=ObjectMeta(name=str(number), annotations=marks), security_labels=labels
    )


class IdentityApi:
    """Creates, reads and patches; the watch reports only what a test publishes."""

    def __init__(self, *held: CiliumIdentity) -> None:
        self.held = {each.metadata.name: each for each in held}
        self.created: list[int] = []
        self.patches: list[tuple[str, Any]] = []
        #: Objects that contain this label value cannot be created.
        self.refused_value = ""
        self.goes_before_get = False

    @property
    def as_client(self) -> ApiClient:
        return cast("ApiClient", self)

    async def create(
        self, resource: Resource[CiliumIdentity], item: CiliumIdentity
    ) -> CiliumIdentity:
        name = item.metadata.name
        target = f"{resource.plural}/{name}"
        if self.refused_value and self.refused_value in item.security_labels.values():
            raise UnavailableError(verb="create", target=target, detail="away", status=503)
        if name in self.held:
            raise AlreadyExistsError(verb="create", target=target, detail="exists", status=409)
        self.held[name] = item
        self.created.append(int(name))
        return item

    async def get(self, resource: Resource[CiliumIdentity], name: str) -> CiliumIdentity:
        if self.goes_before_get:
            self.held.pop(name, None)
        if name not in self.held:
            raise NotFoundError(
                verb="get", target=f"{resource.plural}/{name}", detail="not found", status=404
            )
        return self.held[name]

    async def patch(
        self, resource: Resource[CiliumIdentity], name: str, body: Any
    ) -> CiliumIdentity:
        found = await self.get(resource, name)
        self.patches.append((name, body))
        return found


def identities_of(api: IdentityApi) -> Informer[CiliumIdentity]:
    """Return an informer that knows what `api` holds now."""
    informer: Informer[CiliumIdentity] = Informer(api.as_client, CILIUM_IDENTITIES)
    for each in api.held.values():
        publish(informer, each)
    return informer
