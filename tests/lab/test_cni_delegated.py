"""`ipam: delegated-plugin`: pods get their addresses from the reference plugins host-local and static.

Interface, routes, masquerading and the CiliumEndpoint are ours as ever.
"""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, pod_ip
from tests.lab.other_plugins import (
    NODES,
    VERSION,
    a_list,
    assert_pods_of_old_versions_live_and_go,
    await_ping,
    booked,
    delete_pods,
    host_local,
    internet_of,
    needs_plugins,
    pod_ips,
    reconfigure,
    seen_by_internet,
    write_file,
)
from tests.lab.plugin_calls import Sandbox, make_sandboxes, remove_sandboxes

pytestmark = needs_plugins("host-local", "static")

ROUTER = "169.254.23.1"
SUBNETS = {"k8s-ctr": "10.60.0.0/24", "k8s-w1": "10.60.1.0/24"}

#: A plugin that does what the file beside it says; otherwise it is host-local.
MOODY = """#!/bin/sh
echo "$CNI_COMMAND" >> /run/moody-asked
[ -e /run/moody-$CNI_COMMAND ] && . /run/moody-$CNI_COMMAND
exec /usr/lib/cni/host-local
"""


def our_list(node: FaultyNode) -> str:
    """Our plugin alone, with host-local's addresses of the node's own range."""
    return a_list({"type": "ciliate-cni", "ipam": host_local(SUBNETS[node.name])})


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("delegated") as started:
        reconfigure(
            started,
            our_list,
            "ipam.mode=delegated-plugin",
            "cni.customConf=true",
            f"local-router-ipv4={ROUTER}",
        )
        yield started


@pytest.fixture
def node(lab: Cluster) -> Iterator[FaultyNode]:
    """A node that is left as it was: every allocated address has a pod."""
    worker = FaultyNode(lab, "k8s-w1")
    before = booked(worker)
    yield worker
    assert booked(worker) == before


@pytest.fixture
def sandbox(node: FaultyNode) -> Iterator[Sandbox]:
    (made,) = make_sandboxes(node, 1, "delegated")
    yield made
    remove_sandboxes([made])


def call(
    sandbox: Sandbox, command: str, *, ipam: dict[str, Any] | None = None, **more: Any
) -> Any:
    """Our plugin called with an IPAM section; host-local's if none is given."""
    section = host_local(SUBNETS["k8s-w1"]) if ipam is None else ipam
    extra = {"name": "test", "ipam": section, **more}
    environment = {"CNI_PATH": "/opt/cni/bin:/usr/lib/cni:/run/plugins"}
    return sandbox.call(command, version=VERSION, extra=extra, environment=environment)


def test_pods_of_two_nodes_reach_each_other_and_the_world(lab: Cluster) -> None:
    nodes = [FaultyNode(lab, name) for name in NODES]
    for name in NODES:
        apply_pod(lab, f"pod-{name}", name)

    addresses = {name: pod_ip(lab, f"pod-{name}") for name in NODES}
    assert [addresses[name].rpartition(".")[0] for name in NODES] == ["10.60.0", "10.60.1"]
    for node in nodes:
        assert addresses[node.name] in booked(node)
        assert addresses[node.name] not in node.allocations(), "in no allocator of ours"
        cep = lab.object("ciliumendpoint", f"pod-{node.name}")
        assert cep["status"]["networking"]["addressing"][0]["ipv4"] == addresses[node.name]
    await_ping(lab, "pod-k8s-ctr", addresses["k8s-w1"])
    await_ping(lab, "pod-k8s-w1", addresses["k8s-ctr"])
    for name in NODES:
        assert seen_by_internet(lab, f"pod-{name}") == internet_view(lab, name)

    status = nodes[0].run("cilium-dbg", "status", check=False).stdout
    assert "Delegated to" in status

    delete_pods(lab, *(f"pod-{name}" for name in NODES))
    for node in nodes:
        await_freed(node, addresses[node.name])


