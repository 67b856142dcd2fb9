"""The parts of Hubble that are objects of a cluster: made where they are missing, and taken away.

What is there already stays as it is: somebody may have changed it, as an installer does.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ciliate.config.values import read_bool
from ciliate.console.installation import installation
from ciliate.flows.relay.objects import relay_objects
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError

#: Path of a collection, and the body of an object in it.
Placed = tuple[str, Mapping[str, Any]]

#: The cluster's domain in DNS, where nobody says otherwise (kubelet, `--cluster-domain`).
_DOMAIN: Final = "cluster.local"


def _relay(settings: Mapping[str, str]) -> Sequence[Placed]:
    return relay_objects(
        installation(),
        cluster=settings.get("cluster-name", "default"),
        domain=_DOMAIN,
        tls=not read_bool(settings.get("hubble-disable-tls", "false")),
    )


#: Part -> its objects, in the order of their creation, by the settings of the agents.
PARTS: Final[Mapping[str, Callable[[Mapping[str, str]], Sequence[Placed]]]] = {"relay": _relay}


async def put(client: ApiClient, part: str, settings: Mapping[str, str]) -> bool:
    """Make the objects of a part that are missing; return whether any was. Closes the client.

    Raises:
        KubeError: The API server refuses, or is away: those before it are there.
    """
    made = 0
    async with client:
        for path, body in PARTS[part](settings):
            with contextlib.suppress(AlreadyExistsError):
                await client.request("POST", path, body=msgspec.json.encode(body))
                made += 1
    return made > 0


async def remove(client: ApiClient, part: str, settings: Mapping[str, str]) -> bool:
    """Delete the objects of a part; return whether any was there. Closes the client.

    Raises:
        KubeError: The API server refuses, or is away.
    """
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    found = 0
    async with client:
        for path, body in reversed(PARTS[part](settings)):
            with contextlib.suppress(NotFoundError):
                name = body["metadata"]["name"]
                await client.request("DELETE", f"{path}/{name}", body=msgspec.json.encode(options))
                found += 1
    return found > 0
