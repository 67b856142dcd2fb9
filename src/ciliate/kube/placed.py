"""Objects with the collections they belong in: made where they are missing, and taken away.

What is there already stays as it is: somebody may have changed it, as an installer does.
"""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError

#: Path of a collection, and the body of an object in it.
Placed = tuple[str, Mapping[str, Any]]


async def create_missing(client: ApiClient, objects: Iterable[Placed]) -> int:
    """Create the objects that are missing, in their order; return how many were.

    Raises:
        KubeError: The API server refuses, or is away: those before it are there.
    """
    made = 0
    for path, body in objects:
        with contextlib.suppress(AlreadyExistsError):
            await client.request("POST", path, body=msgspec.json.encode(body))
            made += 1
    return made


async def delete_present(client: ApiClient, objects: Iterable[Placed]) -> int:
    """Delete the objects that are there, the last first, with what they own; return how many were.

    Raises:
        KubeError: The API server refuses, or is away: those behind it are gone.
    """
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    found = 0
    for path, body in reversed(tuple(objects)):
        with contextlib.suppress(NotFoundError):
            name = body["metadata"]["name"]
            await client.request("DELETE", f"{path}/{name}", body=msgspec.json.encode(options))
            found += 1
    return found
