"""`cni-chaining-mode`: the reference ptp and bridge make the interface, ours its datapath.

And portmap, which stands behind ours.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, pod_ip
from tests.lab.other_plugins import (
    CONFLIST,
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
    pings,
    pod_ips,
    reconfigure,
    seen_by_internet,
    write_file,
)
from tests.lab.plugin_calls import Sandbox, make_sandboxes, remove_sandboxes

pytestmark = needs_plugins("host-local", "ptp", "bridge", "portmap")

#: Outside the nodes' pod CIDRs, out of which the pods of the time before have addresses.
SUBNETS = {"k8s-ctr": "10.70.0.0/24", "k8s-w1": "10.70.1.0/24"}
CHAINED = {"type": "ciliate-cni", "chaining-mode": "generic-veth"}
PODS = {"one": "k8s-w1", "two": "k8s-w1", "far": "k8s-ctr"}


def other_plugin(kind: str, node: str, **more: Any) -> dict[str, Any]:
    """The configuration of ptp or bridge."""
    conf = {"type": kind, "ipam": host_local(SUBNETS[node], routes=[{"dst": "0.0.0.0/0"}]), **more}
    return {**conf, "bridge": "cni0", "isGateway": True} if kind == "bridge" else conf


@pytest.fixture(scope="module", params=["ptp", "bridge"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def lab(kind: str) -> Iterator[Cluster]:
    """Three pods whose interfaces the other plugin made."""
    with fault_lab(f"chained-{kind}") as started:
        reconfigure(
            started,
            lambda node: a_list(other_plugin(kind, node.name), CHAINED),
            "cni.chainingMode=generic-veth",
            "cni.customConf=true",
        )
        for name, node in PODS.items():
            apply_pod(started, name, node)
        yield started


@pytest.fixture
def node(lab: Cluster) -> FaultyNode:
    return FaultyNode(lab, "k8s-w1")


@pytest.fixture
def addresses(lab: Cluster) -> dict[str, str]:
    """The pods' addresses."""
    return {name: pod_ip(lab, name) for name in PODS}


def assert_all_reach_each_other(lab: Cluster, addresses: dict[str, str]) -> None:
    """On one node, across nodes, and the world behind the node's address."""
    for source, node in PODS.items():
        for target in PODS.keys() - {source}:
            await_ping(lab, source, addresses[target])
        assert seen_by_internet(lab, source) == seen_by_internet(lab, node)


def link_of(node: FaultyNode, address: str) -> dict[str, Any]:
    """The node's end of a pod's interface, as the datapath knows it."""
    text = node.run("cilium-dbg", "bpf", "endpoint", "list", "-o", "json").stdout
    (entry,) = json.loads(text)[f"{address}:0"]
    fields = dict(word.split("=", 1) for word in entry.replace("= ", "=").split() if "=" in word)
    for link in node.json("ip", "-j", "-d", "link"):
        if link["ifindex"] == int(fields["ifindex"]):
            return {**link, **fields}
    raise AssertionError(f"{entry}: no such interface")


def programs(node: FaultyNode, link: str) -> list[int]:
    """Ids of the programs on both directions of a link."""
    found = []
    for direction in ("ingress", "egress"):
        for rule in node.json("tc", "-j", "filter", "show", "dev", link, direction):
            options = rule.get("options", {})
            if "prog" in options:
                found.append(int(options["prog"]["id"]))
    return found


def test_pods_reach_each_other_and_the_world(
    lab: Cluster, node: FaultyNode, addresses: dict[str, str], kind: str
) -> None:
    assert addresses["one"].startswith("10.70.1.")
    assert addresses["far"].startswith("10.70.0.")

    assert_all_reach_each_other(lab, addresses)

    link = link_of(node, addresses["one"])
    assert not link["ifname"].startswith("lxc")
    assert (link.get("master") == "cni0") == (kind == "bridge")
    assert len(programs(node, link["ifname"])) == 2


