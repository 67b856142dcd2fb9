"""Reading and changing the ConfigMap `cilium-config`, and restarting the agents that read it."""

from collections.abc import Mapping
from typing import Final

from ciliate.api.core import CONFIG_MAPS, PODS
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.kube.options import PatchKind

NAMESPACE: Final = "kube-system"
NAME: Final = "cilium-config"


async def read(client: ApiClient) -> Mapping[str, str]:
    """Return every key that is set, with its text. Closes the client.

    Raises:
        KubeError: The API server cannot be asked, or has no such ConfigMap.
    """
    async with client:
        return (await client.get(CONFIG_MAPS, NAME, namespace=NAMESPACE)).data


async def write(client: ApiClient, changes: Mapping[str, str | None], *, restart: bool) -> None:
    """Set keys (None removes one), then delete the agents' pods if asked. Closes the client.

    The DaemonSet makes the pods anew at once; the datapath goes on without them meanwhile.

    Raises:
        KubeError: The API server cannot be asked, or refuses.
    """
    body = {"data": dict(changes)}
    async with client:
        await client.patch(CONFIG_MAPS, NAME, body, namespace=NAMESPACE, kind=PatchKind.MERGE)
        if not restart:
            return
        pods = await client.list(PODS, namespace=NAMESPACE, label_selector="k8s-app=cilium")
        for pod in pods.items:
            try:
                await client.delete(PODS, pod.metadata.name, namespace=NAMESPACE)
            except NotFoundError:
                continue  # Another command has deleted it meanwhile.
