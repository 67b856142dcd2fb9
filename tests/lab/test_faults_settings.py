"""A wrong setting stops the agent before it touches the kernel; pods keep their traffic."""

import json
import re
from collections.abc import Iterator

import pytest
from tests.deadlines import stretch
from tests.lab.cluster import Cluster, Done, ciliate, eventually
from tests.lab.faulty_node import LONG, FaultyNode, apply_pod, fault_lab, frozen, pod_ip, process
from tests.lab.streams import assert_unbroken, udp_stream

#: Flag, then what the one message must hold: key, value, remedy.
WRONG = [
    ("--ipam=bogus", ("ipam", "'bogus'", "choose")),
    ("--ipv4-native-routing-cidr=10.244.0.0/33", ("'10.244.0.0/33'", "such as")),
    ("--ipv4-native-routing-cidr=10.244.0.1/16", ("'10.244.0.1/16'", "such as")),
    ("--ipv4-native-routing-cidr=", ("ipv4-native-routing-cidr", "''", "set it to")),
    ("--devices=eth7", ("devices", "'eth7'", "choose of", "eth1")),
    ("--direct-routing-device=eth7", ("direct-routing-device", "'eth7'", "choose of")),
    ("--routing-mode=bogus", ("routing-mode", "'bogus'", "native")),
    ("--mtu=abc", ("mtu", "'abc'")),
    ("--enable-ipv4=perhaps", ("enable-ipv4", "'perhaps'", "true")),
]

#: Exit code of timeout(1).
TIMED_OUT = 124


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("settings") as started:
        apply_pod(started, "left", "k8s-ctr")
        apply_pod(started, "right", "k8s-w1")
        eventually(lambda: knows_pods(started), what="w1 knows both pods' identities")
        yield started


def knows_pods(lab: Cluster) -> bool:
    """Whether the maps of the node say all there is to say of the pods: then they stand still."""
    listed = lab.exec("k8s-w1", "cilium-dbg", "bpf", "ipcache", "list", "-o", "json")
    known: dict[str, list[str]] = json.loads(listed)
    wanted = [f"{pod_ip(lab, name)}/32" for name in ("left", "right")]
    return all("identity=5 " not in " ".join(known.get(ip, ["identity=5 "])) for ip in wanted)


@pytest.fixture
def node(lab: Cluster) -> FaultyNode:
    return FaultyNode(lab, "k8s-w1")


def run_agent(node: FaultyNode, *flags: str, within_s: int = 20) -> Done:
    """An agent in the node with flags of its own, to its end; one that goes on is ended."""
    return node.run(
        *("timeout", "--signal=TERM", f"{within_s * stretch():.0f}", "env"),
        f"KUBECONFIG={node.lab.folder}/machines/kubeconfig",
        f"K8S_NODE_NAME={node.name}",
        *("ciliate", "agent", *flags),
        check=False,
    )


def kernel(node: FaultyNode) -> dict[str, str]:
    """All that an agent might have changed, as text."""
    globals_path = "/sys/fs/bpf/tc/globals"
    commands = {
        "routes": "ip -4 route show table all; ip -6 route show table all",
        "rules": "ip rule; ip -6 rule",
        "links": "ip -d link; ip addr",
        "filters": "for d in /sys/class/net/*; do tc filter show dev ${d##*/} ingress;"
        " tc filter show dev ${d##*/} egress; done",
        "pins": "find /sys/fs/bpf -printf '%p %i %m\\n'",
        "programs": "for p in $(find /sys/fs/bpf/ciliate -type f); do"
        " bpftool prog show pinned $p | head -1; done",
        "maps": f"for m in interfaces endpoints ipcache masquerade_addresses; do"
        f" bpftool map show pinned {globals_path}/$m | head -1;"
        f" bpftool map dump pinned {globals_path}/$m; done",
        "sysctls": "grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf"
        " /proc/sys/net/ipv4/ip_forward 2>/dev/null | sort",
        "conflist": "cat /etc/cni/net.d/*",
    }
    found = {name: node.run("sh", "-c", text).stdout for name, text in commands.items()}
    # Lifetimes change meanwhile.
    return {name: re.sub(r"valid_lft \d+sec.*", "", text) for name, text in found.items()}


