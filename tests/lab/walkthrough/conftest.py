"""Two labs serve all tests of the walk-through: its own, and the dual-stack one."""

from collections.abc import Iterator

import pytest
from tests.lab.walkthrough.place import Place, place


@pytest.fixture(scope="session")
def walk() -> Iterator[Place]:
    """The walk-through's cluster in its start state, with its application."""
    with place("v4") as found:
        yield found


@pytest.fixture(scope="session")
def dual() -> Iterator[Place]:
    """The same cluster with IPv6 beside IPv4."""
    with place("dual", "--dual-stack") as found:
        yield found
