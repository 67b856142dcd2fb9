"""`enable-bpf-masquerade: false`: the host's stack masquerades, and either takes over from the other.

What the world sees is asked of the world: a server there answers each line with the address that it
came from, and tcpdump looks for pods' addresses all the while.
"""

import contextlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

import pytest
from tests.deadlines import stretch
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab

PYTHON: Final = ("/usr/bin/python3", "-S", "-c")
NODES: Final = ("k8s-ctr", "k8s-w1")

#: Machines of the world by address: where they are, and as what they see a pod of k8s-w1.
WORLD: Final = (
    ("192.168.10.200", "192.168.10.101"),
    ("10.10.1.200", "192.168.10.101"),
    ("203.0.113.10", "10.0.2.15"),
    ("fd00:192:168:10::200", "fd00:192:168:10::101"),
    ("fd00:10:10:1::200", "fd00:192:168:10::101"),
    ("2001:db8:113::10", "fd00:10:0:2::15"),
)

#: Answers each line of TCP, and each datagram, with the client's address and port.
SERVER: Final = """
import selectors, socket
sel = selectors.DefaultSelector()
def name(peer):
    return f"{peer[0].removeprefix('::ffff:')} {peer[1]}\\n".encode()
def bound(kind):
    s = socket.socket(socket.AF_INET6, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", 9100))
    return s
def accept(s):
    one, peer = s.accept()
    sel.register(one, selectors.EVENT_READ, lambda s: answer(s, peer))
def answer(s, peer):
    try:
        if s.recv(65536):
            return s.sendall(name(peer))
    except OSError:
        pass
    sel.unregister(s)
    s.close()
def datagram(s):
    _, asked_at, _, peer = s.recvmsg(65536, 256)  # Answered from the address that was asked.
    s.sendmsg([name(peer)], asked_at, 0, peer)
tcp, udp = bound(socket.SOCK_STREAM), bound(socket.SOCK_DGRAM)
udp.setsockopt(socket.IPPROTO_IPV6, 49, 1)  # IPV6_RECVPKTINFO
tcp.listen(128)
sel.register(tcp, selectors.EVENT_READ, accept)
sel.register(udp, selectors.EVENT_READ, datagram)
print("ready", flush=True)
while True:
    for key, _ in sel.select():
        key.data(key.fileobj)
"""

#: Asks each address once over TCP and UDP; prints {"tcp": {address: seen}, "udp": ...}.
ASK: Final = """
import json, socket, sys
seen = {"tcp": {}, "udp": {}}
for address in sys.argv[1:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind, number in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
        s = socket.socket(family, number)
        s.settimeout(3)
        s.connect((address, 9100))
        s.send(b"x\\n")
        seen[kind][address] = s.recv(100).decode().split()
print(json.dumps(seen))
"""

#: Holds one connection to each address and opens a new one to each all the while, until a line comes
#: on its input; prints what each connection was seen as, and what failed, and from which port. Its
#: first word is how long an answer may take.
HOLD: Final = """
import json, select, socket, sys, time
patience_s, addresses = float(sys.argv[1]), sys.argv[2:]
def opened(address):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.settimeout(patience_s)
    s.connect((address, 9100))
    return s
def asked(s):
    s.send(b"x\\n")
    return s.recv(100).decode().strip() or "closed"
def failed(step, address, error):
    failures.append(f"{step} {address}: {error}, {time.monotonic() - began_s:.1f} s after the start")
held = {a: opened(a) for a in addresses}
seen = {a: set() for a in held}
fresh = {a: set() for a in held}
failures, rounds, began_s = [], 0, time.monotonic()
while True:
    for address, s in held.items():
        try:
            seen[address].add(asked(s))
        except OSError as error:
            failed("held", address, error)
        try:
            once = opened(address)
        except OSError as error:
            failed("new", address, error)
            continue
        try:
            with once:
                fresh[address].add(asked(once).split()[0])
        except OSError as error:
            failed(f"new, connected from {once.getsockname()},", address, error)
    rounds += 1
    if rounds == 1:
        print("holding", flush=True)
    if select.select([sys.stdin], [], [], 0.02)[0]:
        break
print(json.dumps({"seen": {a: sorted(x) for a, x in seen.items()}, "rounds": rounds,
                  "fresh": {a: sorted(x) for a, x in fresh.items()}, "failures": failures[:5]}))
"""