def test_pods_are_endpoints_of_the_cluster_without_addresses_of_ours(
    lab: Cluster, node: FaultyNode, addresses: dict[str, str]
) -> None:
    for name in PODS:
        cep = lab.object("ciliumendpoint", name)["status"]
        assert cep["networking"]["addressing"][0]["ipv4"] == addresses[name]
        assert cep["identity"]["id"] > 255
    assert not node.allocations().keys() & set(addresses.values())
    assert addresses["one"] in booked(node)
    routes = node.json("ip", "-j", "route", "show", "proto", "kernel")
    assert addresses["one"] not in {route["dst"] for route in routes}, "no route of ours"
    assert "generic-veth" in node.run("cilium-dbg", "status", check=False).stdout


def test_restart_of_the_agent_leaves_pods_and_their_traffic_alone(
    lab: Cluster, node: FaultyNode, addresses: dict[str, str]
) -> None:
    link = link_of(node, addresses["one"])["ifname"]
    with lab.background("one", "ping", "-i", "0.05", "-c", "100", addresses["far"]) as ping:
        killed = node.kill_agent()
        node.replace_agent()
        node.wait_agent(other_than=killed)
        said, _ = ping.communicate(timeout=60)
    assert "100 received" in said

    assert link_of(node, addresses["one"])["ifname"] == link
    assert len(programs(node, link)) == 2
    assert_all_reach_each_other(lab, addresses)


def test_node_reaches_its_chained_pod_and_is_reached(
    lab: Cluster, node: FaultyNode, addresses: dict[str, str]
) -> None:
    assert "1 received" in node.run("ping", "-c", "1", "-W", "2", addresses["one"]).stdout
    assert pings(lab, "one", "192.168.10.101")
    assert pings(lab, "one", "192.168.10.100")


def test_pod_of_before_reaches_chained_ones_and_spoofing_is_dropped(
    lab: Cluster, node: FaultyNode, addresses: dict[str, str]
) -> None:
    spoof = (
        f"ip address add 10.70.1.250/32 dev lo; ping -c 1 -W 1 -I 10.70.1.250 {addresses['far']}"
    )

    done = lab.lab("exec", "one", "--", "sh", "-c", spoof, check=False)

    assert "0 received" in done.stdout
    metrics = node.run("cilium-dbg", "bpf", "metrics", "list").stdout
    assert "Invalid source ip" in metrics


def test_deleted_pod_is_gone_everywhere(lab: Cluster, node: FaultyNode) -> None:
    apply_pod(lab, "short", node.name)
    address = pod_ip(lab, "short")
    link = link_of(node, address)["ifname"]
    files = set(node.state_files())

    delete_pods(lab, "short")

    def is_gone() -> bool:
        links = {each["ifname"] for each in node.json("ip", "-j", "link")}
        listed = node.run("cilium-dbg", "bpf", "endpoint", "list").stdout
        return (
            link not in links
            and address not in booked(node)
            and address not in node.endpoint_addresses().values()
            and address not in listed
        )

    eventually(is_gone, what="both plugins' DEL, and what ours removes after its answer")
    assert len(set(node.state_files())) == len(files) - 1
    ceps = lab.object("ciliumendpoints", "-A")["items"]
    assert "short" not in {each["metadata"]["name"] for each in ceps}


def test_pods_of_lists_of_old_versions_live_and_go(
    lab: Cluster, node: FaultyNode, kind: str
) -> None:
    other = other_plugin(kind, node.name)
    assert_pods_of_old_versions_live_and_go(
        lab, node, lambda version: a_list(other, CHAINED, version=version), peer="far"
    )


@pytest.fixture
def sandbox(node: FaultyNode) -> Iterator[Sandbox]:
    (made,) = make_sandboxes(node, 1, "chained")
    yield made
    remove_sandboxes([made])


def call(sandbox: Sandbox, command: str, previous: Any, *, version: str = VERSION) -> Any:
    """Our plugin called behind another."""
    extra = {"name": "test", "chaining-mode": "generic-veth"}
    if previous is not None:
        extra["prevResult"] = previous
    return sandbox.call(command, version=version, extra=extra)


