"""Whether nodes speak BGP, out of the texts of `cilium-config`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.config import values


@dataclass(frozen=True, slots=True)
class BGPSettings:
    """Whether nodes speak BGP at all, where passwords lie, and whether statuses are written."""

    enabled: bool = False
    secrets_namespace: str = "kube-system"
    reports_status: bool = True


def read_bgp_settings(effective: Mapping[str, str]) -> BGPSettings:
    """Return the settings; every key is in `effective`, with its default where nothing is set.

    Raises:
        ValueTextError: A text cannot be read; keys that were checked raise none.
    """
    return BGPSettings(
        enabled=values.read_bool(effective["enable-bgp-control-plane"]),
        secrets_namespace=effective["bgp-secrets-namespace"],
        reports_status=values.read_bool(effective["enable-bgp-control-plane-status-report"]),
    )
