"""src/ciliate/datapath/loader.py, programs.py and map_set.py: from object files to pins."""

import json
import logging
import os
import shutil
import stat
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from tests.datapath.all_maps import ALL
from tests.datapath.conftest import ROOT
from tests.datapath.harness import Compiler, Namespace

from ciliate.datapath import libbpf, metrics, pins, test_run
from ciliate.datapath.bpf_map import open_pinned
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.errors import DatapathError, LoadError
from ciliate.datapath.layout import (
    AttachPoint,
    Connection,
    ConnectionOwner,
    ConnectionOwnerNumber,
    ConnectionRef,
    Interface,
    Tuple,
)
from ciliate.datapath.map_set import MapSet, UnknownMapError, wanted_shapes
from ciliate.datapath.metrics import METRICS
from ciliate.datapath.programs import NAMES, Recipe, load
from ciliate.datapath.settings import DatapathSettings
from ciliate.masquerade.maps import CONNECTION_OWNERS, CONNECTIONS, CONNTRACK
from ciliate.node.maps import ENDPOINTS, INTERFACES

FRAME = bytes(12) + b"\x08\x00" + bytes(50)
OK, SHOT, PIPE, STOLEN = 0, 2, 3, 4


class Agent:
    """Opens the same datapath as often as a node's agents do."""

    def __init__(self, bpf_root: Path, state_dir: Path, objects: Path) -> None:
        self.bpf_root = bpf_root
        self.state_dir = state_dir
        self.objects = objects

    def open(self, settings: DatapathSettings | None = None, **capacities: int) -> Datapath:
        return Datapath.open(
            bpf_root=self.bpf_root,
            state_dir=self.state_dir,
            settings=settings or DatapathSettings(),
            capacities=capacities,
            objects=self.objects,
        )


@pytest.fixture
def agent(bpf_root: Path, state_dir: Path, counter_objects: Path) -> Agent:
    return Agent(bpf_root, state_dir, counter_objects)


def verdict(datapath: Datapath) -> int:
    return test_run.run(datapath.programs.from_pod_fd, FRAME, ifindex=1).verdict


def flow(number: int) -> Tuple:
    return Tuple(bytes(16), bytes(16), number, 80, 6, 0)


def mapping(number: int) -> ConnectionRef:
    return ConnectionRef(number, 2)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (DatapathSettings(), OK),
        (DatapathSettings(verify_source=False), PIPE),
        (DatapathSettings(masquerade_v4=True, snat_port_min=40000), SHOT),
        (DatapathSettings(masquerade_v4=True, snat_port_min=40001), OK),
        (DatapathSettings(native_routing_v4=IPv4Network("10.244.0.0/16")), STOLEN),
        (DatapathSettings(native_routing_v4=IPv4Network("10.244.0.0/15")), OK),
    ],
)
def test_settings_reach_the_program(
    agent: Agent, namespace: Namespace, settings: DatapathSettings, expected: int
) -> None:
    with agent.open(settings) as datapath, datapath.opened(INTERFACES) as interfaces:
        interfaces.put(1, Interface(bytes(16), bytes(16), 1, 1, bytes(6), 0))

        assert verdict(datapath) == expected


def test_what_programs_count_is_summed_over_cpus(agent: Agent) -> None:
    with agent.open() as datapath, datapath.opened(METRICS) as opened:
        for cpu in os.sched_getaffinity(0):
            os.sched_setaffinity(0, {cpu})
            verdict(datapath)
        os.sched_setaffinity(0, range(os.cpu_count() or 1))

        counted = metrics.counters(opened)

        cpus = len(os.sched_getaffinity(0))
        assert set(counted) == {(0, AttachPoint.FROM_POD)}
        assert counted[0, AttachPoint.FROM_POD].packets == cpus


def test_maps_and_programs_are_pinned_and_shared(agent: Agent) -> None:
    with agent.open() as datapath:
        for which in ALL:
            with open_pinned(agent.bpf_root, which) as opened, datapath.opened(which) as own:
                assert libbpf.map_info(opened.fd).id == libbpf.map_info(own.fd).id
        pinned = sorted(path.name for path in (agent.bpf_root / "ciliate/programs").iterdir())
        assert pinned == sorted(NAMES)


def test_an_agent_that_starts_again_takes_the_programs_over(agent: Agent) -> None:
    with agent.open() as first:
        assert first.changed
        loaded = libbpf.program_info(first.programs.to_pod_fd).id
        first.settle()

    with agent.open() as second:
        assert not second.changed
        assert libbpf.program_info(second.programs.to_pod_fd).id == loaded


def test_an_agent_killed_before_it_settled_attaches_again(agent: Agent) -> None:
    agent.open().close()

    with agent.open() as second:
        assert second.changed