#: Asks each address over one UDP socket again and again, until a line comes on its input, or for a
#: minute; prints a line for each answer that shows another source than the one before.
ASK_ON: Final = """
import select, socket, sys, time
known, end_s = {}, time.monotonic() + 60
sockets = {}
for address in sys.argv[1:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sockets[address] = s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.connect((address, 9100))
while time.monotonic() < end_s and not select.select([sys.stdin], [], [], 0.05)[0]:
    for address, s in sockets.items():
        try:
            s.send(b"x")
            seen = s.recv(100).decode().split()[0]
        except OSError:
            continue
        if known.get(address) != seen:
            known[address] = seen
            print(address, seen, flush=True)
"""


def listening(lab: Cluster, place: str) -> subprocess.Popen[str]:
    """The server, ready on a machine or in a pod."""
    server = lab.background(place, *PYTHON, SERVER)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return server


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    """Two families, the programs masquerade, a server on each machine of the world."""
    with fault_lab("by-stack", "--dual-stack") as started, contextlib.ExitStack() as servers:
        for place in ("router", "internet"):
            servers.callback(servers.enter_context(listening(started, place)).kill)
        apply_pod(started, "one", "k8s-w1")
        apply_pod(started, "two", "k8s-w1")
        yield started


def patience_s() -> float:
    """How long an answer may take: what TCP repeats in that time, an idle machine takes as lost."""
    return 5.0 * stretch()


@contextlib.contextmanager
def held(lab: Cluster, pod: str, *addresses: str) -> Iterator[dict[str, Any]]:
    """Connections that go on inside the block; filled at its end with what became of them."""
    report: dict[str, Any] = {}
    with lab.background(pod, *PYTHON, HOLD, str(patience_s()), *addresses) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "holding\n"
            yield report
            out, err = holder.communicate("end\n", timeout=6 * patience_s())
            report.update(json.loads(out) if out else {"failures": [err]})
        finally:
            holder.kill()


@contextlib.contextmanager
def no_pod_seen(lab: Cluster) -> Iterator[None]:
    """Nothing may reach the router from a pod's address inside the block."""
    pods = (
        "(src net 10.244.0.0/16 and dst host 192.168.10.200)"
        " or (src net fd00:10:244::/56 and dst host fd00:192:168:10::200)"
    )
    words = ("tcpdump", "-lnn", "--immediate-mode", "-i", "eth1", pods)
    with lab.background("router", *words) as watching:
        _await_listening(watching)
        try:
            yield
        finally:
            watching.terminate()
        out, _ = watching.communicate(timeout=2 * patience_s())
    assert out.strip() == ""


def _await_listening(tcpdump: subprocess.Popen[str]) -> None:
    assert tcpdump.stderr is not None
    while "listening on" not in tcpdump.stderr.readline():
        assert tcpdump.poll() is None


def seen_by_world(lab: Cluster, pod: str) -> dict[str, dict[str, list[str]]]:
    """As what each machine of the world sees a pod."""
    found: dict[str, dict[str, list[str]]] = json.loads(
        lab.exec(pod, *PYTHON, ASK, *(address for address, _ in WORLD))
    )
    return found


def switch(lab: Cluster, back_end: str) -> None:
    """Have all nodes masquerade by `true`, the programs, or `false`, the stack."""
    lab.lab("upgrade", "--set", f"bpf.masquerade={back_end}")
    lab.lab("restart", "agent")
    for node in NODES:
        FaultyNode(lab, node).wait_agent()


def status(lab: Cluster, node: str = "k8s-w1") -> str:
    return lab.exec(node, "cilium-dbg", "status")