def test_snapshot_of_the_kernel_sees_a_change(node: FaultyNode) -> None:
    before = kernel(node)

    node.run("ip", "route", "add", "198.51.100.0/24", "via", "192.168.10.200")
    changed = kernel(node)
    node.run("ip", "route", "del", "198.51.100.0/24")

    assert {name for name in before if before[name] != changed[name]} == {"routes"}
    assert kernel(node) == before
    assert all(before[name] for name in before if name != "filters")


def test_every_wrong_setting_stops_the_agent_before_it_touches_anything(
    lab: Cluster, node: FaultyNode
) -> None:
    with frozen(process(lab, "kube")):  # The kubelet starts no agent here.
        node.kill_agent()
        before = kernel(node)
        with udp_stream(lab, "left", "right", pod_ip(lab, "right")) as udp:
            answers = {flag: run_agent(node, flag) for flag, _ in WRONG}
        after = kernel(node)

    node.wait_agent()
    assert_unbroken(udp)
    assert after == before
    for flag, words in WRONG:
        done = answers[flag]
        assert done.returncode == 1, flag
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        assert len(lines) == 1, f"{flag}: {done.stderr}"
        missing = [word for word in words if word not in lines[0]]
        assert not missing, f"{flag}: {lines[0]}"


def test_wrong_config_map_is_reported_in_the_pods_log_and_put_right_without_loss(
    lab: Cluster, node: FaultyNode
) -> None:
    def patch(value: str) -> None:
        body = json.dumps({"data": {"ipv4-native-routing-cidr": value}})
        lab.kubectl("-n", "kube-system", "patch", "cm", "cilium-config", "-p", body)

    def pod() -> dict[str, str]:
        pods = lab.object(
            *("pods", "-n", "kube-system", "-l", "k8s-app=cilium"),
            *("--field-selector", f"spec.nodeName={node.name}"),
        )["items"]
        if len(pods) != 1 or "deletionTimestamp" in pods[0]["metadata"]:
            return {}
        states = [s["state"] for s in pods[0]["status"].get("containerStatuses", [])]
        ended = [s for s in states if "waiting" in s or "terminated" in s]
        return {"name": pods[0]["metadata"]["name"], "state": json.dumps(ended)}

    with udp_stream(lab, "left", "right", pod_ip(lab, "right")) as udp:
        patch("10.244.0.0/16/24")
        node.replace_agent()
        eventually(
            lambda: "CrashLoopBackOff" in pod().get("state", ""), within_s=20, what="a crash loop"
        )
        log = lab.kubectl("-n", "kube-system", "logs", pod()["name"])
        kubeconfig = f"--kubeconfig={lab.folder}/kubeconfig"
        told = {
            "status": ciliate("status", kubeconfig, check=False),
            "lab status": ciliate("lab", "status", "--name", lab.name, check=False),
            "lab restart": restart(lab, node, check=False),
        }
        patch("10.244.0.0/16")
        replaced = restart(lab, node)
        node.wait_agent()

    assert "ipv4-native-routing-cidr: '10.244.0.0/16/24'" in log
    assert "Traceback" not in log
    for command, done in told.items():
        assert done.returncode == 1, command
        last_line = "ipv4-native-routing-cidr: '10.244.0.0/16/24' is no prefix: write network"
        assert last_line in done.stdout + done.stderr, command
    assert "replaced" in replaced.stdout, "pods that crash already are not waited for"
    assert_unbroken(udp)


def restart(lab: Cluster, node: FaultyNode, *, check: bool = True) -> Done:
    return ciliate("lab", "restart", "--name", lab.name, "agent", node.name, check=check)


def test_second_agent_leaves_the_first_in_peace(lab: Cluster, node: FaultyNode) -> None:
    """An agent started by hand beside a running one: with a wrong setting, and with good ones.

    It waits for the first one's end, as a new pod does for the old one; not for ever.
    """
    first = node.agent_pid
    before = kernel(node)

    for flag in ("--devices=eth7", "--debug=false"):
        done = run_agent(node, flag, within_s=45 if LONG else 1)

        assert done.returncode == (1 if LONG else TIMED_OUT), f"{flag}: {done.stderr}"
        assert ("another agent" in done.stderr) or not LONG
        assert node.asked("healthz") is not None, f"{flag}: the first agent's socket is gone"
    assert node.agent_pid == first
    assert kernel(node) == before
    assert node.run("ls", "/var/run/cilium/cni.sock").returncode == 0
