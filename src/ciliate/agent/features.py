"""The features of the agent; only here are they connected with each other."""

from ciliate.endpoint.feature import EndpointFeature, Neighbours
from ciliate.endpoint.runtime_config import RuntimeConfig
from ciliate.identity.feature import IdentityFeature
from ciliate.ipam.agent.feature import IpamFeature
from ciliate.masquerade.feature import MasqueradeFeature
from ciliate.node.context import Context
from ciliate.node.feature import Feature
from ciliate.readiness.agent.feature import ReadinessFeature
from ciliate.routing.feature import RoutingFeature
from ciliate.sysctl.feature import SysctlFeature
from ciliate.uplink.feature import UplinkFeature


def compose(context: Context, runtime_config: RuntimeConfig) -> tuple[Feature, ...]:
    """Return the features of a node, in the order of its start.

    The CIDRs of a previous agent are known before its pods are taken over; maps are right before
    what leads packets to the programs that read them.
    """
    ipam = IpamFeature(context)
    identity = IdentityFeature(context)
    masquerade = MasqueradeFeature(context)
    endpoint = EndpointFeature(
        context,
        Neighbours(
            addresses=ipam.addresses,
            identity=identity.resolver.known,
            gateways=lambda: ipam.gateways,
            forget_leavers=masquerade.forget_leavers,
        ),
        runtime_config,
    )
    return (
        ipam,
        endpoint,
        identity,
        masquerade,
        UplinkFeature(context),
        SysctlFeature(context),
        RoutingFeature(context),
        ReadinessFeature(context),
    )
