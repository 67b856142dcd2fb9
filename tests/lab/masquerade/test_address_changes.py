"""Addresses come and go on a node's devices, while a pod talks to the world: as what is it seen?

What the world sees is asked of the world, on connections that stay and on new ones.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab
from tests.lab.masquerade.truth_table import PROGRAMS, STACK
from tests.lab.test_masquerade_by_stack import PYTHON, listening, switch, table

NODE: Final = "k8s-w1"
KINDS: Final = ("tcp", "udp")

#: Machines of the world, and as what they see a pod of the node.
BY_ETH1: Final = {
    "192.168.10.200": "192.168.10.101",
    "fd00:10:10:1::200": "fd00:192:168:10::101",
}
BY_ETH0: Final = {"203.0.113.10": "10.0.2.15", "2001:db8:113::10": "fd00:10:0:2::15"}
WORLD: Final = BY_ETH1 | BY_ETH0

#: Holds a connection of each kind to each address. For every line it is given, it asks on each, and
#: on a new one, as what it is seen.
TALK: Final = """
import json, socket, sys
def opened(kind, address):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    s.settimeout(2)
    s.connect((address, 9100))
    return s
def asked(s):
    for _ in range(3):
        try:
            s.send(b"x\\n")
            return s.recv(100).decode().split()[0]
        except TimeoutError:
            if s.type == socket.SOCK_STREAM:
                return "no answer"
        except OSError as error:
            return error.strerror
        except IndexError:
            return "closed"
    return "no answer"
