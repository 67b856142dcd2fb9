"""What a runtime should never send: the plugin answers in CNI's words, the agent does not mind."""

import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.lab.faulty_node import FaultyNode, fault_lab
from tests.lab.plugin_calls import Sandbox, call_plugin, make_sandboxes, remove_sandboxes

INCOMPATIBLE, INVALID_ENVIRONMENT, DECODE_FAILURE = 1, 4, 6


@pytest.fixture(scope="module")
def node() -> Iterator[FaultyNode]:
    with fault_lab("input") as lab:
        yield FaultyNode(lab, "k8s-w1")


@pytest.fixture
def sandbox(node: FaultyNode) -> Iterator[Sandbox]:
    """A container; afterwards the node is as it was and still works."""
    (made,) = make_sandboxes(node, 1, "input")
    pid = node.agent_pid
    yield made
    assert node.agent_pid == pid, "the agent lived through it"
    node.wait_settled(endpoints=0)
    assert made.add().ok
    assert made.delete().ok
    node.wait_settled(endpoints=0)
    remove_sandboxes([made])


def nested(depth: int) -> bytes:
    """JSON that only goes down."""
    return b'{"cniVersion":"1.1.0","name":"c","a":' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK"])
@pytest.mark.parametrize(
    ("name", "stdin"),
    [
        ("empty", b""),
        ("text", b"this is no JSON"),
        ("cut", b'{"cniVersion": "1.1.0", "name": "cil'),
        ("array", b"[1, 2]"),
        ("null", b"null"),
        ("binary", bytes(range(256)) * 16),
        ("deep", nested(100_000)),
    ],
)
def test_stdin_that_is_no_configuration_is_a_decoding_failure(
    sandbox: Sandbox, command: str, name: str, stdin: bytes
) -> None:
    called = sandbox.call(command, stdin=stdin)

    assert called.code == 1
    assert called.answer["code"] == DECODE_FAILURE, called
    assert called.answer["msg"], "it says what is wrong"
    assert len(called.stdout) < 2000, "it does not repeat what it was given"


@pytest.mark.parametrize("version", ["9.9.9", "0.0.9", "2", "1.1.0-beta"])
def test_unknown_version_is_refused_and_the_known_ones_are_named(
    sandbox: Sandbox, version: str
) -> None:
    called = sandbox.call("ADD", version=version)

    assert called.code == 1
    assert called.answer["code"] == INCOMPATIBLE, called
    text = called.answer["msg"] + called.answer.get("details", "")
    assert "0.1.0" in text
    assert "1.1.0" in text


@pytest.mark.parametrize(
    "version", ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
)
def test_known_version_is_answered_in_kind(sandbox: Sandbox, version: str) -> None:
    called = sandbox.call("ADD", version=version)

    assert called.ok, called
    assert called.answer["cniVersion"] == version
    assert ("ip4" in called.answer) == (version in ("0.1.0", "0.2.0"))
    assert ("ips" in called.answer) == (version not in ("0.1.0", "0.2.0"))
    assert sandbox.call("DEL", version=version).ok


def test_configuration_without_a_version_is_answered_as_the_first(sandbox: Sandbox) -> None:
    stdin = b'{"name": "cilium", "type": "ciliate-cni"}'

    called = sandbox.call("ADD", stdin=stdin)

    assert called.answer["cniVersion"] == "0.1.0"
    assert called.answer["ip4"]["ip"].endswith("/32")
    assert sandbox.call("DEL", stdin=stdin).ok


@pytest.mark.parametrize(
    "extra",
    [
        {"cniVersion": "9.9.9"},
        {"prevResult": [1]},
        {"name": ""},
        {"chaining-mode": "sideways"},
        {"ipam": {"type": "../sh"}},
    ],
)
def test_deletion_never_fails_for_what_it_does_not_need(
    sandbox: Sandbox, extra: dict[str, Any]
) -> None:
    assert sandbox.add().ok

    called = sandbox.call("DEL", extra=extra, environment={"CNI_NETNS": "", "CNI_ARGS": "x"})

    assert called.ok, called
    sandbox.node.wait_settled(endpoints=0)