def a_result(sandbox: Sandbox, address: str) -> dict[str, Any]:
    """What a plugin before ours would answer, with a field that we do not know."""
    return {
        "cniVersion": VERSION,
        "interfaces": [{"name": "veth-test"}, {"name": "eth0", "sandbox": sandbox.netns}],
        "ips": [{"interface": 1, "address": f"{address}/24", "gateway": "10.71.0.1"}],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dns": {"nameservers": ["10.71.0.53"]},
        "vendor": {"x": [1, 2]},
    }


def make_link(sandbox: Sandbox) -> None:
    """What a plugin before ours would make."""
    for words in (
        f"ip link add veth-test type veth peer name eth0 netns {sandbox.netns}",
        "ip link set veth-test up",
    ):
        sandbox.node.run("sh", "-c", words)


def test_result_before_ours_is_passed_on_unchanged_and_check_and_del_behave(
    node: FaultyNode, sandbox: Sandbox
) -> None:
    make_link(sandbox)
    previous = a_result(sandbox, "10.71.0.5")

    added = call(sandbox, "ADD", previous)

    assert added.ok, added
    assert added.answer == previous
    assert call(sandbox, "CHECK", previous).ok
    node.run("tc", "filter", "del", "dev", "veth-test", "egress")
    checked = call(sandbox, "CHECK", previous)
    assert "to_pod does not run on veth-test" in checked.answer["msg"]
    assert call(sandbox, "ADD", previous).ok, "a repeated ADD repairs it"
    assert call(sandbox, "CHECK", previous).ok

    assert call(sandbox, "DEL", previous).ok
    assert call(sandbox, "DEL", previous).ok
    links = {each["ifname"] for each in node.json("ip", "-j", "link")}
    assert "veth-test" in links, "it is the other plugin's to remove"
    assert not call(sandbox, "CHECK", previous).ok


def test_failures_are_reported_in_the_fields_words(sandbox: Sandbox) -> None:
    previous = a_result(sandbox, "10.71.0.5")

    def problem(called: Any) -> tuple[int, str]:
        return called.answer["code"], called.answer["msg"]

    assert problem(call(sandbox, "ADD", previous)) == (7, "no link found inside container")
    without = {**previous, "ips": []}
    assert problem(call(sandbox, "ADD", without)) == (
        7,
        "unable to determine IP address of the container",
    )
    first = call(sandbox, "ADD", None)
    assert (first.code, first.answer["code"]) == (1, 7)
    assert "there is no prevResult" in first.answer["msg"]
    assert call(sandbox, "DEL", previous).ok


def test_mode_that_the_list_does_not_name_is_the_agents(lab: Cluster, sandbox: Sandbox) -> None:
    make_link(sandbox)
    extra = {"name": "test", "prevResult": a_result(sandbox, "10.71.0.6")}

    assert sandbox.call("ADD", version=VERSION, extra=extra).ok
    assert sandbox.call("DEL", version=VERSION, extra=extra).ok

    refused = sandbox.call("ADD", version=VERSION, extra={**extra, "chaining-mode": "aws-cni"})
    assert refused.answer["msg"] == "invalid chaining-mode aws-cni"


@pytest.fixture(scope="module")
def injected() -> Iterator[Cluster]:
    """Bridge with its own masquerading; the agents put our entry behind it."""
    with fault_lab("injected") as started:
        reconfigure(
            started,
            None,
            "cni.chainingMode=generic-veth",
            "cni.chainingTarget=mynet",
            "enableIPv4Masquerade=false",
        )
        yield started


def listed(node: FaultyNode) -> list[str]:
    """The plugins of the file that the agent writes."""
    return [each["type"] for each in json.loads(node.read(CONFLIST))["plugins"]]


