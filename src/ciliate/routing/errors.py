"""Why a route is not as it should be, with the facts as attributes. Pure."""

from ciliate.errors import CiliateError
from ciliate.net.address import IPNetwork
from ciliate.net.link import Route, RouteProtocol


class RouteRefusedError(CiliateError):
    """A prefix that somebody claims for pods is in use by others, or no pod can have it."""

    def __init__(self, destination: IPNetwork, claimant: str, reason: str) -> None:
        self.destination = destination
        self.claimant = claimant
        self.reason = reason
        super().__init__(
            f"{destination} of {claimant} is not routed to pods: {reason}: correct that object"
        )


class RouteConflictError(CiliateError):
    """Somebody else's route stands where one of ours should be; it is never replaced."""

    def __init__(self, destination: IPNetwork, standing: Route) -> None:
        self.destination = destination
        self.standing = standing
        super().__init__(
            f"{destination}: another route stands there: {route_text(standing)}: remove it, or"
            " give the node another pod CIDR"
        )


class WrittenRoutesError(CiliateError):
    """What this agent writes into the kernel's table cannot be noted on disk first."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        super().__init__(
            f"{path}: routes are not written before they are noted here: {problem}:"
            " make room on that file system, or let it be written"
        )


def route_text(route: Route) -> str:
    """Return a route as people know it from `ip route`."""
    kind = "" if route.kind == 1 else f"{route.kind.name.lower()} "
    metric = f" metric {route.metric}" if route.metric else ""
    return f"{kind}{route} proto {_protocol(route.protocol)}{metric}"


def _protocol(number: int) -> str:
    try:
        return RouteProtocol(number).name.lower()
    except ValueError:
        return str(number)
