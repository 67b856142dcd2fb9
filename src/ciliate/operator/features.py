"""Every feature of the operator; a new one is added here and, with its settings, in `settings`."""

from typing import Final

from ciliate.bgp.operator.feature import BGP
from ciliate.cluster.context import Context
from ciliate.cluster.feature import Feature
from ciliate.endpoint.operator.feature import EndpointGC
from ciliate.flows.operator.feature import HubbleCertificates
from ciliate.identity.operator.feature import IdentityGC
from ciliate.ipam.operator.feature import IPAM
from ciliate.l2_announcements.operator.feature import L2Announcements
from ciliate.load_balancer_ipam.operator.feature import LoadBalancerIPAM
from ciliate.masquerade.operator.feature import MasqueradePolicies
from ciliate.operator.settings import OperatorSettings
from ciliate.readiness.feature import ReadinessFeature

FEATURES: Final[tuple[type[Feature], ...]] = (
    BGP,
    EndpointGC,
    HubbleCertificates,
    IdentityGC,
    IPAM,
    L2Announcements,
    LoadBalancerIPAM,
    MasqueradePolicies,
    ReadinessFeature,
)


def compose(context: Context, settings: OperatorSettings) -> tuple[Feature, ...]:
    """Return the features of an operator that is about to lead."""
    return (
        BGP(context, settings.bgp),
        EndpointGC(context, settings.endpoint_gc),
        HubbleCertificates(context, settings.hubble_tls),
        IdentityGC(context, settings.identity_gc),
        IPAM(context, settings.ipam, settings.node_gc),
        L2Announcements(context, enabled=settings.l2_announcements),
        LoadBalancerIPAM(context, settings.load_balancer_ipam),
        MasqueradePolicies(context),
        ReadinessFeature(context, settings.readiness),
    )