def test_entry_is_injected_once_the_network_appears_and_its_masquerading_works(
    injected: Cluster,
) -> None:
    nodes = [FaultyNode(injected, name) for name in NODES]
    for node in nodes:
        eventually(
            lambda node=node: (  # type: ignore[misc]
                "no matching CNI configurations found (will retry)"
                in node.run("cilium-dbg", "status", "--verbose", check=False).stdout
            ),
            what=f"word of the missing network on {node.name}",
        )
    for node in nodes:
        bridge = other_plugin("bridge", node.name, ipMasq=True)
        lone = json.dumps({"cniVersion": VERSION, "name": "mynet", **bridge})
        write_file(node, "/etc/cni/net.d/10-mynet.conf", lone)

    ours = ["bridge", "ciliate-cni"]
    eventually(lambda: all(listed(node) == ours for node in nodes), what="our entry in the list")
    for node in nodes:
        eventually(
            lambda node=node: (
                "10-mynet.conf.cilium_bak" in node.run("ls", "/etc/cni/net.d").stdout
            ),  # type: ignore[misc]
            what=f"the other list put aside on {node.name}",
        )
    apply_pod(injected, "masked", "k8s-w1")
    apply_pod(injected, "peer", "k8s-ctr")
    for source, target in (("masked", "peer"), ("peer", "masked")):
        await_ping(injected, source, pod_ip(injected, target))
    assert seen_by_internet(injected, "masked") == seen_by_internet(injected, "k8s-w1")


@pytest.mark.parametrize("kind", ["ptp", "bridge"])
def test_both_families_of_a_chained_pod(kind: str) -> None:
    """The pod finds its IPv6 gateway by neighbour discovery on the other plugin's link."""
    six = {"k8s-ctr": "fd00:70:0::/64", "k8s-w1": "fd00:70:1::/64"}

    def a_dual_list(node: FaultyNode) -> str:
        conf = other_plugin(kind, node.name)
        routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
        conf["ipam"] = host_local(SUBNETS[node.name], six[node.name], routes=routes)
        return a_list(conf, CHAINED)

    with fault_lab(f"dual-{kind}", "--dual-stack") as lab:
        reconfigure(lab, a_dual_list, "cni.chainingMode=generic-veth", "cni.customConf=true")
        for name, node in PODS.items():
            apply_pod(lab, name, node)
        addresses = {name: pod_ips(lab, name) for name in PODS}

        assert {len(each) for each in addresses.values()} == {2}
        for source in PODS:
            for target in PODS.keys() - {source}:
                for address in addresses[target]:
                    await_ping(lab, source, address)
            for address in addresses[source]:
                await_ping(lab, source, internet_of(address))


def test_host_port_of_portmap_is_reached_from_outside_from_the_node_and_from_pods() -> None:
    with fault_lab("portmap") as lab:
        reconfigure(lab, None, "cni.chainingMode=portmap")
        server = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "server"},
            "spec": {
                "nodeName": "k8s-w1",
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {
                        "name": "web",
                        "image": "traefik/whoami",
                        "ports": [{"containerPort": 80, "hostPort": 8081}],
                    }
                ],
            },
        }
        lab.kubectl("apply", "-f", "-", text=json.dumps(server))
        lab.kubectl("wait", "pod/server", "--for=condition=Ready", "--timeout=30s")
        apply_pod(lab, "beside", "k8s-w1")
        apply_pod(lab, "afar", "k8s-ctr")

        for client in ("k8s-ctr", "router", "beside", "afar"):
            answer = lab.exec(client, "curl", "-s", "-m", "5", "http://192.168.10.101:8081/")
            assert "Hostname: server" in answer, client
        direct = lab.exec("afar", "curl", "-s", "-m", "5", f"http://{pod_ip(lab, 'server')}/")
        assert "Hostname: server" in direct
        assert seen_by_internet(lab, "beside") == seen_by_internet(lab, "k8s-w1")

        delete_pods(lab, "server")

        def is_unmapped() -> bool:
            rules = FaultyNode(lab, "k8s-w1").run("iptables-save", "-t", "nat").stdout
            return "8081" not in rules

        eventually(is_unmapped, what="portmap's DEL")
