"""Masquerading while parts of it are killed, full, or at odds with rules of others.

What is counted is what leaves: 1,000 datagrams a second to where the pod's address must be seen, and
to where it must not. The switch of back ends itself is tested by `test_masquerade_by_stack.py`.
"""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tests.deadlines import Deadline
from tests.lab import host_conntrack
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab
from tests.lab.source_probe import Sources, sources_seen
from tests.lab.test_masquerade_by_stack import (
    ASK,
    PYTHON,
    assert_went_on,
    held,
    listening,
    no_pod_seen,
    switch,
    table,
)

from ciliate.datapath.bpf_map import OpenMap, open_pinned
from ciliate.datapath.layout import (
    MasqueradeGeneration,
    MasqueradeRule,
    MasqueradeRuleKey,
)
from ciliate.masquerade.maps import MASQUERADE_GENERATIONS, MASQUERADE_RULES

NODE: Final = "k8s-w1"

#: In every list: these see pods' own addresses. In none: these see the node's.
KEPT_RANGES: Final = ("10.10.1.0/24", "fd00:10:10:1::/64")
KEPT: Final = ("10.10.1.200", "fd00:10:10:1::200")
HIDDEN: Final = {
    "192.168.10.200": "192.168.10.101",
    "fd00:192:168:10::200": "fd00:192:168:10::101",
}

#: Lines of a list that take the agent long enough to be caught at them.
_LINES: Final = 6000

#: Of what was sent. Loss is not what these tests are about, but silence would prove nothing.
_ARRIVED: Final = 0.5


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    """Two families, ip-masq-agent on, a server on each machine of the world."""
    ranges = "{" + ",".join(KEPT_RANGES) + "}"
    on = f"ipMasqAgent.config.nonMasqueradeCIDRs={ranges}"
    words = ("--dual-stack", "--set", "ipMasqAgent.enabled=true", "--set", on)
    with fault_lab("masquerade", *words) as started, contextlib.ExitStack() as servers:
        for place in ("router", "internet"):
            servers.callback(servers.enter_context(listening(started, place)).kill)
        apply_pod(started, "one", NODE)
        apply_pod(started, "two", NODE)
        yield started


@pytest.fixture(scope="module")
def node(lab: Cluster) -> FaultyNode:
    return FaultyNode(lab, NODE)


@contextlib.contextmanager
def nothing_leaves_wrong(lab: Cluster) -> Iterator[Sources]:
    """Every datagram of the block leaves with the address that its destination is to see."""
    own = [str(each["ip"]) for each in lab.object("pod", "one")["status"]["podIPs"]]
    expected = dict(zip(KEPT, sorted(own, key=lambda ip: ":" in ip), strict=True)) | HIDDEN
    with sources_seen(lab, "one", *expected) as sources:
        yield sources
    assert sources.wrong(expected) == {}
    for target in expected:
        assert sources.arrived(target) > _ARRIVED, target


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """The maps of a node's rules: what of a reload is done at this moment."""

    rules: OpenMap[MasqueradeRuleKey, MasqueradeRule]
    generations: OpenMap[int, MasqueradeGeneration]

    @classmethod
    def of(cls, node: FaultyNode) -> "RulesInForce":
        root = Path("/sys/fs/bpf")
        return node.inside(
            lambda: cls(
                open_pinned(root, MASQUERADE_RULES), open_pinned(root, MASQUERADE_GENERATIONS)
            )
        )

    @property
    def number(self) -> int:
        """The list in force."""
        found = self.generations.get(0)
        return found.number if found else 0

    def await_reload(self, *, switched: bool) -> Callable[[], None]:
        """Return what returns while the next list is written, or when it has come into force."""
        number, entries, deadline = self.number, self.rules.count(), Deadline(60)

        def wait() -> None:  # Without a pause: the moment is a short one.
            while self.number == number and (switched or self.rules.count() <= entries):
                assert not deadline.passed, "no list was read"

        return wait


def _write_list(lab: Cluster, net: int) -> None:
    """Write a list of many ranges, whose first says which it is."""
    ranges = [*KEPT_RANGES, *(f"{net}.{n >> 8}.{n & 255}.0/24" for n in range(_LINES))]
    patch = {"data": {"config": json.dumps({"nonMasqueradeCIDRs": ranges})}}
    lab.kubectl("-n", "kube-system", "patch", "cm", "ip-masq-agent", "-p", json.dumps(patch))


def _has_list(node: FaultyNode, net: int) -> bool:
    listed = node.run("cilium-dbg", "bpf", "ipmasq", "list", check=False).stdout
    return f"\n{net}.0.0.0/24\n" in listed


@pytest.mark.parametrize(
    ("net", "switched"), [(20, False), (21, True)], ids=["half written", "both there"]
)
def test_agent_killed_while_it_reloads_its_list_lets_nothing_leave_wrong(
    lab: Cluster, node: FaultyNode, net: int, *, switched: bool
) -> None:
    pid, await_moment = node.agent_pid, RulesInForce.of(node).await_reload(switched=switched)
    with nothing_leaves_wrong(lab):
        _write_list(lab, net)
        await_moment()
        os.kill(pid, signal.SIGKILL)
        node.replace_agent()
        node.wait_agent(other_than=pid)
        eventually(lambda: _has_list(node, net), within_s=30, what="the new list in force")


