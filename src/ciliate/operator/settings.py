"""The operator's settings as typed groups, out of the texts of `cilium-config`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ciliate.config import values
from ciliate.config.bgp_settings import BGPSettings, read_bgp_settings
from ciliate.config.key import Key, Scope
from ciliate.config.keys import KEYS
from ciliate.endpoint.operator.settings import EndpointGCSettings, parse_endpoint_gc_settings
from ciliate.flows.operator.settings import HubbleTlsSettings, parse_hubble_tls_settings
from ciliate.identity.operator.settings import IdentityGCSettings, parse_identity_gc_settings
from ciliate.ipam.operator.settings import (
    NodeGCSettings,
    OperatorIPAMSettings,
    parse_ipam_settings,
    parse_node_gc_settings,
)
from ciliate.load_balancer_ipam.settings import (
    LoadBalancerIPAMSettings,
    parse_load_balancer_ipam_settings,
)
from ciliate.readiness.settings import ReadinessSettings, parse_readiness_settings


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """The group of each feature, and what the process itself needs; parsed once."""

    endpoint_gc: EndpointGCSettings
    hubble_tls: HubbleTlsSettings
    identity_gc: IdentityGCSettings
    ipam: OperatorIPAMSettings
    node_gc: NodeGCSettings
    load_balancer_ipam: LoadBalancerIPAMSettings
    readiness: ReadinessSettings
    debug: bool
    effective: Mapping[str, str]  # The operator's keys with the texts in force, for people.
    metrics_address: str = ""  # HOST:PORT of plain HTTP; empty: the operator's socket alone.
    bgp: BGPSettings = field(default_factory=BGPSettings)
    l2_announcements: bool = False


def operator_keys() -> tuple[Key, ...]:
    """Return the keys the operator acts on; each is a flag as well."""
    mine = {Scope.OPERATOR, Scope.BOTH}
    return tuple(key for key in KEYS.values() if key.supported and key.scope in mine)


def parse_operator_settings(config: Mapping[str, str]) -> OperatorSettings:
    """Return the settings out of the ConfigMap's data, into which flags are already merged.

    Keys of the agent are not read: a mistake there must not stop the operator.

    Raises:
        SettingError: A value cannot be read, or is not supported.
    """
    ipam = parse_ipam_settings(config)  # First: its messages about lists say more.
    effective = {}
    for key in operator_keys():
        text = config.get(key.name, "")
        key.check(text)
        effective[key.name] = text or key.default or ""

    return OperatorSettings(
        endpoint_gc=parse_endpoint_gc_settings(effective),
        hubble_tls=parse_hubble_tls_settings(effective),
        identity_gc=parse_identity_gc_settings(effective),
        ipam=ipam,
        node_gc=parse_node_gc_settings(effective),
        load_balancer_ipam=parse_load_balancer_ipam_settings(effective, ipam.versions),
        readiness=parse_readiness_settings(effective),
        debug=values.read_bool(config.get("debug", "")),
        effective=effective,
        metrics_address=effective["operator-prometheus-serve-addr"],
        bgp=read_bgp_settings(effective),
        l2_announcements=values.read_bool(effective["enable-l2-announcements"]),
    )