kinds = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
held = {(kind, a): opened(kinds[kind], a) for kind in kinds for a in sys.argv[1:]}
for _ in sys.stdin:
    seen = {"held": {}, "new": {}}
    for (kind, address), s in held.items():
        seen["held"][f"{kind} {address}"] = asked(s)
        with opened(kinds[kind], address) as once:
            seen["new"][f"{kind} {address}"] = asked(once)
    print(json.dumps(seen), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Talk:
    """A pod's connections."""

    process: Any

    def seen(self) -> dict[str, dict[str, str]]:
        """As what each is seen, by "held" and "new"."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found: dict[str, dict[str, str]] = json.loads(self.process.stdout.readline())
        return found


def everywhere(sources: dict[str, str]) -> dict[str, str]:
    """By kind and address, what is seen where each kind is seen as the same."""
    return {f"{kind} {address}": source for kind in KINDS for address, source in sources.items()}


@contextlib.contextmanager
def talking(lab: Cluster, *addresses: str) -> Iterator[Talk]:
    with lab.background("one", *PYTHON, TALK, *addresses) as process:
        try:
            yield Talk(process)
        finally:
            process.kill()


@pytest.fixture(scope="module", params=[PROGRAMS, STACK])
def lab(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with (
        fault_lab("addresses-of-devices", "--dual-stack") as started,
        contextlib.ExitStack() as servers,
    ):
        apply_pod(started, "one", NODE)
        for place in ("router", "internet"):
            servers.callback(servers.enter_context(listening(started, place)).kill)
        if request.param == STACK:
            switch(started, "false")
            eventually(lambda: "chain stray" in table(started), within_s=60)
        yield started


@pytest.fixture
def node(lab: Cluster) -> FaultyNode:
    return FaultyNode(lab, NODE)


def add(node: FaultyNode, device: str, *addresses: str) -> None:
    """Give a device addresses; return when the agent knows them."""
    for address in addresses:
        words = ("nodad",) if ":" in address else ()
        node.run("ip", "address", "add", *address.split(), "dev", device, *words)
    await_known(node, addresses, are_there=True)


def remove(node: FaultyNode, device: str, *addresses: str) -> None:
    for address in addresses:
        node.run("ip", "address", "del", address.split()[0], "dev", device)
    await_known(node, addresses, are_there=False)


def await_known(node: FaultyNode, addresses: tuple[str, ...], *, are_there: bool) -> None:
    """Wait for the agent: it lists the node's own addresses among endpoints."""
    wanted = {address.partition("/")[0] for address in addresses}

    def known() -> bool:
        listed = json.loads(node.run("cilium-dbg", "bpf", "endpoint", "list", "-o", "json").stdout)
        there = {str(each).rpartition(":0")[0].strip("[]") or str(each) for each in listed}
        return wanted <= there if are_there else wanted.isdisjoint(there)

    eventually(known, within_s=20, what=f"the agent's knowledge of {wanted}")


def test_virtual_addresses_that_come_and_go_change_no_source(
    lab: Cluster, node: FaultyNode
) -> None:
    """As those of keepalived and kube-vip, of which the kernel lists IPv6's before the others."""
    on_eth1 = ("192.168.10.77/32", "192.168.10.78/24", "fd00:192:168:10::77/128")
    on_eth0 = ("10.0.2.77/32", "10.0.2.78/24", "fd00:10:0:2::77/128")
    with talking(lab, *WORLD) as talk:
        before = talk.seen()
        add(node, "eth1", *on_eth1)
        add(node, "eth0", *on_eth0)
        meanwhile = talk.seen()
        remove(node, "eth1", *on_eth1)
        remove(node, "eth0", *on_eth0)
        afterwards = talk.seen()

    as_ever = {"held": everywhere(WORLD), "new": everywhere(WORLD)}
    assert (before, meanwhile, afterwards) == (as_ever, as_ever, as_ever)


def test_deprecated_address_is_not_used(lab: Cluster, node: FaultyNode) -> None:
    deprecated = "fd00:10:0:2::88/64 preferred_lft 0"
    add(node, "eth0", deprecated)
    try:
        with talking(lab, *BY_ETH0) as talk:
            seen = talk.seen()
    finally:
        remove(node, "eth0", deprecated)

    assert seen == {"held": everywhere(BY_ETH0), "new": everywhere(BY_ETH0)}


def test_renumbered_device_shows_the_new_address_on_new_connections_alone(
    lab: Cluster, node: FaultyNode
) -> None:
    """The former prefix is deprecated, not gone: what is connected stays so (RFC 4862, 5.5.4)."""
    address, former = next((a, s) for a, s in BY_ETH0.items() if ":" in a)
    change = ("ip", "address", "change", f"{former}/64", "dev", "eth0", "metric", "100")
    later = "fd00:10:0:2::99"
    with talking(lab, address) as talk:
        before = talk.seen()
        add(node, "eth0", f"{later}/64")
        node.run(*change, "preferred_lft", "0")
        try:
            eventually(
                lambda: talk.seen()["new"] == everywhere({address: later}),
                within_s=20,
                what="the address that is not deprecated",
            )
            held = talk.seen()["held"]
        finally:
            node.run(*change, "preferred_lft", "forever")
            remove(node, "eth0", f"{later}/64")

    assert before["held"] == held == everywhere({address: former})


#: What the node's InternalIPs become, of each family.
LATER: Final = ("192.168.10.151/24", "fd00:192:168:10::151/64")


def test_lost_address_is_replaced_in_live_datagrams_and_new_connections(
    lab: Cluster, node: FaultyNode
) -> None:
    """A datagram's flow goes on with the other address. TCP cannot, and is told so."""
    former = ("192.168.10.101/24", "fd00:192:168:10::101/64")
    later = {address: LATER[":" in address].partition("/")[0] for address in BY_ETH1}
    with talking(lab, *BY_ETH1) as talk:
        assert talk.seen()["held"] == everywhere(BY_ETH1)
        remove(node, "eth1", *former)
        add(node, "eth1", *LATER)
        try:
            eventually(lambda: talk.seen()["new"] == everywhere(later), within_s=20)
            held = talk.seen()["held"]
        finally:
            remove(node, "eth1", *LATER)
            add(node, "eth1", *former)

    assert {key: seen for key, seen in held.items() if key.startswith("udp")} == {
        f"udp {address}": source for address, source in later.items()
    }
    over = {"Connection reset by peer", "Broken pipe", "closed"}
    assert {seen for key, seen in held.items() if key.startswith("tcp")} <= over
