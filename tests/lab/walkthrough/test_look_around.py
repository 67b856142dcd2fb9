"""Section 1 of the walk-through: what the user sees before anything runs."""

import json
import re
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from tests.lab.cluster import eventually
from tests.lab.walkthrough.place import AGENT, NODE_IPS, Place, rows

from ciliate import __version__

#: What section 0 says of the start state, in the words of `cilium-config`.
START_STATE = {
    "ipam": "kubernetes",
    "routing-mode": "native",
    "auto-direct-node-routes": "true",
    "ipv4-native-routing-cidr": "10.244.0.0/16",
    "enable-bpf-masquerade": "true",
    "enable-endpoint-routes": "true",
    "kube-proxy-replacement": "true",
    "enable-ipv4": "true",
    "enable-ipv6": "false",
    "tunnel-protocol": "vxlan",
    "cluster-name": "default",
    "cluster-id": "0",
    "enable-hubble": "true",
}

POD_CIDRS = {"k8s-ctr": "10.244.0.0/24", "k8s-w1": "10.244.1.0/24"}


def settings(printed: str) -> dict[str, str]:
    """What `cilium config view` prints, key by key."""
    return {key: value for key, _, value in (line.partition(" ") for line in printed.splitlines())}


def test_nodes_are_ready_at_their_addresses(walk: Place) -> None:
    header, *nodes = rows(walk.typed("kubectl get node -o wide"))

    assert header[:6] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP"]
    assert {node[0]: (node[1], node[5]) for node in nodes} == {
        name: ("Ready", ip) for name, ip in NODE_IPS.items()
    }


def test_cluster_info_names_the_control_plane(walk: Place) -> None:
    printed = walk.typed("kubectl cluster-info")

    assert re.match(r"Kubernetes control plane is running at https://\S+:\d+\n", printed)


@pytest.mark.parametrize("node", NODE_IPS)
def test_api_server_answers_nodes_on_the_control_planes_address(walk: Place, node: str) -> None:
    kubeconfig = f"{walk.lab.folder}/machines/kubeconfig"

    printed = walk.on(node, f"kubectl --kubeconfig {kubeconfig} cluster-info")

    assert "is running at https://192.168.10.100:6443\n" in printed


def test_nodes_have_their_pod_cidrs_by_jsonpath(walk: Place) -> None:
    line = (
        "kubectl get nodes -o jsonpath="
        r"""'{range .items[*]}{.metadata.name}{"\t"}{.spec.podCIDR}{"\n"}{end}'"""
    )

    assert walk.typed(line) == "k8s-ctr\t10.244.0.0/24\nk8s-w1\t10.244.1.0/24\n"


def test_ciliumnodes_show_a_router_address_of_the_nodes_pod_cidr(walk: Place) -> None:
    header, *nodes = rows(walk.typed("kubectl get ciliumnode"))

    assert header == ["NAME", "CILIUMINTERNALIP", "INTERNALIP", "AGE"]
    assert {node[0]: node[2] for node in nodes} == NODE_IPS
    for name, internal, *_ in nodes:
        assert IPv4Address(internal) in IPv4Network(POD_CIDRS[name])


def test_ciliumnodes_carry_the_cidr_and_belong_to_the_node(walk: Place) -> None:
    nodes = {n["metadata"]["name"]: n for n in walk.lab.object("node")["items"]}
    found = json.loads(walk.typed("kubectl get ciliumnode -o json"))["items"]

    assert {n["metadata"]["name"]: n["spec"]["ipam"]["podCIDRs"] for n in found} == {
        name: [cidr] for name, cidr in POD_CIDRS.items()
    }
    for node in found:
        name = node["metadata"]["name"]
        assert node["metadata"]["ownerReferences"] == [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "name": name,
                "uid": nodes[name]["metadata"]["uid"],
            }
        ]


def test_host_network_pods_have_node_addresses_and_others_pod_addresses(walk: Place) -> None:
    header, *pods = rows(walk.typed("kubectl get pod -A -o wide"))
    ip, node = header.index("IP"), header.index("NODE")

    assert len([pod for pod in pods if pod[1].startswith("cilium-")]) == 3
    for pod in pods:
        if pod[1].startswith(("cilium-", "kube-", "web-on-")):
            assert pod[ip] == NODE_IPS[pod[node]]
        else:
            assert IPv4Address(pod[ip]) in IPv4Network(POD_CIDRS[pod[node]])


