"""Another user on the machine reaches neither the agent's sockets nor its files."""

from collections.abc import Iterator

import pytest
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab

#: As another user, without any capability, in the node's own namespaces.
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


@pytest.fixture(scope="module")
def node() -> Iterator[FaultyNode]:
    with fault_lab("user") as lab:
        apply_pod(lab, "web", "k8s-w1")
        yield FaultyNode(lab, "k8s-w1")


def as_nobody(node: FaultyNode, script: str) -> str:
    """What a shell of the other user prints."""
    done = node.run(*NOBODY, "sh", "-c", script, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", ["cilium.sock", "cni.sock"])
def test_other_user_cannot_connect_to_a_socket(node: FaultyNode, name: str) -> None:
    program = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX)\n"
        "try: s.connect(sys.argv[1])\n"
        "except OSError as error: print(type(error).__name__)\n"
        "else: print('connected')"
    )
    words = ("/usr/bin/python3", "-c", program, f"/var/run/cilium/{name}")

    assert node.run(*NOBODY, *words).stdout == "PermissionError\n"
    assert node.run(*words).stdout == "connected\n"


def test_other_user_can_read_no_file_of_the_agent(node: FaultyNode) -> None:
    script = "find /var/run/cilium ! -type d -readable -print 2>/dev/null"

    assert as_nobody(node, script) == ""
    assert "/endpoints/" in node.run("sh", "-c", script).stdout


def test_other_user_cannot_list_the_agents_folders(node: FaultyNode) -> None:
    for folder in ("state", "state/endpoints", "deleteQueue"):
        assert "Permission denied" in as_nobody(node, f"ls /var/run/cilium/{folder}")


def test_other_user_can_change_nothing_of_the_agents(node: FaultyNode) -> None:
    script = (
        "find /var/run/cilium /etc/cni/net.d /opt/cni/bin /sys/fs/bpf"
        " ! -type l -writable -print 2>/dev/null"
    )

    assert as_nobody(node, script) == ""


def test_other_user_cannot_open_a_pinned_map_or_program(node: FaultyNode) -> None:
    words = ("bpftool", "map", "dump", "pinned", "/sys/fs/bpf/tc/globals/endpoints")

    assert node.run(*NOBODY, *words, check=False).returncode != 0
    assert node.run(*words).returncode == 0
    assert as_nobody(node, "find /sys/fs/bpf -type f -readable 2>/dev/null") == ""


def test_other_user_sees_no_credentials_of_the_agent(node: FaultyNode) -> None:
    pid = node.agent_pid

    for file in ("environ", "mem", "fd/", "root/", "cwd/"):
        path = f"/proc/{pid}/{file}"
        assert "ermission denied" in as_nobody(node, f"ls {path} && head -c1 {path}")
    readable = as_nobody(node, f"find {node.lab.folder} -type f -readable 2>/dev/null")
    secrets = [path for path in readable.split() if "kubeconfig" in path or "/pki/" in path]
    assert secrets == []
    command = as_nobody(node, f"tr '\\0' ' ' < /proc/{pid}/cmdline")
    assert "BEGIN" not in command
    assert "token" not in command


def test_plugin_of_another_user_is_refused_at_once(node: FaultyNode) -> None:
    done = node.run(
        *(*NOBODY, "env", "CNI_COMMAND=ADD", "CNI_CONTAINERID=x", "CNI_NETNS=/proc/self/ns/net"),
        *("CNI_IFNAME=eth0", "CNI_PATH=/opt/cni/bin", "/opt/cni/bin/ciliate-cni"),
        text='{"cniVersion": "1.1.0", "name": "cilium", "type": "ciliate-cni"}',
        check=False,
    )

    assert done.returncode == 1
    assert "Permission denied" in done.stdout


def test_nothing_listens_but_what_settings_ask_for(node: FaultyNode) -> None:
    """Metrics: prometheus-serve-addr :9962, the operator's :9963, hubble-metrics-server :9965.

    Flows, by TLS: hubble-listen-address :4244. Health: loopback alone.
    """
    listening = node.run("ss", "-H", "-lntu").stdout

    sockets = {line.split()[4] for line in listening.splitlines()}
    health = {"127.0.0.1:9879", "[::1]:9879"}
    ports = {each.rpartition(":")[2] for each in sockets - health}
    assert ports <= {"9962", "9963", "9965", "4244"}
    assert "9962" in ports
