"""What `bgp routes` is asked for, on a node as in the cluster."""

from collections.abc import Sequence
from typing import Final

from ciliate.bgp.report import RouteModel, RoutesModel

KINDS: Final = ("available", "advertised")
FAMILIES: Final = ("ipv4", "ipv6")
SAFIS: Final = ("unicast",)


def chosen(found: RoutesModel, kind: str, family: str) -> Sequence[RouteModel]:
    """Return the routes of a kind and a family."""
    routes = found.advertised if kind == "advertised" else found.available
    return [each for each in routes if (":" in each.prefix) == (family == "ipv6")]