def table(lab: Cluster, node: str = "k8s-w1") -> str:
    """Our table as nft shows it; empty when there is none."""
    return FaultyNode(lab, node).run("nft", "list", "table", "inet", "ciliate", check=False).stdout


def assert_went_on(report: dict[str, Any], addresses: dict[str, str]) -> None:
    """Each connection was seen as one and the same, and each new one as the node."""
    assert report["failures"] == []
    for address, source in addresses.items():
        (one,) = report["seen"][address]
        assert one.split()[0] == source
        assert report["fresh"][address] == [source]


def test_connections_go_on_when_the_stack_takes_over_and_when_it_hands_over(lab: Cluster) -> None:
    world = dict(WORLD)
    with no_pod_seen(lab), held(lab, "one", *world) as from_programs:
        switch(lab, "false")
        assert "Masquerading:            IPTables [IPv4: Enabled, IPv6: Enabled]" in status(lab)
        assert "Host: Legacy" in status(lab)
        with held(lab, "two", *world) as from_stack:
            switch(lab, "true")
            assert "Masquerading:            BPF" in status(lab)
    assert_went_on(from_programs, world)
    assert_went_on(from_stack, world)

    eventually(lambda: not table(lab), within_s=60, what="table of nftables gone")
    assert "Host: BPF" in status(lab)


@pytest.mark.parametrize(
    ("back_end", "moment"),
    [
        ("false", lambda listed: "chain decide" in listed),
        ("true", lambda listed: "chain decide" not in listed),
    ],
    ids=["when the rules stand", "when the rules are gone"],
)
def test_agent_killed_in_the_middle_of_a_switch_breaks_nothing(
    lab: Cluster, back_end: str, moment: Callable[[str], bool]
) -> None:
    world, node = dict(WORLD), FaultyNode(lab, "k8s-w1")
    with no_pod_seen(lab), held(lab, "one", *world) as report:
        lab.lab("upgrade", "--set", f"bpf.masquerade={back_end}")
        node.replace_agent()
        eventually(lambda: moment(table(lab)), within_s=20)
        node.kill_agent()
        switch(lab, back_end)
    assert_went_on(report, world)


@contextlib.contextmanager
def without_nft(lab: Cluster) -> Iterator[None]:
    """The agents' containers have no program nft: a file that cannot be executed lies over it."""
    for node in NODES:
        FaultyNode(lab, node).run("sh", "-c", "echo none > /run/no-program")
    pod = lab.object("-n", "kube-system", "ds", "cilium")["spec"]["template"]["spec"]
    at = {
        f"/spec/template/spec/volumes/{len(pod['volumes'])}": {
            "name": "hidden",
            "hostPath": {"path": "/run/no-program", "type": "File"},
        },
        "/spec/template/spec/containers/0/volumeMounts/"
        f"{len(pod['containers'][0]['volumeMounts'])}": {
            "name": "hidden",
            "mountPath": "/usr/sbin/nft",
        },
    }
    added = [{"op": "add", "path": path, "value": value} for path, value in at.items()]
    removed = [{"op": "remove", "path": path} for path in reversed(at)]
    patch = ("-n", "kube-system", "patch", "ds", "cilium", "--type=json", "-p")
    lab.kubectl(*patch, json.dumps(added))
    try:
        yield
    finally:
        lab.kubectl(*patch, json.dumps(removed))


def test_node_without_nft_says_so_and_goes_on_as_before(lab: Cluster) -> None:
    def said() -> str:
        pods = lab.object("-n", "kube-system", "pods")["items"]
        states = [c for pod in pods for c in pod["status"].get("containerStatuses", [])]
        return json.dumps(states)

    world = dict(WORLD)
    eventually(lambda: not table(lab), within_s=150, what="the end of what was before")
    with no_pod_seen(lab), held(lab, "one", *world) as report:
        lab.lab("upgrade", "--set", "bpf.masquerade=false")
        with without_nft(lab):
            eventually(lambda: "there is no program nft: install the package nftables" in said())
            assert not table(lab)
            lab.lab("upgrade", "--set", "bpf.masquerade=true")
        for node in NODES:
            FaultyNode(lab, node).wait_agent()
    assert_went_on(report, world)


