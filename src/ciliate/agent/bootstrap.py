"""What the agent must know before it touches the kernel: its settings and its own Node.

Waiting is told: `Progress` carries one line that `dbg status` shows while the agent starts.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.api.core import CONFIG_MAPS, NODES, Node
from ciliate.config.settings import AgentSettings
from ciliate.errors import CiliateError, SettingError
from ciliate.ipam.node_source import NodeCIDRError, given_cidrs
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError, UnavailableError
from ciliate.net.address import IPAddress, IPNetwork, ip_address
from ciliate.net.link import Link, Route
from ciliate.reconcile.backoff import Backoff
from ciliate.routing.devices import DeviceVerdict, select_devices

_log = logging.getLogger(__name__)

CONFIG_MAP_NAME: Final = "cilium-config"


class Progress:
    """What the agent is doing or waiting for; empty once it is ready."""

    def __init__(self) -> None:
        self.text = "starting"

    def say(self, text: str) -> None:
        """Note and log what is waited for; the same text is logged once."""
        if text != self.text:
            self.text = text
            _log.info("%s", text)

    def done(self) -> None:
        """The agent is ready."""
        self.text = ""


class NodeAddressError(CiliateError):
    """The Node object carries something that is no address or no CIDR."""


@dataclass(frozen=True, slots=True)
class OwnNode:
    """This node as Kubernetes knows it."""

    name: str
    uid: str
    labels: Mapping[str, str]
    internal_ips: tuple[IPAddress, ...]  # In the Node's order, at least one.
    external_ips: tuple[IPAddress, ...]
    pod_cidrs: tuple[IPNetwork, ...]  # At most one per family, IPv4 first.

    def internal_ip(self, version: int) -> IPAddress | None:
        """Return the first InternalIP of IP `version`, or None."""
        return next((a for a in self.internal_ips if a.version == version), None)


async def load_config(
    client: ApiClient, namespace: str, overrides: Mapping[str, str], progress: Progress
) -> dict[str, str]:
    """Return the data of `cilium-config` with flags laid over it; waits while the API is away."""
    backoff = Backoff(first_s=0.1, limit_s=5.0)
    while True:
        try:
            found = await client.get(CONFIG_MAPS, CONFIG_MAP_NAME, namespace=namespace)
        except NotFoundError:
            progress.say(f"waiting for ConfigMap {namespace}/{CONFIG_MAP_NAME} to be created")
        except UnavailableError as error:
            progress.say(f"waiting for the API server: {error}")
        else:
            return {**found.data, **overrides}
        await asyncio.sleep(backoff.next())


async def wait_for_node(client: ApiClient, name: str, progress: Progress) -> OwnNode:
    """Return this node once it has an InternalIP."""
    backoff = Backoff(first_s=0.1, limit_s=5.0)
    while True:
        try:
            node = await client.get(NODES, name)
        except NotFoundError:
            progress.say(f"waiting for Node {name} to be registered by its kubelet")
        except UnavailableError as error:
            progress.say(f"waiting for the API server: {error}")
        else:
            own = own_node(node)
            if own.internal_ips:
                return own
            progress.say(
                f"waiting for k8s node information of {name}: required InternalIP not available"
            )
        await asyncio.sleep(backoff.next())


def own_node(node: Node) -> OwnNode:
    """Return the parts of a Node the agent needs.

    Raises:
        NodeAddressError: An address or a CIDR in it cannot be read.
    """
    metadata = node.metadata
    try:
        return OwnNode(
            name=metadata.name,
            uid=metadata.uid,
            labels=metadata.labels,
            internal_ips=_addresses(node, "InternalIP"),
            external_ips=_addresses(node, "ExternalIP"),
            pod_cidrs=tuple(given.cidr for given in given_cidrs(node)),
        )
    except NodeCIDRError as error:
        raise NodeAddressError(str(error)) from error
    except ValueError as error:
        raise NodeAddressError(f"Node {metadata.name}: {error}: correct the object") from error


def latest_own_node(node: Node | None, known: OwnNode) -> OwnNode:
    """Return what the Node says now; what was known holds where it cannot be read."""
    if node is None:
        return known
    try:
        return own_node(node)
    except NodeAddressError as error:
        _log.warning("%s", error)
        return known


def _addresses(node: Node, kind: str) -> tuple[IPAddress, ...]:
    return tuple(ip_address(a.address) for a in node.status.addresses if a.type == kind)


def choose_devices(
    links: tuple[Link, ...], routes: tuple[Route, ...], settings: AgentSettings
) -> tuple[DeviceVerdict, ...]:
    """Return the verdict on every device; at least one is selected.

    Raises:
        SettingError: A device named by a setting does not exist, or none is usable.
    """
    routing = settings.routing
    names = {link.name for link in links}
    for key, wanted in (
        ("devices", [d for d in routing.devices if not d.startswith("!") and "+" not in d]),
        ("direct-routing-device", [routing.direct_routing_device]),
    ):
        for device in filter(None, wanted):
            if device not in names:
                raise SettingError(
                    key=key,
                    value=device,
                    problem="names a device that does not exist",
                    remedy=f"choose of {', '.join(sorted(names - {'lo'}))}, or leave it empty",
                )
    verdicts = select_devices(links, routes, patterns=routing.devices)
    if not any(verdict.selected for verdict in verdicts):
        reasons = "; ".join(f"{v.link.name}: {v.reason}" for v in verdicts)
        raise SettingError(
            key="devices",
            value=settings.effective["devices"],
            problem=f"leaves no device to the network ({reasons})",
            remedy="name one that has an address and is up",
        )
    return verdicts
