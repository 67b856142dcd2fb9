"""One object by its name, as a list of one: agents may list Pods and Namespaces, and not get them."""

from typing import TypeVar

from ciliate.api.metadata import KubeObject
from ciliate.api.resource import Resource
from ciliate.kube.client import ApiClient

T = TypeVar("T", bound=KubeObject)


async def find(
    client: ApiClient, resource: Resource[T], name: str, *, namespace: str = ""
) -> T | None:
    """Return the object as the API server has it now; None: there is none.

    Raises:
        KubeError: Refused or unreachable.
    """
    found = await client.list(
        resource, namespace=namespace, field_selector=f"metadata.name={name}"
    )
    return next(iter(found.items), None)
