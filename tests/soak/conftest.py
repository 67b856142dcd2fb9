"""The lab of the soaks: a node with many pods, both families, attackers on every side of it.

What a soak claims it claims of a cluster under attack. `make soak` runs each at full size, alone on
the machine; the suite of tests runs the short form of those that have one (`scale.SCALE`).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.lab.cluster import Cluster, ciliate
from tests.soak.scale import SCALE

HERE: Final = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason="labs need root"))


@pytest.fixture(scope="session")
def soak_lab() -> Iterator[Cluster]:
    """Two nodes, both families, no pods; tests remove those that they make."""
    lab = Cluster(f"test-{os.getpid()}-soak")
    try:
        sizes = {"bpf.natMax": 2 * SCALE.room, "bpf.ctTcpMax": SCALE.room}
        words = [word for key, size in sizes.items() for word in ("--set", f"{key}={size}")]
        ciliate("lab", "up", "--name", lab.name, "--no-dns", "--dual-stack", *words)
        yield lab
    finally:
        lab.lab("down", check=False)
