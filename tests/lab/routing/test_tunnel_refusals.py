"""Settings and circumstances that a tunnel cannot be made of: the agent says so and what to do."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.lab.cluster import Done, eventually
from tests.lab.faulty_node import FaultyNode, frozen, process
from tests.lab.routing.facts import link_index
from tests.lab.routing.far import far_ips
from tests.lab.routing.pings import pinging
from tests.lab.test_faults_settings import run_agent
from tests.lab.walkthrough.exchange import PYTHON
from tests.lab.walkthrough.place import WORKER, Place

DEVICE = "cilium_vxlan"
PORT = 8472

#: Flag, then what the one message must hold: key, value, remedy.
WRONG = [
    ("--auto-direct-node-routes=true", ("auto-direct-node-routes", "'true'", '"false"')),
    ("--tunnel-protocol=gre", ("tunnel-protocol", "'gre'", "choose", "vxlan")),
    ("--tunnel-port=65536", ("tunnel-port", "'65536'")),
    ("--tunnel-port=-1", ("tunnel-port", "'-1'")),
    ("--tunnel-source-port-range=2-1", ("tunnel-source-port-range", "'2-1'")),
    ("--underlay-protocol=ipx", ("underlay-protocol", "'ipx'", "choose")),
]

#: Holds a UDP port on both families until it is ended.
_HOLDER = """
import socket, sys, time
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", int(sys.argv[1])))
print("bound", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def node(tunnel: Place) -> FaultyNode:
    return FaultyNode(tunnel.lab, WORKER)


@contextmanager
def held(tunnel: Place, port: int) -> Iterator[None]:
    """A UDP port of the node belongs to somebody else for as long as this lasts."""
    with tunnel.lab.background(WORKER, *PYTHON, _HOLDER, str(port)) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        try:
            assert holder.stdout.readline() == "bound\n"
            yield
        finally:
            holder.stdin.close()
            holder.wait(timeout=10)


def last_line(done: Done) -> str:
    """What an agent that has ended said last."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def tunnel_status(node: FaultyNode) -> dict[str, Any]:
    """What the agent's status says of keeping the tunnel's device."""
    answer = node.asked("healthz") or {"controllers": []}
    found = [each for each in answer["controllers"] if each["name"] == "sync-tunnel-device"]
    return dict(found[0]["status"]) if found else {}


@dataclass(frozen=True, slots=True)
class Refusals:
    """What agents said that could not start, and what became of the tunnel meanwhile."""

    answers: dict[str, Done]
    geneve: Done | None  # None: this kernel has it.
    port: Done
    lost: int
    indices: tuple[int, int]


@pytest.fixture(scope="module")
def refusals(tunnel: Place) -> Refusals:
    """Agents of all kinds in turn, while the node's own one is away."""
    node = FaultyNode(tunnel.lab, WORKER)
    before = link_index(tunnel, WORKER, DEVICE)
    # The kubelet starts no agent here meanwhile.
    with pinging(tunnel, "curl-pod", far_ips(tunnel)[0]) as pings:
        with frozen(process(tunnel.lab, "kube")):
            node.kill_agent()
            answers = {flag: run_agent(node, flag) for flag, _ in WRONG}
            geneve = None if has_geneve(node) else run_agent(node, "--tunnel-protocol=geneve")
            pings.go_on()
            lost, after = pings.lost, link_index(tunnel, WORKER, DEVICE)
            node.run("ip", "link", "del", DEVICE)
            with held(tunnel, PORT):
                port = run_agent(node)
        node.replace_agent()
        node.wait_agent()
        pings.go_on()
    return Refusals(answers, geneve, port, lost, (before, after))


def has_geneve(node: FaultyNode) -> bool:
    """Whether the kernel makes such devices."""
    words = ("ip", "link", "add", "probe0", "type", "geneve", "external")
    if node.run(*words, check=False).returncode:
        return False
    node.run("ip", "link", "del", "probe0")
    return True


@pytest.mark.parametrize(("flag", "words"), WRONG, ids=[flag for flag, _ in WRONG])
def test_wrong_setting_stops_the_agent(
    refusals: Refusals, flag: str, words: tuple[str, ...]
) -> None:
    line = last_line(refusals.answers[flag])

    assert [word for word in words if word not in line] == [], line


def test_geneve_where_the_kernel_has_none_is_refused_by_name(refusals: Refusals) -> None:
    if refusals.geneve is None:
        pytest.skip("this kernel has geneve devices")
    line = last_line(refusals.geneve)

    for word in ("the kernel has no geneve device", "CONFIG_GENEVE", "tunnel-protocol: vxlan"):
        assert word in line


def test_no_agent_that_could_not_start_took_the_tunnel_away(refusals: Refusals) -> None:
    before, after = refusals.indices

    assert refusals.lost == 0
    assert before == after != 0


def test_port_of_somebody_else_is_told_at_start(tunnel: Place, refusals: Refusals) -> None:
    line = last_line(refusals.port)

    for word in (f"UDP port {PORT}", "in use by another socket", "ss -ulnp", "tunnel-port"):
        assert word in line
    assert tunnel.ttl_from(far_ips(tunnel)[0]) == 63, "the next agent had the port"


def test_tunnel_is_there_once_its_port_is_free(tunnel: Place, node: FaultyNode) -> None:
    """Taken while the agent runs, between a device's end and the next one."""
    with pinging(tunnel, "curl-pod", far_ips(tunnel)[0]) as pings:
        with frozen(node.agent_pid):
            node.run("ip", "link", "del", DEVICE)
            holding = held(tunnel, PORT)
            holding.__enter__()
        try:
            eventually(
                lambda: "in use by" in json.dumps(tunnel_status(node)), what="the reason told"
            )
            told = json.dumps(tunnel_status(node))
            assert link_index(tunnel, WORKER, DEVICE) == 0
        finally:
            holding.__exit__(None, None, None)
        freed_s = time.monotonic()
        pings.go_on(within_s=15)
        healed_s = time.monotonic() - freed_s

    assert f"UDP port {PORT}" in told
    assert healed_s < 10
    eventually(lambda: "in use by" not in json.dumps(tunnel_status(node)), what="a good status")
