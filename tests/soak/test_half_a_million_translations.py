"""500,000 live translations in a table that has room for them: kept, found as fast, tidied cheaply.

Packets are run through the programs of a node in namespaces (BPF_PROG_TEST_RUN), two pods hold half of
the connections each, and every one is answered. Room for them means a third more: in the last quarter
of a table an owner above its share pays with its own (docs/LIMITS.md, "Datapath").
"""

import itertools
import random
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice, product
from pathlib import Path
from typing import Final

from tests.datapath.floods import flood, frames, tcp
from tests.datapath.harness import mounted_bpffs
from tests.datapath.node_rig import (
    DEFAULT_SETTINGS,
    IN,
    NODE_4,
    OUT,
    REDIRECT,
    WORLD_4,
    Node,
    node_rig,
)
from tests.datapath.soundness import ethernet
from tests.soak.scale import only_whole

from ciliate.config.datapath_defaults import SNAT_PORT_MAX, SNAT_PORT_MIN
from ciliate.datapath import test_run
from ciliate.datapath.datapath import OBJECTS
from ciliate.datapath.layout import ConnectionOwnerNumber
from ciliate.masquerade.connections import LIVE as LIVE_ONES
from ciliate.masquerade.conntrack_gc import INTERVAL_S
from ciliate.masquerade.maps import CONNECTION_OWNERS, CONNECTIONS

LIVE: Final = 500_000
ROOM: Final = 700_000
FEW: Final = 1_000

#: How much slower a packet's program may be among many connections, and which part of a core the
#: collector may take.
SLOWER_MAX: Final = 1.10
COLLECTOR_MAX: Final = 0.05

#: Flows whose packets are timed, how often each is run in a row, and how often there.
_TIMED: Final = 500
_IN_A_ROW: Final = 5
_ROUNDS: Final = 11

Ports = tuple[int, int]


@contextmanager
def _node(folder: Path) -> Iterator[Node]:
    settings = replace(DEFAULT_SETTINGS, connections_max=ROOM)
    state = folder / "state"
    with (
        mounted_bpffs(folder / "bpf") as root,
        node_rig(bpf_root=root, state_dir=state, objects=OBJECTS, settings=settings) as made,
    ):
        yield made


def _ports(count: int, *, server: int) -> list[Ports]:
    """Return a pod's ports and the server's, of which no two connections have both."""
    own = range(SNAT_PORT_MIN, SNAT_PORT_MAX + 1)
    pairs = product(range(server, server + 1000), own)
    return [(port, to) for to, port in islice(pairs, count)]


def _open(node: Node, source: str, ports: list[Ports]) -> None:
    """Let a pod open connections, and the server answer each; every pod keeps its port."""
    flood(node, "to_uplink", tcp(source, WORLD_4, "S"), ports)
    flood(node, "from_uplink", tcp(WORLD_4, NODE_4, "SA"), _reversed(ports))


def _reversed(ports: Iterable[Ports]) -> Iterator[Ports]:
    return ((to, own) for own, to in ports)


@dataclass(slots=True)
class Timed:
    """What packets of some flows cost a program on one node: of each flow's the quickest run.

    Nodes are asked in turn, and others' work on the machine lengthens some runs of either. `cold` is
    the first run of a flow's packet in its turn, behind those of all other flows: what a look-up
    finds has left the processor's caches, however many connections there are. `warm` are those
    behind it: what is done, apart from waiting for memory.
    """

    node: Node
    program: str
    frames: list[bytes]
    cold: list[int] = field(default_factory=list)
    warm: list[int] = field(default_factory=list)

    def run(self) -> None:
        """Run each flow's packet a few times."""
        with self.node.namespace.entered():
            taken = [[self._once(frame) for _ in range(_IN_A_ROW)] for frame in self.frames]
        first, behind = [each[0] for each in taken], [min(each[1:]) for each in taken]
        self.cold = [*map(min, self.cold or first, first)]
        self.warm = [*map(min, self.warm or behind, behind)]

    def _once(self, frame: bytes) -> int:
        fd = getattr(self.node.datapath.programs, f"{self.program}_fd")
        return test_run.run(fd, frame, ifindex=self.node.uplink_ifindex).duration_ns

    def __str__(self) -> str:
        return f"{statistics.mean(self.warm):.0f} ns ({statistics.mean(self.cold):.0f} ns cold)"


