"""The keys that say whether nodes announce addresses to routers."""

from typing import Final

from ciliate.config.key import Key, Kind, Scope

BGP: Final = (
    Key(
        name="enable-bgp-control-plane",
        kind=Kind.BOOL,
        default="false",
        helm="bgpControlPlane.enabled",
        scope=Scope.BOTH,
        meaning="Announce pod CIDRs and Services' addresses to routers, as the BGP objects say.",
    ),
    Key(
        name="bgp-secrets-namespace",
        kind=Kind.STRING,
        default="kube-system",
        helm="bgpControlPlane.secretsNamespace.name",
        scope=Scope.BOTH,
        meaning="Where the Secrets with peers' passwords lie.",
    ),
    Key(
        name="enable-bgp-control-plane-status-report",
        kind=Kind.BOOL,
        default="true",
        helm="bgpControlPlane.statusReport.enabled",
        scope=Scope.BOTH,
        meaning="Write the state of sessions and what is wrong into the status of the BGP objects.",
    ),
)