def test_ciliumendpoints_are_ready_and_replicas_share_an_identity(walk: Place) -> None:
    printed = walk.typed("kubectl get ciliumendpoints -A")
    header, *endpoints = rows(printed)

    assert header == [
        "NAMESPACE",
        "NAME",
        "SECURITY IDENTITY",
        "ENDPOINT STATE",
        "IPV4",
        "IPV6",
    ]
    assert {endpoint[3] for endpoint in endpoints} == {"ready"}
    addresses = {endpoint[1]: endpoint[4] for endpoint in endpoints}
    assert addresses == {name: pod["status"]["podIP"] for name, pod in walk.connected.items()}
    identities = {endpoint[1]: endpoint[2] for endpoint in endpoints}
    replicas = {identities[walk.webpod(node)] for node in NODE_IPS}
    assert len(replicas) == 1
    names = [identity for name, identity in identities.items() if name.startswith("coredns-")]
    assert (len(names), len(set(names))) == (2, 1)
    assert len({identities["curl-pod"], *replicas, *names}) == 3


def test_identities_are_objects_with_the_labels_of_their_pods(walk: Place) -> None:
    (endpoint,) = [
        e
        for e in walk.lab.object("ciliumendpoints")["items"]
        if e["metadata"]["name"] == "curl-pod"
    ]
    identity = walk.lab.object("ciliumidentity", str(endpoint["status"]["identity"]["id"]))

    assert identity["security-labels"] == {
        "k8s:app": "curl",
        "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name": "default",
        "k8s:io.cilium.k8s.policy.cluster": "default",
        "k8s:io.cilium.k8s.policy.serviceaccount": "default",
        "k8s:io.kubernetes.pod.namespace": "default",
    }


def test_identities_are_listed_with_the_namespace_of_their_pods(walk: Place) -> None:
    number = str(walk.lab.object("ciliumendpoint", "curl-pod")["status"]["identity"]["id"])

    head, *rows = (line.split() for line in walk.typed("kubectl get ciliumidentity").splitlines())

    assert head == ["NAME", "NAMESPACE", "AGE"]
    assert dict(row[:2] for row in rows)[number] == "default"


def test_pods_say_who_set_their_fields(walk: Place) -> None:
    managers = {
        (entry["manager"], entry.get("subresource", ""))
        for pod in walk.lab.object("pods", "-l", "app=webpod", "--show-managed-fields")["items"]
        for entry in pod["metadata"]["managedFields"]
    }

    assert managers == {("kube-controller-manager", ""), ("kubelet", "status")}


def test_config_view_shows_every_key_sorted(walk: Place) -> None:
    lines = walk.typed("cilium config view").splitlines()
    data = walk.lab.object("configmap", "-n", "kube-system", "cilium-config")["data"]

    shown = [line.split()[0] for line in lines]
    assert shown == sorted(data)
    assert {key: value.strip() for key, value in settings("\n".join(lines)).items()} == {
        key: " ".join(value.split()) for key, value in data.items()
    }


def test_lab_starts_in_the_walk_throughs_state(walk: Place) -> None:
    shown = settings(walk.typed("cilium config view"))

    assert {key: shown[key].strip() for key in START_STATE} == START_STATE


def test_config_view_piped_to_grep_shows_the_ipam_mode(walk: Place) -> None:
    first = walk.typed("cilium config view | grep ^ipam").splitlines()[0]

    assert first.split() == ["ipam", "kubernetes"]


def test_cilium_status_counts_components_and_pods(walk: Place) -> None:
    printed = walk.typed("cilium status")

    for picture in (
        "/¯¯\\",
        "Cilium:             OK",
        "Operator:           OK",
        "Hubble Relay:       OK",
    ):
        assert picture in printed
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    for line in (
        "DaemonSet cilium Desired: 2, Ready: 2/2, Available: 2/2",
        "Deployment cilium-operator Desired: 1, Ready: 1/1, Available: 1/1",
        "Containers: cilium Running: 2",
        "cilium-operator Running: 1",
        "Cluster Pods: 7/7 managed by Cilium",
        f"Image versions cilium ciliate:v{__version__}: 2",
        f"cilium-operator ciliate:v{__version__}: 1",
    ):
        assert line in lines


#: Blank by blank as in Cilium's: the second one before the bracket is the IPv6 CIDR's.
MASQUERADING = (
    "Masquerading:            BPF   [eth0, eth1]   10.244.0.0/16  [IPv4: Enabled, IPv6: Disabled]"
)


def test_cilium_dbg_status_in_the_agents_pod_shows_masquerading(walk: Place) -> None:
    printed = walk.typed(f"{AGENT} cilium-dbg status")

    assert MASQUERADING in printed.splitlines()


