"""Fixtures of the tests of tunnels: nodes that stand for all tests of a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.datapath.harness import mounted_bpffs
from tests.datapath.tunnel_families import V4, V6, Family
from tests.datapath.tunnel_rig import SETTINGS, Build, Tunnel, tunnel_rig

from ciliate.datapath.device import AttachMode
from ciliate.datapath.settings import DatapathSettings


@pytest.fixture(scope="module")
def build_tunnel(tmp_path_factory: pytest.TempPathFactory, objects: Path) -> Build:
    """How a test's node with a tunnel is built."""

    @contextmanager
    def built(
        underlay: Family = V4,
        settings: DatapathSettings = SETTINGS,
        attach_mode: AttachMode | None = None,
    ) -> Iterator[Tunnel]:
        folder = tmp_path_factory.mktemp("tunnel")
        with (
            mounted_bpffs(folder / "bpf") as bpf_root,
            tunnel_rig(
                underlay=underlay,
                bpf_root=bpf_root,
                state_dir=folder / "state",
                objects=objects,
                settings=settings,
                attach_mode=attach_mode,
            ) as node,
        ):
            yield node

    return built


@pytest.fixture(scope="module", params=[V4, V6], ids=["under v4", "under v6"])
def tunnel_of_module(request: pytest.FixtureRequest, build_tunnel: Build) -> Iterator[Tunnel]:
    """A node whose tunnel is in packets of one family, and in those of the other."""
    with build_tunnel(request.param) as built:
        yield built


@pytest.fixture
def tunnel(tunnel_of_module: Tunnel) -> Iterator[Tunnel]:
    """The node, without flows and Services of the test before."""
    with tunnel_of_module.node.namespace.entered():
        tunnel_of_module.node.forget_flows()
        tunnel_of_module.forget_services()
        yield tunnel_of_module
