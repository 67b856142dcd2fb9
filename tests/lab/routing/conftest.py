"""One lab serves the tests of the tunnel over IPv4: two nodes, both families, VXLAN."""

from collections.abc import Iterator

import pytest
from tests.lab.cluster import eventually
from tests.lab.routing.far import FAR, apply_far
from tests.lab.walkthrough.place import Place, place

#: What `ciliate lab up` is told for a cluster whose pods are reached through a tunnel.
TUNNEL = ("--dual-stack", "--set", "routingMode=tunnel", "--set", "autoDirectNodeRoutes=false")


@pytest.fixture(scope="session")
def tunnel() -> Iterator[Place]:
    """The walk-through's application, and the pod `far`, on nodes with a tunnel between them."""
    with place("tunnel", *TUNNEL) as found:
        apply_far(found)
        eventually(lambda: FAR in found.typed("kubectl get cep"), what="the pod's endpoint")
        yield found
