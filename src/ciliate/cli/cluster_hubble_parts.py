"""The parts of Hubble that are objects of a cluster."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ciliate.config.values import read_bool
from ciliate.console.installation import installation
from ciliate.flows.relay.objects import relay_objects
from ciliate.flows.ui.objects import ui_objects
from ciliate.kube.client import ApiClient
from ciliate.kube.placed import Placed, create_missing, delete_present

#: The cluster's domain in DNS, where nobody says otherwise (kubelet, `--cluster-domain`).
_DOMAIN: Final = "cluster.local"


def _relay(settings: Mapping[str, str]) -> Sequence[Placed]:
    return relay_objects(
        installation(),
        cluster=settings.get("cluster-name", "default"),
        domain=_DOMAIN,
        tls=not read_bool(settings.get("hubble-disable-tls", "false")),
    )


def _ui(_settings: Mapping[str, str]) -> Sequence[Placed]:
    return ui_objects(installation())


#: Part -> its objects, in the order of their creation, by the settings of the agents.
PARTS: Final[Mapping[str, Callable[[Mapping[str, str]], Sequence[Placed]]]] = {
    "relay": _relay,
    "ui": _ui,
}


async def put(client: ApiClient, part: str, settings: Mapping[str, str]) -> bool:
    """Make the objects of a part that are missing; return whether any was. Closes the client.

    Raises:
        KubeError: The API server refuses, or is away: those before it are there.
    """
    async with client:
        return await create_missing(client, PARTS[part](settings)) > 0


async def remove(client: ApiClient, part: str, settings: Mapping[str, str]) -> bool:
    """Delete the objects of a part; return whether any was there. Closes the client.

    Raises:
        KubeError: The API server refuses, or is away.
    """
    async with client:
        return await delete_present(client, PARTS[part](settings)) > 0
