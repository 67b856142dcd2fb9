"""Reading and changing the ConfigMap `cilium-config`, and restarting those who read what changed."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ciliate.api.core import CONFIG_MAPS, PODS, Pod
from ciliate.cli.cluster_agents import ready_process_agents
from ciliate.config.keys import Scope, readers
from ciliate.config.routing_change import routing_changes
from ciliate.console.installation import installation
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.kube.options import PatchKind
from ciliate.operator.refusal import check_change


@dataclass(frozen=True, slots=True)
class Restarted:
    """How many agents' and operators' pods were deleted, and the nodes whose agent has none.

    `effects` say what who reads the settings will do otherwise.
    """

    pods: int = 0
    operators: int = 0
    without_pod: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()


async def read(client: ApiClient) -> Mapping[str, str]:
    """Return every key that is set, with its text. Closes the client.

    Raises:
        KubeError: The API server cannot be asked, or has no such ConfigMap.
    """
    async with client:
        names = installation()
        return (await client.get(CONFIG_MAPS, names.config_map, namespace=names.namespace)).data


async def write(
    client: ApiClient,
    changes: Mapping[str, str | None],
    *,
    restart: bool,
    force: bool = False,
) -> Restarted:
    """Set keys (None removes one), then delete the pods of who reads them. Closes the client.

    The pods are made anew at once; the datapath goes on without them meanwhile.

    Raises:
        RefusedSettingsError: Agents or operator would not start, and there is no `force`.
        KubeError: The API server cannot be asked, or refuses.
    """
    body = {"data": dict(changes)}
    names = installation()
    namespace = names.namespace
    async with client:
        before = (await client.get(CONFIG_MAPS, names.config_map, namespace=namespace)).data
        after = _merged(before, changes)
        if not force:
            check_change(before, after)
        effects = routing_changes(before, after)
        await client.patch(
            CONFIG_MAPS, names.config_map, body, namespace=namespace, kind=PatchKind.MERGE
        )
        if not restart:
            return Restarted(effects=effects)
        # A key that we do not know is taken for the agents'.
        scopes = readers(changes) or (Scope.AGENT,)
        operators: Sequence[Pod] = ()
        if Scope.OPERATOR in scopes:
            operators = await _replace(client, namespace, names.operator_pod_selector)
        if Scope.AGENT not in scopes:
            return Restarted(operators=len(operators), effects=effects)
        agents = await _replace(client, namespace, names.agent_pod_selector)
        with_pod = {pod.spec.node_name for pod in agents}
        without = await ready_process_agents(client, with_pod)
        return Restarted(len(agents), len(operators), without, effects)


def _merged(before: Mapping[str, str], changes: Mapping[str, str | None]) -> Mapping[str, str]:
    merged = {**before, **changes}
    return {name: text for name, text in merged.items() if text is not None}


async def _replace(client: ApiClient, namespace: str, selector: str) -> Sequence[Pod]:
    """Delete the pods that a selector names, and return what they were."""
    pods = await client.list(PODS, namespace=namespace, label_selector=selector)
    for pod in pods.items:
        # Another command may have deleted it meanwhile.
        with contextlib.suppress(NotFoundError):
            await client.delete(PODS, pod.metadata.name, namespace=namespace)
    return pods.items
