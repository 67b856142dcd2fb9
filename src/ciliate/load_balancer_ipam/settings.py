"""Whether Services get addresses from us, out of the texts of `cilium-config`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.config import values


@dataclass(frozen=True, slots=True)
class LoadBalancerIPAMSettings:
    """Whether it runs at all, whether for Services without a class, and which families there are.

    `versions` are the IP versions of the cluster, IPv4 first.
    """

    enabled: bool
    takes_classless: bool
    versions: tuple[int, ...]


def parse_load_balancer_ipam_settings(
    effective: Mapping[str, str], versions: tuple[int, ...]
) -> LoadBalancerIPAMSettings:
    """Return the settings; every key is in `effective`, with its default where nothing is set.

    Raises:
        ValueTextError: A text cannot be read; keys that were checked raise none.
    """
    return LoadBalancerIPAMSettings(
        enabled=values.read_bool(effective["enable-lb-ipam"]),
        takes_classless=effective["default-lb-service-ipam"] == "lbipam",
        versions=versions,
    )