def await_freed(node: FaultyNode, *addresses: str) -> None:
    """Wait until host-local has them back: a DEL may come after the pod's object went."""
    freed = set(addresses)
    eventually(lambda: not freed & booked(node).keys(), what=f"{addresses} freed by host-local")


def internet_view(lab: Cluster, machine: str) -> str:
    """What the world sees of a node, whose address pods get."""
    return seen_by_internet(lab, machine)


def test_pods_of_lists_of_old_versions_live_and_go(lab: Cluster, node: FaultyNode) -> None:
    entry = {"type": "ciliate-cni", "ipam": host_local(SUBNETS[node.name])}
    apply_pod(lab, "peer", "k8s-ctr")
    assert_pods_of_old_versions_live_and_go(
        lab, node, lambda version: a_list(entry, version=version), peer="peer"
    )
    delete_pods(lab, "peer")


def test_pod_lives_on_through_a_restart_of_the_agent(lab: Cluster, node: FaultyNode) -> None:
    apply_pod(lab, "stays", node.name)
    address = pod_ip(lab, "stays")

    killed = node.kill_agent()
    node.replace_agent()
    node.wait_agent(other_than=killed)

    assert booked(node).keys() >= {address}
    await_ping(lab, "stays", "203.0.113.10")
    assert address not in node.allocations()
    delete_pods(lab, "stays")
    await_freed(node, address)


def test_delete_while_the_agent_is_away_frees_the_address_when_it_is_back(
    node: FaultyNode, sandbox: Sandbox
) -> None:
    assert call(sandbox, "ADD").ok
    assert sandbox.container_id in booked(node).values()
    killed = node.kill_agent()

    assert call(sandbox, "DEL").ok

    node.replace_agent()
    node.wait_agent(other_than=killed)
    eventually(lambda: sandbox.container_id not in booked(node).values(), within_s=20)


def test_static_gives_the_address_that_the_configuration_names(
    node: FaultyNode, sandbox: Sandbox
) -> None:
    section = {"type": "static", "addresses": [{"address": "10.60.9.9/24"}]}

    added = call(sandbox, "ADD", ipam=section)

    assert added.ok, added
    assert added.address == "10.60.9.9"
    assert "10.60.9.9" in node.endpoint_addresses().values()
    checked = call(sandbox, "CHECK", ipam=section, prevResult=added.answer)
    assert checked.ok, checked
    assert call(sandbox, "DEL", ipam=section).ok
    assert "10.60.9.9" not in node.endpoint_addresses().values()


def test_static_gives_the_address_that_the_arguments_name(
    node: FaultyNode, sandbox: Sandbox
) -> None:
    arguments = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=args;IP=10.60.9.7/24"
    conf = {"name": "test", "ipam": {"type": "static"}}
    environment = {"CNI_PATH": "/usr/lib/cni", "CNI_ARGS": arguments}

    added = sandbox.call("ADD", version=VERSION, extra=conf, environment=environment)

    assert added.ok, added
    assert added.address == "10.60.9.7"
    assert sandbox.call("DEL", version=VERSION, extra=conf, environment=environment).ok


def test_same_address_for_a_second_pod_is_refused(node: FaultyNode) -> None:
    one, two = sandboxes = make_sandboxes(node, 2, "twice")
    section = {"type": "static", "addresses": [{"address": "10.60.9.9/24"}]}
    assert call(one, "ADD", ipam=section).ok

    refused = call(two, "ADD", ipam=section)

    assert refused.code == 1
    assert "gave 10.60.9.9, which is in use by endpoint" in refused.answer["msg"]
    assert call(two, "DEL", ipam=section).ok
    assert "10.60.9.9" in node.endpoint_addresses().values()
    assert call(one, "DEL", ipam=section).ok
    remove_sandboxes(sandboxes)


