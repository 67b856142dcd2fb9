"""How often and when unused identities are collected, out of `cilium-config`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.config import values


@dataclass(frozen=True, slots=True)
class IdentityGCSettings:
    """`interval_s` is in seconds; 0 turns the collection off.

    `timeout_s` is how long an identity must have been without a user before it is marked; the
    next round deletes it.
    """

    interval_s: float
    timeout_s: float


def parse_identity_gc_settings(effective: Mapping[str, str]) -> IdentityGCSettings:
    """Return the settings; every key is in `effective`, with its default where nothing is set.

    Raises:
        ValueTextError: A text cannot be read; keys that were checked raise none.
    """
    return IdentityGCSettings(
        interval_s=values.read_duration_s(effective["identity-gc-interval"]),
        timeout_s=values.read_duration_s(effective["identity-heartbeat-timeout"]),
    )