def rss_bytes(node: FaultyNode) -> int:
    """The agent's memory."""
    text = Path(f"/proc/{node.agent_pid}/statm").read_text()
    return int(text.split()[1]) * os.sysconf("SC_PAGESIZE")


def test_ten_megabytes_are_refused_quickly_and_cost_the_agent_no_memory(sandbox: Sandbox) -> None:
    node = sandbox.node
    before = rss_bytes(node)
    document = json.dumps({"cniVersion": "1.1.0", "name": "cilium", "x": "y" * (10 << 20)})
    began = time.monotonic()

    answers = [sandbox.call("ADD", stdin=document.encode()) for _ in range(5)]

    assert time.monotonic() - began < 5
    for called in answers:
        assert (called.code, called.answer["code"]) == (1, DECODE_FAILURE)
        assert str(1 << 20) in called.answer["msg"], "the limit is named"
    assert rss_bytes(node) - before < 4 << 20


def test_ten_megabytes_sent_past_the_plugin_are_refused_by_their_length(
    sandbox: Sandbox,
) -> None:
    """The agent allocates nothing for a length that a client only announces."""
    before = rss_bytes(sandbox.node)

    def announce() -> bytes:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(10)
            agent.connect("/var/run/cilium/cni.sock")
            agent.sendall(b"CNI1" + struct.pack("!I", 0) + struct.pack("!I", 1 << 31))
            return agent.recv(4096)

    answer = sandbox.node.inside(announce)

    assert json.loads(answer[5:])["code"] == DECODE_FAILURE
    assert rss_bytes(sandbox.node) - before < 4 << 20


@pytest.mark.parametrize(
    "octets", [b"GET / HTTP/1.1\r\n\r\n", b"CNI1\xff\xff\xff\xff", b"CNI1", b"", bytes(64)]
)
def test_socket_survives_what_is_no_request(sandbox: Sandbox, octets: bytes) -> None:
    def send() -> None:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect("/var/run/cilium/cni.sock")
            agent.sendall(octets)

    sandbox.node.inside(send)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CNI_COMMAND", "DANCE"),
        ("CNI_COMMAND", ""),
        ("CNI_CONTAINERID", ""),
        ("CNI_CONTAINERID", "../../etc/passwd"),
        ("CNI_IFNAME", "a/b"),
        ("CNI_IFNAME", "much-too-long-a-name"),
        ("CNI_NETNS", ""),
    ],
)
def test_wrong_environment_is_named(sandbox: Sandbox, name: str, value: str) -> None:
    environment = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": sandbox.container_id,
        "CNI_NETNS": sandbox.netns,
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/opt/cni/bin",
        "CNI_ARGS": "K8S_POD_NAMESPACE=default;K8S_POD_NAME=x",
        name: value,
    }

    called = call_plugin(
        sandbox.node, environment, b'{"cniVersion":"1.1.0","name":"cilium","type":"ciliate-cni"}'
    )

    assert called.code == 1
    assert called.answer["code"] == INVALID_ENVIRONMENT, called
    assert name in called.answer["msg"] + called.answer.get("details", "")


@pytest.mark.parametrize("netns", ["/run/no-such-netns", "/etc/hostname", "/proc/1/ns/uts"])
def test_namespace_that_is_none_fails_and_leaves_nothing(node: FaultyNode, netns: str) -> None:
    called = call_plugin(
        node,
        {
            "CNI_COMMAND": "ADD",
            "CNI_CONTAINERID": "no-netns",
            "CNI_NETNS": netns,
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": "K8S_POD_NAMESPACE=default;K8S_POD_NAME=x",
        },
        b'{"cniVersion":"1.1.0","name":"cilium","type":"ciliate-cni"}',
    )

    assert called.code == 1
    assert netns in called.stdout
    node.wait_settled(endpoints=0)
