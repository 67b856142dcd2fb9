"""What a shell offers where something of a cluster is named: asked of the cluster, when it answers.

Pods by their CiliumEndpoints' names, nodes, namespaces, pools, endpoints of an agent.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem

from ciliate.console.short_names import NodeName
from ciliate.errors import CiliateError

if TYPE_CHECKING:
    from ciliate.console.installation import Offer
    from ciliate.kube.client import ApiClient

#: How long a shell waits after the tab key.
_PATIENCE_S: Final = 2.0


def complete_nodes(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the nodes whose names begin so."""
    return _complete(context, _nodes, incomplete)


def complete_pools(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the pools whose names begin so."""
    return _complete(context, _pools, incomplete)


def complete_namespaces(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the namespaces whose names begin so."""
    return _complete(context, _namespaces, incomplete)


def complete_pods(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the pods whose names begin so, as NAMESPACE/NAME."""
    return _complete(context, _pods, incomplete)


def complete_services(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the Services whose names begin so, as NAMESPACE/NAME."""
    return _complete(context, _services, incomplete)


def complete_clients(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the pods and nodes whose names begin so."""
    return _complete(context, _clients, incomplete)


def complete_endpoints(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the endpoints of this node's agent: numbers, with their pods; then other names."""
    from ciliate.api.agent import EndpointModel  # noqa: PLC0415 - only shells come here.
    from ciliate.cli.agent_client import AgentClient  # noqa: PLC0415
    from ciliate.cli.endpoint_list import names_of  # noqa: PLC0415
    from ciliate.cli.lab_node import go_to_lab_node  # noqa: PLC0415

    try:
        go_to_lab_node()
        found = AgentClient.from_environment().get("endpoint", list[EndpointModel])
    except CiliateError:
        return []
    offered = (
        CompletionItem(name, help=model.status.external_identifiers.pod_name)
        for model in found
        for name in sorted(names_of(model))
        # Numbers first; the many further names when one of them is begun.
        if name.isdigit() or (incomplete and not incomplete.isdigit())
    )
    return [item for item in offered if item.value.startswith(incomplete)]


NODE: Final = NodeName(complete_nodes)

#: For the flags that name an installation.
NAME_COMPLETIONS: "Final[Mapping[str, Offer]]" = {"namespace": complete_namespaces}


def _complete(
    context: click.Context,
    read: "Callable[[ApiClient], Awaitable[Iterable[str]]]",
    incomplete: str,
) -> list[CompletionItem]:
    import asyncio  # noqa: PLC0415 - only shells come here.

    from ciliate.cli.cluster import cluster_client, run  # noqa: PLC0415

    kubeconfig = str(context.params.get("kubeconfig") or "")

    async def ask() -> Iterable[str]:
        # The cluster's time, not that of what is imported to ask it.
        async with cluster_client(kubeconfig) as client, asyncio.timeout(_PATIENCE_S):
            return await read(client)

    try:
        with context.scope(cleanup=False):  # Whose installation is asked for.
            names = run(ask())
    except (CiliateError, TimeoutError):
        return []  # A shell that waits for names shows no error.
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


async def _nodes(client: "ApiClient") -> set[str]:
    from ciliate.api.core import NODES  # noqa: PLC0415

    return {node.metadata.name for node in (await client.list(NODES)).items}


async def _namespaces(client: "ApiClient") -> set[str]:
    from ciliate.api.core import NAMESPACES  # noqa: PLC0415

    return {each.metadata.name for each in (await client.list(NAMESPACES)).items}


async def _pods(client: "ApiClient") -> set[str]:
    from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS  # noqa: PLC0415
    from ciliate.cli.cluster_addresses import list_if_defined  # noqa: PLC0415

    found = await list_if_defined(client, CILIUM_ENDPOINTS)
    return {f"{each.metadata.namespace}/{each.metadata.name}" for each in found}


async def _services(client: "ApiClient") -> set[str]:
    from ciliate.api.service import SERVICES  # noqa: PLC0415

    found = (await client.list(SERVICES)).items
    return {f"{each.metadata.namespace}/{each.metadata.name}" for each in found}


async def _clients(client: "ApiClient") -> set[str]:
    return await _pods(client) | await _nodes(client)


async def _pools(client: "ApiClient") -> set[str]:
    from ciliate.api.cilium_node import CILIUM_NODES  # noqa: PLC0415
    from ciliate.cli.cluster_addresses import list_if_defined, read_config  # noqa: PLC0415
    from ciliate.cli.ipam.summary import pool_names  # noqa: PLC0415

    return pool_names(await read_config(client), await list_if_defined(client, CILIUM_NODES))
