"""Whether nodes announce on layer 2, out of the texts of `cilium-config`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.config import values
from ciliate.errors import SettingError

#: Each Lease is asked for, or renewed, once in a retry period.
_RETRY_MIN_S: Final = 0.1
_LEASE_MAX_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class L2Settings:
    """Whether nodes announce at all, and the times of their Leases in seconds."""

    enabled: bool = False
    lease_s: float = 15.0
    renew_deadline_s: float = 5.0
    retry_s: float = 2.0


def read_l2_settings(effective: Mapping[str, str]) -> L2Settings:
    """Return the settings; every key is in `effective`, with its default where nothing is set.

    Raises:
        SettingError: The times contradict each other, or nothing serves what is announced.
        ValueTextError: A text cannot be read; keys that were checked raise none.
    """

    def seconds(name: str) -> float:
        return values.read_duration_s(effective[f"l2-announcements-{name}"])

    found = L2Settings(
        enabled=values.read_bool(effective["enable-l2-announcements"]),
        lease_s=seconds("lease-duration"),
        renew_deadline_s=seconds("renew-deadline"),
        retry_s=seconds("retry-period"),
    )
    if found.enabled:
        _check(found, effective)
    return found


def _check(found: L2Settings, effective: Mapping[str, str]) -> None:
    if not values.read_bool(effective["kube-proxy-replacement"]):
        raise SettingError(
            key="enable-l2-announcements",
            value=effective["enable-l2-announcements"],
            problem="announces addresses that nothing serves without kube-proxy-replacement",
            remedy='set kube-proxy-replacement (Helm: kubeProxyReplacement) to "true"',
        )
    for name, low, high, high_name in (
        ("renew-deadline", found.renew_deadline_s, found.lease_s, "lease-duration"),
        ("retry-period", found.retry_s, found.renew_deadline_s, "renew-deadline"),
    ):
        if low >= high:
            raise SettingError(
                key=f"l2-announcements-{name}",
                value=effective[f"l2-announcements-{name}"],
                problem=f"is not below l2-announcements-{high_name}, which is"
                f" {effective[f'l2-announcements-{high_name}']}",
                remedy="make lease-duration longer than renew-deadline, and that longer than"
                " retry-period, such as 15s, 5s and 2s",
            )
    if found.retry_s < _RETRY_MIN_S or found.lease_s > _LEASE_MAX_S:
        is_short = found.retry_s < _RETRY_MIN_S
        key = f"l2-announcements-{'retry-period' if is_short else 'lease-duration'}"
        raise SettingError(
            key=key,
            value=effective[key],
            problem="is under 100ms" if is_short else "is over an hour",
            remedy="set it to such as " + ("2s" if is_short else "15s"),
        )
