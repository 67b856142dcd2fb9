"""One object by its name, as a list of one: agents may list Pods and Namespaces, and not get them."""

from collections.abc import Mapping
from typing import Any, TypeVar

from ciliate.api.metadata import KubeObject
from ciliate.api.resource import ObjectKey, Resource
from ciliate.kube.client import ApiClient

T = TypeVar("T", bound=KubeObject)

#: An object as the API server shows it, with the fields that no Struct of ours has.
Document = Mapping[str, Any]


async def find(
    client: ApiClient, resource: Resource[T], name: str, *, namespace: str = ""
) -> T | None:
    """Return the object as the API server has it now; None: there is none.

    Raises:
        KubeError: Refused or unreachable.
    """
    found = await client.list(resource, namespace=namespace, field_selector=_called(name))
    return next(iter(found.items), None)


async def find_document(
    client: ApiClient, resource: Resource[Any], key: ObjectKey
) -> Document | None:
    """Return the same with every field it has.

    Raises:
        KubeError: Refused or unreachable.
    """
    namespace, name = key
    found = await client.get_json(
        resource.path(namespace=namespace), params={"fieldSelector": _called(name)}
    )
    return next(iter(found.get("items") or ()), None)


def _called(name: str) -> str:
    return f"metadata.name={name}"