@pytest.mark.parametrize("node", NODE_IPS)
def test_cilium_dbg_status_on_a_node_shows_its_pool_and_routing(walk: Place, node: str) -> None:
    printed = walk.on(node, "cilium-dbg status")
    lines = [" ".join(line.split()) for line in printed.splitlines()]

    assert MASQUERADING in printed.splitlines()
    assert "Routing: Network: Native Host: BPF" in lines
    assert re.search(rf"IPAM:\s+IPv4: \d+/254 allocated from {POD_CIDRS[node]}", printed)
    assert re.search(r"Controller Status:\s+(\d+)/\1 healthy", printed)


def test_routes_of_the_control_plane_are_the_walk_throughs_and_no_others(walk: Place) -> None:
    printed = walk.on("k8s-ctr", "ip -c route")
    routes = [" ".join(line.split()) for line in printed.splitlines()]
    pods = sorted(walk.connected_to("k8s-ctr").values(), key=IPv4Address)

    # One line is ours alone: the rest of this node's CIDR leads nowhere.
    expected = [
        r"default via 10\.0\.2\.2 dev eth0 proto dhcp src 10\.0\.2\.15 metric 100",
        r"10\.0\.2\.0/24 dev eth0 proto kernel scope link src 10\.0\.2\.15( metric 100)?",
        r"10\.10\.0\.0/16 via 192\.168\.10\.200 dev eth1 proto static",
        r"unreachable 10\.96\.0\.0/16 proto static",
        r"unreachable 10\.244\.0\.0/24 proto kernel",
        *(rf"{re.escape(pod)} dev lxc\w+ proto kernel scope link" for pod in pods),
        r"10\.244\.1\.0/24 via 192\.168\.10\.101 dev eth1 proto kernel",
        r"192\.168\.10\.0/24 dev eth1 proto kernel scope link src 192\.168\.10\.100",
    ]
    assert re.fullmatch("\n".join(expected), "\n".join(routes)), printed


def test_each_node_has_exactly_one_route_per_pod_and_per_other_node(walk: Place) -> None:
    for node, other in (("k8s-ctr", "k8s-w1"), ("k8s-w1", "k8s-ctr")):
        routes = walk.on(node, "ip route show proto kernel").splitlines()
        pods = [route.split()[0] for route in routes if " dev lxc" in route]
        nodes = [
            route.split()[:3] for route in routes if route.startswith("10.244.") and "/" in route
        ]

        assert sorted(pods) == sorted(walk.connected_to(node).values())
        assert nodes == [[POD_CIDRS[other], "via", NODE_IPS[other]]]


def test_router_knows_no_route_to_any_pod_cidr(walk: Place) -> None:
    assert "10.244." not in walk.on("router", "ip route")


def test_api_resources_list_our_kinds_with_their_short_names(walk: Place) -> None:
    listed = {row[0]: row[1:] for row in rows(walk.typed("kubectl api-resources"))}

    assert listed["ciliumnodes"] == ["cn,ciliumn", "cilium.io/v2", "false", "CiliumNode"]
    assert listed["ciliumendpoints"] == ["cep,ciliumep", "cilium.io/v2", "true", "CiliumEndpoint"]
    assert listed["ciliumidentities"] == ["ciliumid", "cilium.io/v2", "false", "CiliumIdentity"]


def test_explain_describes_fields_of_our_kinds(walk: Place) -> None:
    printed = walk.typed("kubectl explain ciliumnode.spec.ipam.podCIDRs")

    assert re.search(r"KIND:\s+CiliumNode\nVERSION:\s+(cilium.io/)?v2", printed)
    assert re.search(r"FIELD:\s+podCIDRs <\[\]string>", printed)


def test_describe_shows_spec_and_owner_of_a_ciliumnode(walk: Place) -> None:
    printed = walk.typed("kubectl describe ciliumnode k8s-w1")

    assert re.search(r"Owner References:\n.*\n\s+Kind:\s+Node\n\s+Name:\s+k8s-w1\n", printed)
    assert "10.244.1.0/24" in printed


def test_describe_shows_a_pods_address_and_events(walk: Place) -> None:
    printed = walk.typed("kubectl describe pod curl-pod")

    assert re.search(rf"IP:\s+{re.escape(walk.curl_ip)}\n", printed)
    assert re.search(r"Normal\s+Started\s+\S+\s+kubelet\s+Started container curl", printed)


