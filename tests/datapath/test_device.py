"""src/ciliate/datapath/device.py and clsact.py: programs at devices, in both ways."""

from pathlib import Path

import pytest
from tests.datapath.harness import Namespace, Port

from ciliate.datapath import metrics, pins
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.device import AttachMode
from ciliate.datapath.errors import AttachError
from ciliate.datapath.layout import AttachPoint
from ciliate.datapath.metrics import METRICS
from ciliate.datapath.probes import Support, tcx
from ciliate.datapath.settings import DatapathSettings

FRAME = b"\xff" * 6 + bytes(6) + b"\x88\xb5" + bytes(50)  # A type for experiments: no stack cares.


class Node:
    """A namespace with a device `up0` whose other end is `wire`, and agents that come and go."""

    def __init__(
        self,
        namespace: Namespace,
        bpf_root: Path,
        state_dir: Path,
        objects: Path,
        mode: AttachMode,
    ) -> None:
        self.namespace = namespace
        self.bpf_root = bpf_root
        self.state_dir = state_dir
        self.objects = objects
        self.mode = mode
        self.add_device()

    def add_device(self, name: str = "up0") -> None:
        self.namespace.ip(
            f"link add {name} type veth peer name wire-{name}",
            f"link set {name} up",
            f"link set wire-{name} up",
        )

    def open(self, *, verify_source: bool = True) -> Datapath:
        return Datapath.open(
            bpf_root=self.bpf_root,
            state_dir=self.state_dir,
            settings=DatapathSettings(verify_source=verify_source),
            objects=self.objects,
            attach_mode=self.mode,
        )

    @property
    def ifindex(self) -> int:
        return self.namespace.ifindex("up0")

    def port(self, device: str) -> Port:
        return self.namespace.port(device)


@pytest.fixture(params=list(AttachMode), ids=lambda mode: str(mode.name))
def node(
    request: pytest.FixtureRequest,
    namespace: Namespace,
    bpf_root: Path,
    state_dir: Path,
    counter_objects: Path,
) -> Node:
    if request.param is AttachMode.TCX and tcx() is not Support.SUPPORTED:
        pytest.skip("needs TCX")
    return Node(namespace, bpf_root, state_dir, counter_objects, request.param)


def counted(datapath: Datapath) -> int:
    with datapath.opened(METRICS) as opened:
        found = metrics.counters(opened).get((0, AttachPoint.FROM_POD))
    return found.packets if found else 0


def test_attached_programs_see_both_directions(node: Node) -> None:
    with node.open() as datapath:
        datapath.attach(ifindex=node.ifindex, device="up0")
        port, wire = node.port("up0"), node.port("wire-up0")
        before = counted(datapath)

        wire.send(FRAME)
        assert port.receive(lambda frame: frame.type == 0x88B5) is not None
        port.send(FRAME)
        assert wire.receive(lambda frame: frame.type == 0x88B5) is not None

        assert counted(datapath) >= before + 2
        assert datapath.attach_mode is node.mode


def test_attaching_is_idempotent_and_seen_in_the_kernel(node: Node) -> None:
    with node.open() as datapath:
        assert dict(datapath.attached()) == {}

        for _ in range(3):
            datapath.attach(ifindex=node.ifindex, device="up0")

        (found,) = datapath.attached().values()
        assert (found.device, found.ifindex) == ("up0", node.ifindex)
        assert (found.mode, found.current) == (node.mode, True)


def test_programs_stay_when_the_agent_goes_and_are_switched_by_the_next(node: Node) -> None:
    with node.open() as first:
        first.attach(ifindex=node.ifindex, device="up0")

    with node.open(verify_source=False) as second:
        assert not second.attached()["up0"].current
        second.attach(ifindex=node.ifindex, device="up0")
        assert second.attached()["up0"].current


def test_no_packet_passes_without_a_program_while_they_are_switched(node: Node) -> None:
    """Each frame is counted, by the old or the new program, which share their maps."""
    frames = 3000
    with node.open() as first, node.open(verify_source=False) as second:
        first.attach(ifindex=node.ifindex, device="up0")
        wire = node.port("wire-up0")
        before = counted(first)

        for number in range(frames):
            wire.send(FRAME)
            if number % 100 == 0:
                following = second if number // 100 % 2 else first
                following.attach(ifindex=node.ifindex, device="up0")

        last = node.port("up0")  # The stack is done with those before when it shows one more.
        wire.send(FRAME)
        assert last.receive(lambda frame: frame.type == 0x88B5) is not None
        assert counted(first) >= before + frames + 1


def test_a_device_that_comes_back_under_its_name_gets_programs_again(node: Node) -> None:
    with node.open() as datapath:
        datapath.attach(ifindex=node.ifindex, device="up0")
        gone = node.ifindex
        node.namespace.ip("link del up0")
        assert dict(datapath.attached()) == {}

        node.add_device()
        assert node.ifindex != gone
        datapath.attach(ifindex=node.ifindex, device="up0")

        assert datapath.attached()["up0"].ifindex == node.ifindex


def test_detaching_removes_programs_and_pins_and_may_be_repeated(node: Node) -> None:
    with node.open() as datapath:
        datapath.attach(ifindex=node.ifindex, device="up0")

        for _ in range(2):
            datapath.detach("up0")

        assert dict(datapath.attached()) == {}
        assert list(pins.devices_path(node.bpf_root).iterdir()) == []
        before = counted(datapath)
        port = node.port("up0")
        node.port("wire-up0").send(FRAME)
        assert port.receive(lambda frame: frame.type == 0x88B5) is not None
        assert counted(datapath) == before


def test_a_device_with_a_dot_in_its_name_has_programs_too(node: Node) -> None:
    node.add_device("up0.100")
    with node.open() as datapath:
        datapath.attach(ifindex=node.namespace.ifindex("up0.100"), device="up0.100")
        assert list(datapath.attached()) == ["up0.100"]
        datapath.detach("up0.100")
        assert list(datapath.attached()) == []


def test_a_device_that_does_not_exist_is_named(node: Node) -> None:
    with node.open() as datapath, pytest.raises(AttachError, match="eth7"):
        datapath.attach(ifindex=9999, device="eth7")