@pytest.fixture(scope="module")
def by_stack(lab: Cluster) -> Cluster:
    """The lab with the stack masquerading, all by itself."""
    switch(lab, "false")
    eventually(lambda: "chain stray" in table(lab), within_s=60, what="the takeover's end")
    return lab


def test_world_sees_the_leaving_devices_address(by_stack: Cluster) -> None:
    seen = seen_by_world(by_stack, "one")

    for kind in ("tcp", "udp"):
        assert {address: found[0] for address, found in seen[kind].items()} == dict(WORLD)
        assert all(int(port) >= 32768 for _, port in seen[kind].values())


def test_cluster_sees_the_pods_own_address(by_stack: Cluster) -> None:
    """Another node, and a pod on it."""
    own = {str(a["ip"]) for a in by_stack.object("pod", "one")["status"]["podIPs"]}
    for address in ("192.168.10.100", "fd00:192:168:10::100"):
        with listening(by_stack, "k8s-ctr") as server:
            try:
                found = json.loads(by_stack.exec("one", *PYTHON, ASK, address))
            finally:
                server.kill()
        assert {found["tcp"][address][0], found["udp"][address][0]} <= own


def test_flushed_rules_come_back_and_those_of_others_stay(by_stack: Cluster) -> None:
    node = FaultyNode(by_stack, "k8s-w1")
    node.run("nft", "add table inet others { chain c { type filter hook input priority 0; }; }")
    before = table(by_stack)
    assert before

    node.run("nft", "delete", "table", "inet", "ciliate")
    eventually(lambda: _without_counts(table(by_stack)) == _without_counts(before))

    assert "chain c" in node.run("nft", "list", "table", "inet", "others").stdout
    node.run("nft", "delete", "table", "inet", "others")
    seen = seen_by_world(by_stack, "one")["tcp"]
    assert {address: found[0] for address, found in seen.items()} == dict(WORLD)


def _without_counts(listed: str) -> list[str]:
    """The lines of a table, whatever came first of its parts."""
    return sorted(re.sub(r"packets \d+ bytes \d+", "", listed).splitlines())


def test_killed_agent_leaves_the_rules_at_work(by_stack: Cluster) -> None:
    node = FaultyNode(by_stack, "k8s-w1")
    before = _without_counts(table(by_stack))

    pid = node.kill_agent()
    assert _without_counts(table(by_stack)) == before
    seen = seen_by_world(by_stack, "one")["tcp"]
    node.wait_agent(other_than=pid)

    assert {address: found[0] for address, found in seen.items()} == dict(WORLD)


def test_packet_that_conntrack_cannot_place_does_not_leave_with_the_pods_address(
    by_stack: Cluster,
) -> None:
    """A datagram with a wrong checksum: what would be translated is dropped, the rest passes."""
    script = """
import socket, struct, sys
source, target = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
udp = struct.pack(">HHHH", 7777, 9999, 8, 0xbad)
head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0,
                   socket.inet_aton(source), socket.inet_aton(target))
s.sendto(head + udp, (target, 0))
"""
    own = by_stack.object("pod", "one")["status"]["podIP"]

    with no_pod_seen(by_stack):
        by_stack.exec("one", *PYTHON, script, own, "192.168.10.200")
        eventually(lambda: re.search(r"counter packets [1-9]", table(by_stack)))


@pytest.mark.parametrize("tool", ["iptables-legacy", "iptables-nft"])
def test_translation_that_an_administrator_wrote_decides_first(
    by_stack: Cluster, tool: str
) -> None:
    node = FaultyNode(by_stack, "k8s-w1")
    if not node.run("sh", "-c", f"command -v {tool}", check=False).stdout:
        pytest.skip(f"needs {tool}")
    rule = ("POSTROUTING", "-d", "192.168.10.200", "-j", "SNAT", "--to-source", "192.168.10.77")
    node.run("ip", "address", "add", "192.168.10.77/24", "dev", "eth1")
    node.run(tool, "-t", "nat", "-A", *rule)
    try:
        seen = seen_by_world(by_stack, "two")["tcp"]
    finally:
        node.run(tool, "-t", "nat", "-D", *rule)
        node.run("ip", "address", "del", "192.168.10.77/24", "dev", "eth1")

    expected = {**dict(WORLD), "192.168.10.200": "192.168.10.77"}
    assert {address: found[0] for address, found in seen.items()} == expected


