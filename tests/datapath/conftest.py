"""Fixtures of the tests that load programs; they need root and skip by that name."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.datapath.harness import Compiler, Namespace, as_root, mounted_bpffs
from tests.datapath.node_rig import Node, node_rig

from ciliate.datapath.datapath import OBJECTS
from ciliate.datapath.programs import NAMES, SOCKET_PROGRAMS

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True, scope="session")
def root_rights() -> None:
    """Skip everything here when a test could not do its work."""
    if not as_root():
        pytest.skip("needs root: loads BPF programs")


@pytest.fixture
def bpf_root(tmp_path: Path) -> Iterator[Path]:
    """A bpf file system that nothing else uses."""
    with mounted_bpffs(tmp_path / "bpf") as folder:
        yield folder


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """The agent's own folder."""
    return tmp_path / "state"


@pytest.fixture(scope="session")
def counter_objects(tmp_path_factory: pytest.TempPathFactory, root_rights: None) -> Path:
    """Objects of the small program that tests of the loader use under the names of all but sockets'."""
    folder = tmp_path_factory.mktemp("objects")
    shutil.copy(OBJECTS / "socket.bpf.o", folder)
    for name in set(NAMES) - set(SOCKET_PROGRAMS):
        source = ROOT / "tests/datapath/counter.bpf.c"
        Compiler(ROOT).compile(source, folder / f"{name}.bpf.o", f"PROGRAM={name}")
    return folder


@pytest.fixture(scope="session")
def objects(root_rights: None) -> Path:
    """The real programs, as `make bpf` leaves them."""
    if not (OBJECTS / "from_pod.bpf.o").exists():
        pytest.skip("needs compiled programs: run `make bpf`")
    return OBJECTS


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """An empty network namespace, which the test runs in."""
    made = Namespace()
    try:
        with made.entered():
            yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def node_of_module(tmp_path_factory: pytest.TempPathFactory, objects: Path) -> Iterator[Node]:
    """One node for the tests of a file; they leave it as they found it."""
    folder = tmp_path_factory.mktemp("node")
    with (
        mounted_bpffs(folder / "bpf") as bpf_root,
        node_rig(bpf_root=bpf_root, state_dir=folder / "state", objects=objects) as node,
    ):
        yield node


@pytest.fixture
def node(node_of_module: Node) -> Iterator[Node]:
    """The file's node, without flows of the test before."""
    with node_of_module.namespace.entered():
        node_of_module.forget_flows()
        yield node_of_module
