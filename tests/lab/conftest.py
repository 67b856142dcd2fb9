"""Labs for tests: each of a name of its own, and gone afterwards whatever happened."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.lab.cluster import Cluster, ciliate

HERE = Path(__file__).parent

#: Tests may run in several checkouts on one machine at once.
PREFIX = f"test-{os.getpid()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            if not item.path.is_relative_to(HERE):
                continue  # A folder's hook is given the whole session's tests.
            item.add_marker(pytest.mark.skip(reason="labs need root"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The walk-through's cluster, shared by the tests that leave it as they found it.

    TEST_LAB names one that is up already, and stays: for work on a single test.
    """
    present = os.environ.get("TEST_LAB")
    if present:
        yield Cluster(present)
        return
    lab = Cluster(PREFIX)
    try:
        ciliate("lab", "up", "--name", lab.name, "--set", "hubble.relay.enabled=false")
        yield lab
    finally:
        lab.lab("down", check=False)


@pytest.fixture
def new_cluster(request: pytest.FixtureRequest) -> Iterator[Callable[..., Cluster]]:
    """Starts a lab for one test: `new_cluster("--nodes", "3")`; several have names of their own.

    Without the cluster's DNS: every pod and address in it is the test's.
    """
    started: list[Cluster] = []

    def start(*words: str) -> Cluster:
        lab = Cluster(f"{PREFIX}-{len(started)}")
        started.append(lab)
        ciliate("lab", "up", "--name", lab.name, "--no-dns", *words)
        return lab

    yield start
    for lab in started:
        lab.lab("down", check=False)