def test_address_that_comes_and_goes_is_none_to_masquerade_with(by_stack: Cluster) -> None:
    """Nearer to the destination than the node's own, so the kernel would choose it for IPv6."""
    node, virtual = FaultyNode(by_stack, "k8s-w1"), "fd00:192:168:10::201/128"
    node.run("ip", "address", "add", virtual, "dev", "eth1", "nodad")
    try:
        with held(by_stack, "one", "fd00:192:168:10::200") as report:
            node.run("ip", "address", "del", virtual, "dev", "eth1")
            seen_by_world(by_stack, "one")  # Meanwhile the other asks on.
    finally:
        node.run("ip", "address", "del", virtual, "dev", "eth1", check=False)

    assert_went_on(report, {"fd00:192:168:10::200": "fd00:192:168:10::101"})


def test_policy_decides_for_a_running_pod_whose_datagrams_follow_and_tcp_stays(
    by_stack: Cluster,
) -> None:
    """The same as by the programs; what is explained is what the router sees."""
    extra = {"192.168.10.200": "192.168.10.78", "fd00:192:168:10::200": "fd00:192:168:10::78"}
    usual, node = dict(WORLD), FaultyNode(by_stack, "k8s-w1")
    rule = {
        "podSelector": {"matchLabels": {"app": "one"}},
        "destinations": [{"cidr": "192.168.10.0/24"}, {"cidr": "fd00:192:168:10::/64"}],
        "source": "Address",
        "addresses": list(extra.values()),
    }
    policy = {
        "apiVersion": "ciliate.io/v1alpha1",
        "kind": "MasqueradePolicy",
        "metadata": {"name": "follow"},
        "spec": {"priority": 1, "rules": [rule]},
    }
    for address in extra.values():
        node.run(
            "ip", "address", "add", f"{address}/{64 if ':' in address else 24}", "dev", "eth1"
        )
    try:
        with (
            held(by_stack, "one", *extra) as report,
            by_stack.background("one", *PYTHON, ASK_ON, *extra) as asking,
        ):
            assert asking.stdout is not None
            _await_sources(asking.stdout, {each: usual[each] for each in extra})
            by_stack.kubectl("apply", "-f", "-", text=json.dumps(policy))
            _await_sources(asking.stdout, extra)
            assert seen_by_world(by_stack, "two")["tcp"]["192.168.10.200"][0] == "192.168.10.101"
            for target, source in extra.items():
                asked = f"[{target}]:9100/udp" if ":" in target else f"{target}:9100/udp"
                words = ("cilium-dbg", "explain", "masquerade", "one", asked, "-o", "json")
                found = json.loads(by_stack.exec("k8s-w1", *words))
                assert (found["source"], found["decided-by"]) == (
                    source,
                    "rule 2, policy/follow/0",
                )
            by_stack.kubectl("delete", "masqpol", "follow")
            _await_sources(asking.stdout, {each: usual[each] for each in extra})
            asking.communicate("end\n", timeout=2 * patience_s())
    finally:
        by_stack.kubectl("delete", "masqpol", "--all")
        for address in extra.values():
            node.run(
                "ip", "address", "del", f"{address}/{64 if ':' in address else 24}", "dev", "eth1"
            )
    assert report["failures"] == []
    assert all(len(seen) == 1 for seen in report["seen"].values())


def _await_sources(lines: IO[str], wanted: dict[str, str]) -> None:
    """Read until each address has shown the pod's source that is wanted, in whatever order."""
    left = dict(wanted)
    for line in lines:
        address, seen = line.split()
        if left.get(address) == seen:
            del left[address]
        if not left:
            return
    raise AssertionError(f"never seen: {left}")


