"""How often CiliumEndpoints without a pod are collected, out of `cilium-config`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.config import values


@dataclass(frozen=True, slots=True)
class EndpointGCSettings:
    """`interval_s` is in seconds; 0 turns the collection off."""

    interval_s: float


def parse_endpoint_gc_settings(effective: Mapping[str, str]) -> EndpointGCSettings:
    """Return the settings; every key is in `effective`, with its default where nothing is set.

    Raises:
        ValueTextError: A text cannot be read; keys that were checked raise none.
    """
    return EndpointGCSettings(
        interval_s=values.read_duration_s(effective["cilium-endpoint-gc-interval"])
    )