def test_full_range_is_reported_in_the_plugins_words(node: FaultyNode) -> None:
    sandboxes = make_sandboxes(node, 2, "full")
    section = host_local("10.60.8.0/30")  # One address besides the gateway's.
    assert call(sandboxes[0], "ADD", ipam=section).ok

    refused = call(sandboxes[1], "ADD", ipam=section)

    assert refused.code == 1
    assert "no IP addresses available in range set" in refused.answer["msg"]
    for sandbox in sandboxes:
        assert call(sandbox, "DEL", ipam=section).ok
    remove_sandboxes(sandboxes)


@pytest.mark.parametrize(
    ("ipam", "code", "problem"),
    [
        ({}, 7, "ipam.type is missing in the CNI configuration"),
        ({"type": "no-such-plugin"}, 5, 'failed to find IPAM plugin "no-such-plugin"'),
        ({"type": "host-local"}, None, "no IP ranges specified"),
    ],
)
def test_plugin_that_cannot_work_is_a_clear_error(
    sandbox: Sandbox, ipam: dict[str, Any], code: int | None, problem: str
) -> None:
    added = call(sandbox, "ADD", ipam=ipam)

    assert added.code == 1
    assert problem in added.answer["msg"], added
    assert code is None or added.answer["code"] == code
    assert sandbox.container_id not in sandbox.node.endpoint_addresses()


def moody(node: FaultyNode, command: str, script: str) -> dict[str, Any]:
    """An IPAM section whose plugin runs `script` first when it is asked for `command`."""
    write_file(node, "/run/plugins/moody", MOODY, mode=0o755)
    write_file(node, f"/run/moody-{command}", script)
    return {**host_local(SUBNETS["k8s-w1"]), "type": "moody"}


def calm(node: FaultyNode, command: str) -> None:
    """From now on it is host-local."""
    node.run("rm", "-f", f"/run/moody-{command}", "/run/moody-asked")


def test_hanging_plugin_is_ended_and_others_go_on(node: FaultyNode) -> None:
    slow, quick = sandboxes = make_sandboxes(node, 2, "hang")
    section = moody(node, "ADD", "sleep 300")
    try:
        added = call(slow, "ADD", ipam=section)
    finally:
        calm(node, "ADD")

    assert added.code == 1
    assert added.answer["code"] == 11
    assert "IPAM plugin moody did not finish ADD within 20 s" in added.answer["msg"]
    assert call(quick, "ADD").ok
    for sandbox in sandboxes:
        assert call(sandbox, "DEL", ipam=section).ok
    remove_sandboxes(sandboxes)


def test_agent_killed_in_the_middle_of_an_add_leaks_no_address(
    node: FaultyNode, sandbox: Sandbox
) -> None:
    """The plugin gives the address, and the agent is killed before it answers."""
    pid = node.agent_pid
    section = moody(node, "ADD", "/usr/lib/cni/host-local > /run/moody-result; sleep 60")
    try:
        with ThreadPoolExecutor(1) as thread:
            adding = thread.submit(call, sandbox, "ADD", ipam=section)
            eventually(lambda: sandbox.container_id in booked(node).values())
            os.kill(pid, signal.SIGKILL)
            assert adding.result().code == 1
    finally:
        calm(node, "ADD")
    node.replace_agent()
    node.wait_agent(other_than=pid)

    assert call(sandbox, "DEL", ipam=section).ok

    assert sandbox.container_id not in booked(node).values()
    assert sandbox.container_id not in node.endpoint_addresses()


