"""What the agent must know before it touches the kernel: its settings and its own Node.

While the agent waits, `Progress` carries one line about it, which `dbg status` shows.
"""

import asyncio
from collections.abc import Mapping

from ciliate.api.core import CONFIG_MAPS, NODES
from ciliate.config.installation import Installation
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import KubeError, NotFoundError
from ciliate.kube.retrying import pause_after, waiting_text
from ciliate.node.own_node import OwnNode, own_node
from ciliate.node.progress import Progress
from ciliate.reconcile.backoff import Backoff


async def load_config(
    client: ApiClient, names: Installation, overrides: Mapping[str, str], progress: Progress
) -> dict[str, str]:
    """Return the data of the ConfigMap with flags laid over it, once the API server gives it."""
    backoff = Backoff(first_s=0.1, limit_s=5.0)
    while True:
        try:
            found = await client.get(CONFIG_MAPS, names.config_map, namespace=names.namespace)
        except NotFoundError:
            progress.say(
                f"waiting for ConfigMap {names.namespace}/{names.config_map} to be created"
            )
            await asyncio.sleep(backoff.next())
        except KubeError as error:
            progress.say(waiting_text(error))
            await asyncio.sleep(pause_after(error, backoff))
        else:
            return {**found.data, **overrides}


async def wait_for_node(client: ApiClient, name: str, progress: Progress) -> OwnNode:
    """Return this node once it has an InternalIP."""
    backoff = Backoff(first_s=0.1, limit_s=5.0)
    while True:
        try:
            node = await client.get(NODES, name)
        except NotFoundError:
            progress.say(f"waiting for Node {name} to be registered by its kubelet")
        except KubeError as error:
            progress.say(waiting_text(error))
            await asyncio.sleep(pause_after(error, backoff))
            continue
        else:
            own = own_node(node)
            if own.internal_ips:
                return own
            progress.say(
                f"waiting for k8s node information of {name}: required InternalIP not available"
            )
        await asyncio.sleep(backoff.next())