@contextlib.contextmanager
def full_conntrack(node: FaultyNode) -> Iterator[None]:
    """The node's conntrack is full and in use: somebody has a rule that asks it, as firewalls do."""
    node.run(
        "nft",
        "table inet firewall { chain c { type filter hook forward priority 0; ct state new; }; }",
    )
    node.inside(host_conntrack.fill)
    try:
        yield
    finally:
        node.inside(host_conntrack.clear)
        node.run("nft", "delete", "table", "inet", "firewall")


@contextlib.contextmanager
def translated_by_another(node: FaultyNode) -> Iterator[None]:
    """Somebody else has source NAT: of all that pods send, and of what the node sends to the router."""
    node.run("ip", "address", "add", "192.168.10.77/24", "dev", "eth1")
    node.run(
        "nft",
        "table ip others { chain c { type nat hook postrouting priority srcnat;"
        " ip saddr 10.244.0.0/16 masquerade random;"
        " ip saddr 192.168.10.101 ip daddr 192.168.10.200 snat to 192.168.10.77; }; }",
    )
    try:
        yield
    finally:
        node.run("nft", "delete", "table", "ip", "others")
        node.run("ip", "address", "del", "192.168.10.77/24", "dev", "eth1")


def test_full_conntrack_of_the_host_is_nothing_to_pods_that_programs_masquerade(
    lab: Cluster, node: FaultyNode
) -> None:
    with full_conntrack(node), held(lab, "one", *HIDDEN) as report:
        pass  # A connection to each, and new ones.

    assert_went_on(report, HIDDEN)


def test_others_rules_of_the_stack_do_not_see_pods_that_programs_masquerade(
    lab: Cluster, node: FaultyNode
) -> None:
    with translated_by_another(node), held(lab, "one", *HIDDEN) as report:
        seen = json.loads(node.run(*PYTHON, ASK, "192.168.10.200").stdout)["tcp"]

    assert_went_on(report, HIDDEN)
    assert seen["192.168.10.200"][0] == "192.168.10.77"


def _killed_while_switched(
    lab: Cluster, node: FaultyNode, back_end: str, moment: Callable[[], bool]
) -> None:
    lab.lab("upgrade", "--set", f"bpf.masquerade={back_end}")
    node.replace_agent()
    eventually(moment, within_s=20)
    node.kill_agent()
    switch(lab, back_end)


def test_agent_killed_when_the_stack_takes_over_lets_nothing_leave_wrong(
    lab: Cluster, node: FaultyNode
) -> None:
    with nothing_leaves_wrong(lab):
        _killed_while_switched(lab, node, "false", lambda: "chain decide" in table(lab))


@pytest.fixture(scope="module")
def by_stack(lab: Cluster, node: FaultyNode) -> Cluster:
    """The lab with the stack masquerading, all by itself: flows of the programs are ended."""
    switch(lab, "false")
    node.run("cilium-dbg", "bpf", "nat", "flush")
    eventually(lambda: "chain stray" in table(lab), within_s=60, what="the takeover's end")
    return lab


def test_full_conntrack_of_the_host_refuses_new_flows_and_shows_no_pod(
    by_stack: Cluster, node: FaultyNode
) -> None:
    """What runs goes on; what is new is dropped by the kernel, until there is room again."""
    ask = (*PYTHON, ASK, *HIDDEN)
    with no_pod_seen(by_stack):
        with held(by_stack, "one", *HIDDEN) as report, full_conntrack(node):
            standing = report

            def is_refused() -> bool:
                node.inside(host_conntrack.fill)  # What ends meanwhile makes room.
                return by_stack.lab("exec", "two", "--", *ask, check=False).returncode != 0

            eventually(is_refused, within_s=30, what="new flows refused")
        seen = json.loads(by_stack.exec("two", *ask))["tcp"]

    assert {address: len(found) for address, found in standing["seen"].items()} == dict.fromkeys(
        HIDDEN, 1
    )
    assert not [failure for failure in standing["failures"] if failure.startswith("held")]
    assert {address: found[0] for address, found in seen.items()} == HIDDEN


def test_interfaces_that_the_node_has_not_leave_the_others_masqueraded(
    by_stack: Cluster, node: FaultyNode
) -> None:
    def set_interfaces(names: str) -> None:
        by_stack.lab("upgrade", "--set", f"egressMasqueradeInterfaces={names}")
        node.replace_agent()
        node.wait_agent()

    set_interfaces("wlan7 eth1 bond+")
    try:
        seen = json.loads(by_stack.exec("one", *PYTHON, ASK, *HIDDEN))["tcp"]
    finally:
        set_interfaces("")

    assert {address: found[0] for address, found in seen.items()} == HIDDEN


def test_agent_killed_when_the_programs_take_over_lets_nothing_leave_wrong(
    by_stack: Cluster, node: FaultyNode
) -> None:
    with nothing_leaves_wrong(by_stack):
        _killed_while_switched(
            by_stack, node, "true", lambda: "chain decide" not in table(by_stack)
        )
