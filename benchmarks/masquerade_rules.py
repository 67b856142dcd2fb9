"""What do ip-masq-agent's ranges cost: the decision about a packet, and a reload of the list?

The real programs and maps, in namespaces of a thread that go with it; the programs run by
BPF_PROG_TEST_RUN. A decision is one run of to_uplink with a pod's first packet into a range, all
look-ups before the rules included: it leaves as it is, so it can be run again. A reload goes from
the file's octets to the rules in force, and the removal of the former ones.
"""

import random
import statistics
import struct
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Candidate, Measurement, Metric, interleave
from benchmarks.report import Answer

from ciliate.datapath import test_run
from ciliate.datapath.datapath import OBJECTS, Datapath
from ciliate.datapath.layout import Endpoint, MasqueradeAddress
from ciliate.datapath.settings import DatapathSettings
from ciliate.lab.mounts import MountFlag, mount
from ciliate.lab.namespaces import CLONE_FS, CLONE_NEWNET, CLONE_NEWNS, unshare
from ciliate.masquerade.agent_list import read_ranges
from ciliate.masquerade.compile import RuleTables, compile_rules
from ciliate.masquerade.maps import MASQUERADE_ADDRESSES
from ciliate.masquerade.rule_table import RuleTable
from ciliate.masquerade.rules import decision_order
from ciliate.net.address import to_octets
from ciliate.node.maps import ENDPOINTS

QUESTION: Final = "what do ip-masq-agent's ranges cost a packet, and a reload?"

_COUNTS: Final = (10, 1_000, 100_000)
_LINES: Final = 10_000

#: Destinations of a sample, of which the median counts, and runs for each.
_DESTINATIONS: Final = 21
_RUNS: Final = 50_000

_LOOPBACK: Final = 1
_POD: Final = IPv4Address("10.244.0.5")
_NODE: Final = IPv4Address("192.0.2.1")


@dataclass(frozen=True, slots=True)
class _Node:
    """What to_uplink needs to take a packet for a pod's: a device's address, and the pod."""

    datapath: Datapath
    table: RuleTable

    @classmethod
    def made(cls, folder: Path) -> "_Node":
        unshare(CLONE_FS | CLONE_NEWNS | CLONE_NEWNET)
        mount("none", "/", flags=MountFlag.PRIVATE | MountFlag.RECURSIVE)
        mount("bpf", folder, "bpf")
        datapath = Datapath.open(
            bpf_root=folder,
            state_dir=folder.with_name("state"),
            settings=DatapathSettings(masquerade_v4=True),
            objects=OBJECTS,
        )
        pod = Endpoint(5, 8066, 1, 0, bytes(6), bytes(6))
        with datapath.opened(ENDPOINTS) as endpoints:
            endpoints.put(to_octets(_POD), pod)
        with datapath.opened(MASQUERADE_ADDRESSES) as addresses:
            addresses.put(_LOOPBACK, MasqueradeAddress(to_octets(_NODE), bytes(16)))
        return cls(datapath, RuleTable(datapath))

    def decision_ns(self, tables: RuleTables, ranges: list[IPv4Network]) -> float:
        """Return what a run takes, the median of some ranges."""
        self.table.replace(tables)
        program = self.datapath.programs.to_uplink_fd
        taken = []
        for each in random.Random(len(ranges)).choices(ranges, k=_DESTINATIONS):
            frame = _frame(each[7])
            run = test_run.run(program, frame, ifindex=_LOOPBACK, repeat=_RUNS)
            assert run.packet == frame, "it was to keep its address"
            taken.append(run.duration_ns)
        return statistics.median(taken)

    def reload_ms(self, octets: bytes) -> float:
        """Return how long the agent takes to put a file's list into force."""
        begin = time.perf_counter()
        ranges = read_ranges(octets, path="", versions=(4,))
        self.table.replace(compile_rules(decision_order(native=[], excluded=ranges)))
        return (time.perf_counter() - begin) * 1e3


def _frame(destination: IPv4Address) -> bytes:
    """Return a pod's datagram as it leaves by a device; nobody reads its checksums."""
    payload = struct.pack("!HHHH", 9, 9, 8, 0)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 17, 0)
    return bytes(12) + b"\x08\x00" + header + _POD.packed + destination.packed + payload


def _ranges(count: int) -> list[IPv4Network]:
    """Return /24s out of 11.0.0.0/8 to 14.0.0.0/8."""
    chosen = random.Random(count).sample(range(1 << 18), count)
    return [IPv4Network((0x0B << 24) + (number << 8)).supernet(8) for number in chosen]


def _file(turn: int) -> bytes:
    """Return a list of 10,000 lines; two that follow each other share none."""
    ranges = (IPv4Network(((0x0B + turn % 2) << 24 | n << 8, 24)) for n in range(_LINES))
    return b"nonMasqueradeCIDRs:\n" + b"".join(b"- %s\n" % str(r).encode() for r in ranges)


def measure(options: Options) -> Answer:
    """Measure decisions in turns, then reloads."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as own_namespaces:
        root = Path(folder, "bpf")
        root.mkdir()
        node = own_namespaces.submit(_Node.made, root).result()
        return own_namespaces.submit(_answer, node, options).result()


def _answer(node: _Node, options: Options) -> Answer:
    lists = {count: _ranges(count) for count in _COUNTS}
    tables = {
        count: compile_rules(decision_order(native=[], excluded=ranges))
        for count, ranges in lists.items()
    }
    candidates = [
        Candidate(f"{count:,} ranges", lambda c=count: node.decision_ns(tables[c], lists[c]))  # type: ignore[misc] # the count's own.
        for count in _COUNTS
    ]
    options.show("masquerade_rules: decisions")
    decisions = interleave(candidates, rounds=options.rounds)
    options.show("masquerade_rules: reloads")
    files = (_file(0), _file(1))
    reloads = [node.reload_ms(files[turn % 2]) for turn in range(options.rounds + 1)][1:]
    base = f"{_COUNTS[0]:,} ranges"
    return Answer(
        "masquerade_rules",
        QUESTION,
        (
            Measurement(
                Metric("to_uplink, a pod's first packet into a range", "ns", Better.LOWER),
                decisions,
                (base,),
                tuple(Budget(f"{count:,} ranges", base, 1.05) for count in _COUNTS[1:]),
            ),
            Measurement(
                Metric("reload of 10,000 lines", "ms", Better.LOWER),
                {"YAML": tuple(reloads)},
                budgets=(Budget("YAML", None, 300),),
            ),
        ),
        notes=("programs by BPF_PROG_TEST_RUN: what a packet costs beside them is not in it",),
    )