def _costs(nodes: Sequence[Node], ports: list[Ports]) -> list[tuple[Timed, ...]]:
    """Return, for a packet each way, what it costs on each of the nodes."""
    out, answer = tcp(nodes[0].pod1.ipv4, WORLD_4, "A"), tcp(WORLD_4, NODE_4, "A")
    many = {
        "to_uplink": list(frames(out, ports, header=OUT)),
        "from_uplink": list(frames(answer, _reversed(ports), header=IN)),
    }
    timed = [tuple(Timed(node, program, many[program]) for node in nodes) for program in many]
    for _ in range(_ROUNDS):
        for each in itertools.chain(*timed):
            each.run()
    return timed


def _tidying_s(node: Node) -> float:
    """Return how long a processor is busy with one round of the collector."""
    sweeper, began_s = node.sweeper(), time.thread_time()
    sweeper.tidy()
    return time.thread_time() - began_s


@only_whole
def test_half_a_million_translations_are_kept_found_and_tidied(tmp_path: Path) -> None:
    few = _ports(FEW, server=1)
    with _node(tmp_path / "few") as quiet, _node(tmp_path / "many") as node:
        theirs = {
            node.pod1.ipv4: _ports(LIVE // 2, server=1),
            node.pod2.ipv4: _ports(LIVE // 2, server=2001),
        }
        with quiet.namespace.entered():
            _open(quiet, quiet.pod1.ipv4, few)
        with node.namespace.entered():
            for pod, ports in theirs.items():
                _open(node, pod, ports)
        costs = _costs((quiet, node), random.Random(1).sample(few, _TIMED))
        with node.namespace.entered():
            tidied_s = _tidying_s(node)
            _assert_all_there(node)
            for pod, ports in theirs.items():
                _assert_found(node, pod, random.Random(2).sample(ports, 2_000))
            _let_all_be_over(node)
            ended_s = _tidying_s(node)
            assert not node.connections()

    print(f"\na packet among {FEW:,} connections, and among {LIVE:,}:")
    for rare, frequent in costs:
        print(f"  {rare.program}: {rare}, {frequent}")
    print(
        f"the collector, each {INTERVAL_S:.0f} s: {tidied_s * 1000:.0f} ms of a core, and"
        f" {ended_s * 1000:.0f} ms where all end at once"
    )
    for rare, frequent in costs:
        ratio = statistics.mean(frequent.warm) / statistics.mean(rare.warm)
        assert ratio <= SLOWER_MAX, f"{rare.program}: {rare}, {frequent}"
    assert max(tidied_s, ended_s) <= COLLECTOR_MAX * INTERVAL_S


def _let_all_be_over(node: Node) -> None:
    with node.datapath.opened(CONNECTIONS) as opened:
        opened.put_many({n: each._replace(expires_ns=1) for n, each in opened.items(LIVE_ONES)})


def _assert_all_there(node: Node) -> None:
    with node.datapath.opened(CONNECTION_OWNERS) as opened:
        owners = dict(opened.items())
    assert owners[ConnectionOwnerNumber.OWNER_ALL].held == LIVE
    assert not any(each.evicted or each.refused for each in owners.values())


def _assert_found(node: Node, pod: str, ports: list[Ports]) -> None:
    """An answer on each goes to the pod, to the port that it came from."""
    fd = node.datapath.programs.from_uplink_fd
    answers = frames(tcp(WORLD_4, NODE_4, "A"), _reversed(ports), header=IN)
    for (own, _), frame in zip(ports, answers, strict=True):
        run = test_run.run(fd, frame, ifindex=node.uplink_ifindex)
        found = ethernet(run.packet)
        assert run.verdict == REDIRECT
        assert (found["IP"].dst, found["TCP"].dport) == (pod, own)
