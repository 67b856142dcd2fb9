"""Reading and changing the ConfigMap `cilium-config`, and restarting the agents that read it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.api.core import CONFIG_MAPS, PODS
from ciliate.cli.cluster_agents import ready_process_agents
from ciliate.cli.installation import installation
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.kube.options import PatchKind


@dataclass(frozen=True, slots=True)
class Restarted:
    """How many agents' pods were deleted, and the nodes whose agent has none."""

    pods: int = 0
    without_pod: tuple[str, ...] = ()


async def read(client: ApiClient) -> Mapping[str, str]:
    """Return every key that is set, with its text. Closes the client.

    Raises:
        KubeError: The API server cannot be asked, or has no such ConfigMap.
    """
    async with client:
        names = installation()
        return (await client.get(CONFIG_MAPS, names.config_map, namespace=names.namespace)).data


async def write(
    client: ApiClient, changes: Mapping[str, str | None], *, restart: bool
) -> Restarted:
    """Set keys (None removes one), then delete the agents' pods if asked. Closes the client.

    The DaemonSet makes the pods anew at once; the datapath goes on without them meanwhile.

    Raises:
        KubeError: The API server cannot be asked, or refuses.
    """
    body = {"data": dict(changes)}
    names = installation()
    namespace = names.namespace
    async with client:
        await client.patch(
            CONFIG_MAPS, names.config_map, body, namespace=namespace, kind=PatchKind.MERGE
        )
        if not restart:
            return Restarted()
        pods = await client.list(
            PODS, namespace=namespace, label_selector=names.agent_pod_selector
        )
        for pod in pods.items:
            try:
                await client.delete(PODS, pod.metadata.name, namespace=namespace)
            except NotFoundError:
                continue  # Another command has deleted it meanwhile.
        with_pod = {pod.spec.node_name for pod in pods.items}
        return Restarted(len(pods.items), await ready_process_agents(client, with_pod))
