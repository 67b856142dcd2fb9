"""The keys that say whether nodes announce addresses on their own layer 2."""

from typing import Final

from ciliate.config.key import Key, Kind, Scope

L2: Final = (
    Key(
        name="enable-l2-announcements",
        kind=Kind.BOOL,
        default="false",
        helm="l2announcements.enabled",
        scope=Scope.BOTH,
        meaning="Answer ARP and neighbour discovery for Services' addresses, as the"
        " CiliumL2AnnouncementPolicies say.",
    ),
    Key(
        name="l2-announcements-lease-duration",
        kind=Kind.DURATION,
        default="15s",
        helm="l2announcements.leaseDuration",
        meaning="How long after its last word a node keeps a Service's Lease from the others.",
    ),
    Key(
        name="l2-announcements-renew-deadline",
        kind=Kind.DURATION,
        default="5s",
        helm="l2announcements.renewDeadline",
        meaning="How long a node that cannot renew a Lease goes on announcing.",
    ),
    Key(
        name="l2-announcements-retry-period",
        kind=Kind.DURATION,
        default="2s",
        helm="l2announcements.retryPeriod",
        meaning="How often a node renews its Leases, and looks at those of others.",
    ),
)