def test_status_says_that_kube_proxy_is_replaced_and_at_which_devices(walk: Place) -> None:
    printed = walk.on("k8s-ctr", "cilium-dbg status --verbose")

    line = next(line for line in printed.splitlines() if line.startswith("KubeProxyReplacement:"))
    assert re.fullmatch(
        r"KubeProxyReplacement: +True +\[eth0 +10\.0\.2\.15.*,"
        r" eth1 +192\.168\.10\.100.* \(Direct Routing\)\]",
        line,
    )
    details = printed.partition("KubeProxyReplacement Details:\n")[2]
    assert details.startswith("  Status:               True\n  Socket LB:            Enabled\n")
    assert "  - NodePort:       Enabled (Range: 30000-32767) \n" in details


def test_service_is_listed_with_the_backends_that_the_maps_have(walk: Place) -> None:
    address = walk.lab.object("service", "webpod")["spec"]["clusterIP"]
    frontend = f"{address}:80/TCP"
    expected = {f"{walk.webpod_ip(node)}:80/TCP" for node in NODE_IPS}

    listed = json.loads(walk.on("k8s-ctr", "cilium-dbg service list -o json"))
    (spec,) = (
        each["spec"] for each in listed if each["spec"]["frontend-address"]["ip"] == address
    )
    lb = json.loads(walk.on("k8s-ctr", "cilium-dbg bpf lb list -o json"))

    backends = spec["backend-addresses"]
    assert {f"{each['ip']}:{each['port']}/{each['protocol']}" for each in backends} == expected
    assert {each["state"] for each in backends} == {"active"}
    number = spec["id"]
    assert lb[f"{frontend} (0)"] == [f"0.0.0.0:0 ({number}) (0) [ClusterIP, non-routable] "]
    slots = [lb[f"{frontend} ({slot})"][0] for slot in (1, 2)]
    assert {each.partition(" ")[0] for each in slots} == expected
    got = walk.on("k8s-ctr", f"cilium-dbg service get {number}")
    assert [frontend, "ClusterIP"] in [row[1:3] for row in rows(got)]


def test_service_is_explained_for_a_pod_and_for_who_is_outside(walk: Place) -> None:
    typed = "ciliate explain service default/webpod:80"

    (inside,) = json.loads(walk.typed(f"{typed} --from curl-pod -o json"))
    outside = walk.typed(f"{typed} --from 203.0.113.10")
    unknown = walk.typed("ciliate explain service default/nobody 2>&1", check=False)

    assert (inside["node"], inside["client"]) == ("k8s-ctr", "pod default/curl-pod")
    (port,) = inside["ports"]
    told = {each["endpoint"]: each for each in port["endpoints"]}
    assert told.keys() == {f"{walk.webpod_ip(node)}:80" for node in NODE_IPS}
    assert sorted((each["chosen"], each["slot"]) for each in told.values()) == [
        (True, 1),
        (True, 2),
    ]
    assert "no address of it is for clients outside the cluster" in outside
    assert "Service default/nobody does not exist" in unknown


CLAIMS = """
apiVersion: v1
kind: Service
metadata: {name: claim-%s}
spec: {ports: [{port: 8080}], externalIPs: [192.0.2.77]}
"""


def test_service_that_does_not_get_its_address_says_so_in_status_metric_and_event(
    walk: Place,
) -> None:
    names = ("claim-elder", "claim-younger")
    selector = "reason=ServiceNotServed,involvedObject.kind=Service"

    def events() -> list[dict[str, Any]]:
        found = walk.lab.object("events", "--field-selector", selector)["items"]
        return [each for each in found if each["involvedObject"]["name"] in names]

    try:
        for name in ("elder", "younger"):
            walk.lab.kubectl("apply", "-f", "-", text=CLAIMS % name)
        eventually(events, what="an Event tells which of the two is not served")
        status = walk.on("k8s-w1", "cilium-dbg status --verbose", check=False)
        metrics = walk.on("k8s-w1", "cilium-dbg metrics list -p services_with_problems")
        explained = walk.typed("ciliate explain service claim-elder --from k8s-w1")
        waiting = walk.typed("ciliate explain service claim-younger --from k8s-w1")
        told = events()
    finally:
        walk.lab.kubectl("delete", "service", *names, "--ignore-not-found")

    (event,) = told
    assert event["type"] == "Warning"
    assert event["involvedObject"]["uid"]
    assert "192.0.2.77:8080/TCP is served for" in event["message"]
    assert event["message"] in status.partition("Warnings:\n")[2]
    assert float(metrics.split()[-1]) == 1
    assert "  192.0.2.77:8080/TCP: left alone inside the cluster" in explained
    assert "192.0.2.77:8080/TCP" not in waiting.partition("Problem:")[0]
    assert f"  Problem: {event['message']}\n" in waiting
