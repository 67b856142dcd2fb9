"""The features of the agent; only here are they connected with each other."""

from dataclasses import dataclass

from ciliate.endpoint.feature import EndpointFeature, Neighbours
from ciliate.endpoint.runtime_config import RuntimeConfig
from ciliate.identity.feature import IdentityFeature
from ciliate.ipam.agent.feature import IpamFeature
from ciliate.masquerade.feature import MasqueradeFeature
from ciliate.node.context import Context
from ciliate.node.device_programs import DevicePrograms
from ciliate.node.feature import Feature
from ciliate.routing.feature import RoutingFeature


@dataclass(frozen=True, slots=True)
class Features:
    """All of them; `endpoint` apart, since its CNI socket opens last."""

    all: tuple[Feature, ...]
    endpoint: EndpointFeature


def compose(context: Context, runtime_config: RuntimeConfig) -> Features:
    """Return the features of a node, in the order of its start.

    A node's CIDRs are known before its pods are taken over; the maps are filled before devices run
    the programs and routes lead packets to them.
    """
    ipam = IpamFeature(context)
    identity = IdentityFeature(context)
    endpoint = EndpointFeature(
        context,
        Neighbours(
            addresses=ipam.addresses,
            identity=identity.resolver.known,
            gateways=lambda: ipam.gateways,
        ),
        runtime_config,
    )
    return Features(
        all=(
            ipam,
            endpoint,
            identity,
            MasqueradeFeature(context),
            DevicePrograms(context),
            RoutingFeature(context),
        ),
        endpoint=endpoint,
    )