@pytest.mark.parametrize("lost", ["record", "program", "map"])
def test_what_is_lost_is_made_again(agent: Agent, lost: str) -> None:
    with agent.open() as first:
        first.settle()
        before = libbpf.program_info(first.programs.to_pod_fd).id
    {
        "record": agent.state_dir / "datapath.json",
        "program": pins.program_path(agent.bpf_root, "from_uplink"),
        "map": pins.map_path(agent.bpf_root, "conntrack"),
    }[lost].unlink()

    with agent.open() as second:
        assert second.changed
        assert libbpf.program_info(second.programs.to_pod_fd).id != before
        assert pins.map_path(agent.bpf_root, "conntrack").exists()


def test_a_damaged_record_only_costs_a_load(agent: Agent) -> None:
    agent.open().close()
    (agent.state_dir / "datapath.json").write_text("{")

    with agent.open() as second:
        assert second.changed


def test_other_settings_load_new_programs_into_the_same_maps(agent: Agent) -> None:
    with agent.open() as first, first.opened(CONNTRACK) as conntrack:
        first.settle()
        conntrack.put(flow(1), mapping(1))

        with agent.open(DatapathSettings(verify_source=False)) as second:
            assert second.changed
            with second.opened(CONNTRACK) as same:
                assert dict(same.items()) == {flow(1): mapping(1)}
            assert (verdict(first), verdict(second)) == (OK, PIPE)


@pytest.mark.parametrize(("capacity", "kept"), [(4000, 1000), (500, 500)])
def test_another_capacity_keeps_the_entries_that_fit(
    agent: Agent, caplog: pytest.LogCaptureFixture, capacity: int, kept: int
) -> None:
    with agent.open(interfaces=2000) as first, first.opened(INTERFACES) as interfaces:
        blank = Interface(bytes(16), bytes(16), 1, 1, bytes(6), 0)
        interfaces.put_many(dict.fromkeys(range(1000), blank))

    with caplog.at_level(logging.WARNING), agent.open(interfaces=capacity) as second:
        with second.opened(INTERFACES) as interfaces:
            assert (interfaces.capacity, interfaces.count()) == (capacity, kept)
        with open_pinned(agent.bpf_root, INTERFACES) as pinned:
            assert pinned.capacity == capacity
    assert f"map interfaces: replaced, {kept} entries copied" in caplog.text


