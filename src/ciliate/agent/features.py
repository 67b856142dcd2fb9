"""The features of the agent, and what they know of each other: here, and nowhere else."""

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
    """All of them; `endpoint` apart, since it is what the runtime is shown last."""

    all: tuple[Feature, ...]
    endpoint: EndpointFeature


def compose(context: Context, runtime_config: RuntimeConfig) -> Features:
    """Return the features of a node, in the order of its start.

    What pods of a previous life hold is known before they are taken over; what programs read is
    right before what leads packets to the programs.
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
