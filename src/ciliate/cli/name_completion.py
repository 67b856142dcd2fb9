"""What a shell offers after `--node` and `--pool`: names out of the cluster, when it answers."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem

from ciliate.cli.cluster import cluster_client, run
from ciliate.errors import CiliateError

if TYPE_CHECKING:
    from ciliate.kube.client import ApiClient

#: How long a shell waits after the tab key.
_PATIENCE_S: Final = 2.0


def complete_nodes(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the nodes whose names begin so."""
    return _complete(_nodes, incomplete)


def complete_pools(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the pools whose names begin so."""
    return _complete(_pools, incomplete)


def _complete(
    read: "Callable[[ApiClient], Awaitable[set[str]]]", incomplete: str
) -> list[CompletionItem]:
    import asyncio  # noqa: PLC0415 - only shells come here.

    async def ask() -> set[str]:
        async with asyncio.timeout(_PATIENCE_S), cluster_client("") as client:
            return await read(client)

    try:
        names = run(ask())
    except (CiliateError, TimeoutError):
        return []  # A shell that waits for names shows no error.
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


async def _nodes(client: "ApiClient") -> set[str]:
    from ciliate.api.cilium_node import CILIUM_NODES  # noqa: PLC0415

    return {node.metadata.name for node in (await client.list(CILIUM_NODES)).items}


async def _pools(client: "ApiClient") -> set[str]:
    from ciliate.api.cilium_node import CILIUM_NODES  # noqa: PLC0415
    from ciliate.cli.cluster_addresses import list_if_defined, read_config  # noqa: PLC0415
    from ciliate.cli.ipam.summary import pool_names  # noqa: PLC0415

    return pool_names(await read_config(client), await list_if_defined(client, CILIUM_NODES))