def test_settings_of_this_back_end_hold(by_stack: Cluster) -> None:
    node = FaultyNode(by_stack, "k8s-w1")
    route = ["10.10.0.0/16", "via", "192.168.10.200", "dev", "eth1", "proto", "static"]
    node.run("ip", "address", "add", "192.168.10.77/24", "dev", "eth1")
    node.run("ip", "route", "replace", *route, "src", "192.168.10.77")
    on = ("--set", "enableMasqueradeRouteSource=true", "--set", "egressMasqueradeInterfaces=eth1")
    off = ("--set", "enableMasqueradeRouteSource=false", "--set", "egressMasqueradeInterfaces=")
    try:
        by_stack.lab("upgrade", *on)
        node.replace_agent()
        node.wait_agent()
        routed = ("192.168.10.200", "10.10.1.200")
        seen = json.loads(by_stack.exec("one", *PYTHON, ASK, *routed))["tcp"]
        pods = ("tcpdump", "-nnc1", "--immediate-mode", "-i", "any", "src net 10.244.0.0/16")
        with by_stack.background("internet", *pods) as watching:
            _await_listening(watching)
            by_stack.exec("one", "ping", "-c", "1", "-W", "1", "203.0.113.10", check=False)
            assert (
                "> 203.0.113.10: ICMP echo request"
                in watching.communicate(timeout=2 * patience_s())[0]
            )
    finally:
        node.run("ip", "route", "replace", *route)
        node.run("ip", "address", "del", "192.168.10.77/24", "dev", "eth1")
        by_stack.lab("upgrade", *off)
        node.replace_agent()
        node.wait_agent()

    assert [seen[address][0] for address in routed] == ["192.168.10.101", "192.168.10.77"]


def test_ranges_of_ip_masq_agent_see_the_pods_address_here_too(by_stack: Cluster) -> None:
    node = FaultyNode(by_stack, "k8s-w1")
    config = "ipMasqAgent.config.nonMasqueradeCIDRs="
    on = ("ipMasqAgent.enabled=true", f"{config}{{10.10.2.0/24,fd00:10:10:2::/64}}")
    own = {str(a["ip"]) for a in by_stack.object("pod", "one")["status"]["podIPs"]}

    def seen_as(address: str) -> str:
        """The source of a ping, which need not be answered."""
        family, kind = ("ip6", "ICMP6, echo") if ":" in address else ("ip", "ICMP echo")
        words = (
            "tcpdump",
            "-nnc1",
            "--immediate-mode",
            "-i",
            "any",
            f"{family} dst host {address}",
        )
        with by_stack.background("router", *words) as watching:
            _await_listening(watching)
            by_stack.exec("one", "ping", "-c", "1", "-W", "1", address, check=False)
            line = watching.communicate(timeout=2 * patience_s())[0]
        found = re.search(rf"(\S+) > \S+: {kind} request", line)
        assert found, line
        return found[1]

    try:
        by_stack.lab("upgrade", "--set", on[0], "--set", on[1])
        node.replace_agent()
        node.wait_agent()
        assert "IPTables (ip-masq-agent) [IPv4: Enabled, IPv6: Enabled]" in status(by_stack)
        assert {seen_as("10.10.2.200"), seen_as("fd00:10:10:2::200")} <= own
        assert seen_as("10.10.1.200") == "192.168.10.101"

        by_stack.lab("upgrade", "--set", f"{config}{{10.10.1.0/24}}")
        eventually(lambda: "10.10.1.0/24" in table(by_stack), within_s=30, what="the new list")
        assert seen_as("10.10.1.200") in own
        assert seen_as("10.10.2.200") == "192.168.10.101"
    finally:
        by_stack.lab("upgrade", "--set", "ipMasqAgent.enabled=false")
        by_stack.kubectl("-n", "kube-system", "delete", "cm", "ip-masq-agent")
        node.replace_agent()
        node.wait_agent()