def test_pod_whose_plugin_fails_says_so_and_starts_when_it_works_again(
    lab: Cluster, node: FaultyNode
) -> None:
    section = moody(node, "ADD", 'echo \'{"code":100,"msg":"back end is away"}\'; exit 1')
    conf = a_list({"type": "ciliate-cni", "ipam": section})
    write_file(node, "/usr/lib/cni/moody", MOODY, mode=0o755)
    write_file(node, "/etc/cni/net.d/05-cilium.conflist", conf)
    try:
        lab.kubectl("apply", "-f", "-", text=json.dumps(pod_manifest("waits", node.name)))
        eventually(
            lambda: "back end is away" in lab.kubectl("describe", "pod", "waits"),
            within_s=20,
            what="the plugin's words in the pod's events",
        )
        calm(node, "ADD")
        lab.kubectl("wait", "pod/waits", "--for=condition=Ready", "--timeout=60s")
        address = pod_ip(lab, "waits")
        assert address in booked(node)
        delete_pods(lab, "waits")
        await_freed(node, address)
    finally:
        calm(node, "ADD")
        write_file(node, "/etc/cni/net.d/05-cilium.conflist", our_list(node))


def pod_manifest(name: str, node: str) -> dict[str, Any]:
    """A pod with the host's tools."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "tools", "image": "nicolaka/netshoot"}],
        },
    }


def test_nothing_of_the_configuration_is_logged(node: FaultyNode, sandbox: Sandbox) -> None:
    secret = "hunter2-of-the-back-end"
    section = {**host_local(SUBNETS["k8s-w1"]), "token": secret}
    assert call(sandbox, "ADD", ipam=section).ok
    assert call(sandbox, "ADD", ipam={"type": "no-such", "token": secret}).ok, "it stands"
    assert call(sandbox, "DEL", ipam=section).ok
    call(sandbox, "ADD", ipam={"type": "no-such", "token": secret})

    logs = node.lab.kubectl("-n", "kube-system", "logs", "ds/cilium", "--tail=-1", check=False)
    on_node = node.lab.kubectl(
        "-n", "kube-system", "logs", "-l", "k8s-app=cilium", "--tail=-1", "--prefix"
    )
    assert secret not in logs + on_node
    assert "no-such" in on_node
    found = node.run("grep", "-rl", secret, "/var/run/cilium", check=False).stdout
    assert found == ""


def test_after_a_change_of_mode_the_plugins_pods_live_on_and_it_gets_their_addresses_back(
    lab: Cluster, node: FaultyNode
) -> None:
    """The last test of this lab: the mode stays changed."""
    apply_pod(lab, "former", node.name)
    address = pod_ip(lab, "former")

    own = a_list({"type": "ciliate-cni"})
    reconfigure(lab, lambda _: own, "ipam.mode=kubernetes", "local-router-ipv4=")
    apply_pod(lab, "latter", "k8s-ctr")

    assert pod_ip(lab, "latter").startswith("10.244.")
    await_ping(lab, "latter", address)
    await_ping(lab, "former", pod_ip(lab, "latter"))
    assert address in booked(node)
    delete_pods(lab, "former", "latter")
    await_freed(node, address)


def test_both_families_are_delegated() -> None:
    six = {"k8s-ctr": "fd00:60:0::/64", "k8s-w1": "fd00:60:1::/64"}

    def a_dual_list(node: FaultyNode) -> str:
        ipam = host_local(SUBNETS[node.name], six[node.name])
        return a_list({"type": "ciliate-cni", "ipam": ipam})

    with fault_lab("delegated6", "--dual-stack") as lab:
        reconfigure(
            lab,
            a_dual_list,
            "ipam.mode=delegated-plugin",
            "cni.customConf=true",
            f"local-router-ipv4={ROUTER}",
            "local-router-ipv6=fd00:23::1",
        )
        for name in NODES:
            apply_pod(lab, f"pod-{name}", name)
        here, there = (pod_ips(lab, f"pod-{name}") for name in NODES)
        assert len(here) == len(there) == 2
        for address in there:
            await_ping(lab, "pod-k8s-ctr", address)
        for address in here:
            await_ping(lab, "pod-k8s-w1", address)
            await_ping(lab, "pod-k8s-ctr", internet_of(address))
        delete_pods(lab, *(f"pod-{name}" for name in NODES))
        for name in NODES:
            node = FaultyNode(lab, name)
            await_freed(node, *(here if name == "k8s-ctr" else there))