def test_a_pinned_map_of_another_layout_is_replaced_with_a_warning(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    with agent.open() as first, first.opened(INTERFACES) as interfaces:
        pins.replace_pin(interfaces.fd, pins.map_path(agent.bpf_root, "endpoints"))

    with caplog.at_level(logging.WARNING), agent.open() as second:
        assert second.changed
        with second.opened(ENDPOINTS) as endpoints:
            assert endpoints.count() == 0
    assert "map endpoints: replaced, its entries are lost" in caplog.text


@pytest.mark.parametrize("other", ["layout", "version"])
def test_maps_of_connections_begin_anew_together(
    agent: Agent, caplog: pytest.LogCaptureFixture, other: str
) -> None:
    """An entry of one leads to an element of another: half of them would be worse than none."""
    with agent.open() as first:
        with first.opened(CONNTRACK) as conntrack, first.opened(INTERFACES) as interfaces:
            conntrack.put(flow(1), mapping(1))
            if other == "layout":
                pins.replace_pin(interfaces.fd, pins.map_path(agent.bpf_root, "connections"))
            pins.replace_pin(interfaces.fd, pins.map_path(agent.bpf_root, "nat"))
        if other == "version":
            pins.map_path(agent.bpf_root, "connection_owners").unlink()

    with (
        caplog.at_level(logging.WARNING),
        agent.open() as second,
        second.opened(CONNTRACK) as conntrack,
    ):
        assert conntrack.count() == 0
    assert "connections: begun anew, those that live are cut" in caplog.text
    assert not pins.map_path(agent.bpf_root, "nat").exists()


@pytest.mark.parametrize("capacity", [2048, 1024])
def test_connections_outlive_a_table_of_another_size_where_they_have_room(
    agent: Agent, capacity: int
) -> None:
    places = [3, 700, 1500]
    with (
        agent.open(DatapathSettings(connections_max=1600)) as first,
        first.opened(CONNTRACK) as conntrack,
        first.opened(CONNECTIONS) as connections,
        first.opened(CONNECTION_OWNERS) as owners,
    ):
        for place in places:
            connections.put(place, element(place, state=2))
            conntrack.put(flow(place), ConnectionRef(place, 2))
        connections.put(5, element(5, state=1))  # Some processor was at it.
        conntrack.put(flow(9), ConnectionRef(700, 6))  # Of a later life.
        owners.put(7, ConnectionOwner(3, 0, 11, 0))

    with (
        agent.open(DatapathSettings(connections_max=capacity)) as second,
        second.opened(CONNTRACK) as conntrack,
        second.opened(CONNECTIONS) as connections,
        second.opened(CONNECTION_OWNERS) as owners,
    ):
        kept = [place for place in places if place < capacity]
        assert (connections.capacity, conntrack.capacity) == (capacity, 2 * capacity)
        assert {key for key, _ in conntrack.items()} == {flow(place) for place in kept}
        assert [place for place, each in connections.items() if each.state] == kept
        assert owners.get(7) == ConnectionOwner(len(kept), 0, 11, 0)
        assert owners.get(ConnectionOwnerNumber.OWNER_ALL) == ConnectionOwner(len(kept), 1, 0, 0)


def element(place: int, *, state: int) -> Connection:
    """Return a connection of owner 7."""
    blank = Connection.unpack(bytes(Connection.SIZE))
    return blank._replace(place=place, state=state, owner=7)


def test_a_capacity_for_a_map_that_does_not_exist_is_refused(agent: Agent) -> None:
    with pytest.raises(UnknownMapError, match=r"map snat: .*maps: affinity_slots"):
        agent.open(snat=5)


def test_a_refused_program_leaves_the_old_ones_and_shows_why(agent: Agent, tmp_path: Path) -> None:
    with agent.open() as first:
        first.settle()
    source = tmp_path / "bad.bpf.c"
    source.write_text(
        f'#include "{ROOT}/tests/datapath/counter.bpf.c"\n'
        'SEC("tc") int to_uplink(struct __sk_buff *skb)'
        "{ return *(int *)(long)skb->data; }\n"
    )
    bad = tmp_path / "bad"
    shutil.copytree(agent.objects, bad)
    Compiler(ROOT).compile(source, bad / "to_uplink.bpf.o", "PROGRAM=unused")
    before = record(agent)

    with pytest.raises(LoadError, match="invalid access to packet") as caught:
        Agent(agent.bpf_root, agent.state_dir, bad).open()

    assert "to_uplink.bpf.o" in str(caught.value)
    assert record(agent) == before
    with agent.open() as second:
        assert not second.changed


def record(agent: Agent) -> object:
    return json.loads((agent.state_dir / "datapath.json").read_text())


def test_missing_and_damaged_objects_are_said_by_path(agent: Agent, tmp_path: Path) -> None:
    empty = Agent(agent.bpf_root, agent.state_dir, tmp_path)
    with pytest.raises(LoadError, match=r"from_pod.bpf.o: read: .*make bpf"):
        empty.open()

    for path in agent.objects.iterdir():
        (tmp_path / path.name).write_bytes(b"\x7fELF and then nothing")
    with pytest.raises(LoadError, match=r"from_pod.bpf.o: bpf_object__open_file"):
        empty.open()


def test_a_folder_that_is_no_bpf_file_system_is_said(
    tmp_path: Path, state_dir: Path, counter_objects: Path
) -> None:
    with pytest.raises(DatapathError, match="is a bpf file system mounted there"):
        Agent(tmp_path / "plain", state_dir, counter_objects).open()


def test_the_record_is_roots_alone(agent: Agent) -> None:
    agent.open().close()
    mode = (agent.state_dir / "datapath.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_nothing_stays_open_after_closing(agent: Agent) -> None:
    agent.open().close()  # What is cached for the process is there now.
    before = len(os.listdir("/proc/self/fd"))

    for settings in (DatapathSettings(), DatapathSettings(verify_source=False)):
        agent.open(settings).close()
    with pytest.raises(UnknownMapError):
        agent.open(nothing=1)

    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("coarse_clock", "has_loop", "fib_flags"),
    [(True, True, 8), (True, True, 0), (True, False, 0), (False, False, 0)],
)
def test_the_programs_load_with_the_helpers_of_older_kernels(
    bpf_root: Path,
    state_dir: Path,
    objects: Path,
    *,
    coarse_clock: bool,
    has_loop: bool,
    fib_flags: int,
) -> None:
    """Without SKIP_NEIGH (before 6.3), bpf_loop (5.17), and a coarse clock (an old 5.10)."""
    constants = DatapathSettings(masquerade_v4=True, masquerade_v6=True).constants(
        fib_flags=fib_flags, coarse_clock=coarse_clock, has_loop=has_loop
    )
    maps = MapSet(bpf_root, wanted_shapes({}))
    try:
        loaded = load(
            bpf_root=bpf_root,
            state_dir=state_dir,
            recipe=Recipe(objects, constants),
            maps=maps,
        )
        for fd in loaded.fds.values():
            os.close(fd)
    finally:
        maps.close()

    assert set(loaded.fds) == set(NAMES)
