"""The features of the agent; only here are they connected with each other."""

from ciliate.bgp.agent.feature import BGPFeature
from ciliate.endpoint.feature import EndpointFeature, Neighbours
from ciliate.endpoint.runtime_config import RuntimeConfig
from ciliate.flows.feature import FlowsFeature
from ciliate.identity.feature import IdentityFeature
from ciliate.ipam.agent.feature import IpamFeature
from ciliate.l2_announcements.agent.feature import L2AnnouncementsFeature
from ciliate.masquerade.feature import MasqueradeFeature
from ciliate.node.context import Context
from ciliate.node.feature import Feature
from ciliate.readiness.agent.feature import ReadinessFeature
from ciliate.routing.feature import RoutingFeature
from ciliate.services.feature import ServicesFeature
from ciliate.sysctl.feature import SysctlFeature
from ciliate.tunnel.feature import TunnelFeature
from ciliate.uplink.feature import UplinkFeature


def compose(context: Context, runtime_config: RuntimeConfig) -> tuple[Feature, ...]:
    """Return the features of a node, in the order of its start.

    The CIDRs of a previous agent are known before its pods are taken over; maps are right before
    what leads packets to the programs that read them.
    """
    ipam = IpamFeature(context)
    uplink = UplinkFeature(context)
    identity = IdentityFeature(context)
    masquerade = MasqueradeFeature(context, pool_of=ipam.pool_of)
    ipam.listen(masquerade.pools_changed)
    endpoint = EndpointFeature(
        context,
        Neighbours(
            addresses=ipam.addresses,
            identity=identity.resolver.known,
            gateways=lambda: ipam.gateways,
            forget_leavers=masquerade.forget_leavers,
            admit=masquerade.admit,
        ),
        runtime_config,
    )
    return (
        ipam,
        endpoint,
        identity,
        masquerade,
        ServicesFeature(context, devices_status=lambda: uplink.sync_status),
        uplink,
        TunnelFeature(context),
        SysctlFeature(context),
        RoutingFeature(context),
        BGPFeature(context),
        L2AnnouncementsFeature(context),
        FlowsFeature(context),
        ReadinessFeature(context),
    )
