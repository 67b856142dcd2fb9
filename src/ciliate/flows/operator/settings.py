"""Whether the operator makes certificates, and for how long, out of `cilium-config`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ciliate.config import values
from ciliate.errors import SettingError

_VALIDITY: Final = "hubble-tls-auto-cert-validity"
_DAYS_MAX: Final = 10 * 365


@dataclass(frozen=True, slots=True)
class HubbleTlsSettings:
    """`cluster` is its name: part of the nodes' names in their certificate."""

    enabled: bool
    validity: timedelta
    cluster: str


def parse_hubble_tls_settings(effective: Mapping[str, str]) -> HubbleTlsSettings:
    """Return the settings; every key is in `effective`, with its default where nothing is set.

    Raises:
        SettingError: A number is out of range.
    """
    days = values.read_int(effective[_VALIDITY])
    if not 1 <= days <= _DAYS_MAX:
        raise SettingError(
            key=_VALIDITY,
            value=effective[_VALIDITY],
            problem="is out of range",
            remedy=f"choose 1 to {_DAYS_MAX} days",
        )
    return HubbleTlsSettings(
        enabled=values.read_bool(effective["enable-hubble"])
        and values.read_bool(effective["hubble-tls-auto"])
        and not values.read_bool(effective["hubble-disable-tls"])
        and bool(effective["hubble-listen-address"]),
        validity=timedelta(days=days),
        cluster=effective["cluster-name"],
    )
