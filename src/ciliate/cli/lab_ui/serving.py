"""The lab's page: that of flows by the lab's relay, with the lab's own view beside it."""

from collections.abc import Callable
from typing import Final

from ciliate.cli.cluster_addresses import read_config
from ciliate.cli.hubble.forwarding import RELAY, service_forwarded
from ciliate.cli.lab_ui.lab_api import LabApi
from ciliate.flows.ui.serving import serve_page
from ciliate.flows.ui.settings import UiSettings
from ciliate.kube.client import ApiClient
from ciliate.kube.port_forward import LOOPBACK
from ciliate.lab.manifests import NAMESPACE
from ciliate.lab.paths import LabPaths

#: What nodes tell as it comes.
_AGGREGATION: Final = ("monitor-aggregation", "medium")


async def serve_lab(paths: LabPaths, listen_address: str, ready: Callable[[], None]) -> None:
    """Serve until cancelled.

    Raises:
        CiliateError: The lab's API server does not answer, or the lab has no relay.
        OSError: The address cannot be had.
    """
    async with (
        ApiClient.from_kubeconfig(paths.kubeconfig) as client,
        service_forwarded(
            client,
            (NAMESPACE, RELAY),
            0,
            flag="--port",
            remedy="`ciliate lab upgrade --set hubble.relay.enabled=true` deploys it",
        ) as port,
    ):
        relay = f"{LOOPBACK}:{port}"
        settings = dict(await read_config(client))
        api = LabApi(paths, client, relay, settings.get(*_AGGREGATION))
        page = UiSettings(listen_address, relay, "", None)
        await serve_page(page, api.add, ready=ready)
