"""Section 2 of the walk-through: an application, and what is kept of its pods."""

import json
import re
from ipaddress import IPv4Address, IPv4Network

import pytest
from tests.lab.cluster import eventually
from tests.lab.walkthrough.place import AGENT, NODE_IPS, Place, rows

SHARED_LABELS = (
    "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=default",
    "k8s:io.cilium.k8s.policy.cluster=default",
    "k8s:io.cilium.k8s.policy.serviceaccount=default",
    "k8s:io.kubernetes.pod.namespace=default",
)

PASSER_BY = """
apiVersion: v1
kind: Pod
metadata: {name: passer-by, labels: {app: webpod}}
spec:
  nodeName: k8s-w1
  terminationGracePeriodSeconds: 0
  containers: [{name: web, image: traefik/whoami}]
"""


def test_deployment_service_and_endpoints_show_as_typed(walk: Place) -> None:
    printed = walk.typed("kubectl get deploy,svc,ep webpod -o wide 2>/dev/null")

    assert re.search(r"^deployment\.apps/webpod\s+2/2\s+2\s+2 ", printed, re.MULTILINE)
    service = re.search(
        r"^service/webpod\s+ClusterIP\s+(\S+)\s+<none>\s+80/TCP", printed, re.MULTILINE
    )
    assert service
    assert IPv4Address(service[1]) in IPv4Network("10.96.0.0/16")
    endpoints = re.search(r"^endpoints/webpod\s+(\S+)", printed, re.MULTILINE)
    assert endpoints
    assert sorted(endpoints[1].split(",")) == sorted(f"{walk.webpod_ip(n)}:80" for n in NODE_IPS)


@pytest.mark.parametrize("asks", ["curl-pod", "k8s-w1"])
def test_services_address_is_refused_and_keeps_nobody_waiting(walk: Place, asks: str) -> None:
    """Curl ends with 7, could not connect; it would end with 28 after its time."""
    address = walk.lab.object("service", "webpod")["spec"]["clusterIP"]

    script = f"curl -sS -m 5 http://{address}; echo $?"
    refused = walk.lab.exec(asks, "sh", "-c", f"{script} 2>&1")

    assert refused.endswith("7\n")


def test_name_of_a_service_is_refused_as_often_as_it_is_asked_for(walk: Place) -> None:
    """Curl ends with 6, could not resolve; a look-up that nobody refuses takes 10 s."""
    script = "for n in 1 2 3 4; do curl -sS -m 5 http://webpod 2>/dev/null; echo $?; done"

    assert walk.lab.exec("curl-pod", "sh", "-c", script).split() == ["6"] * 4


def test_endpointslice_has_both_replicas_at_port_80(walk: Place) -> None:
    header, *slices = rows(walk.typed("kubectl get endpointslices -l app=webpod"))

    assert header == ["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"]
    ((_, family, port, addresses, _),) = slices
    assert (family, port) == ("IPv4", "80")
    assert sorted(addresses.split(",")) == sorted(walk.webpod_ip(node) for node in NODE_IPS)


def test_replicas_are_spread_over_the_nodes_and_answer_with_their_names(walk: Place) -> None:
    for node in NODE_IPS:
        answer = walk.in_pod(f"curl -s -m 3 http://{walk.webpod_ip(node)}")

        assert f"Hostname: {walk.webpod(node)}\n" in answer


@pytest.mark.parametrize(("node", "app"), [("k8s-ctr", "curl"), ("k8s-w1", "webpod")])
def test_endpoint_list_shows_labels_one_a_line(walk: Place, node: str, app: str) -> None:
    pod = "curl-pod" if app == "curl" else walk.webpod(node)
    head, _, *lines = walk.on(node, "cilium-dbg endpoint list").splitlines()

    assert rows(head)[0] == [
        "ENDPOINT",
        "POLICY (ingress)",
        "POLICY (egress)",
        "IDENTITY",
        "LABELS (source:key[=value])",
        "IPv6",
        "IPv4",
        "STATUS",
    ]
    first = next(i for i, line in enumerate(lines) if f"k8s:app={app} " in line)
    columns = lines[first].split()
    address = walk.pods[pod]["status"]["podIP"]
    assert columns[1:3] == ["Disabled", "Disabled"]
    assert columns[4:] == [f"k8s:app={app}", address, "ready"]
    below = [line.strip() for line in lines[first + 1 : first + 5]]
    assert tuple(below) == SHARED_LABELS


def test_endpoint_list_has_the_host_as_identity_one(walk: Place) -> None:
    (host,) = [
        line
        for line in walk.typed(f"{AGENT} cilium-dbg endpoint list").splitlines()
        if "host" in line
    ]

    assert host.split()[1:] == ["Disabled", "Disabled", "1", "reserved:host", "ready"]


@pytest.mark.parametrize("node", NODE_IPS)
def test_endpoint_list_has_one_row_per_local_endpoint(walk: Place, node: str) -> None:
    endpoints = json.loads(walk.on(node, "cilium-dbg endpoint list -o json"))

    names = {e["status"].get("external-identifiers", {}).get("pod-name") for e in endpoints}
    local = {
        f"default/{name}"
        for name, pod in walk.pods.items()
        if pod["spec"]["nodeName"] == node and not pod["spec"].get("hostNetwork")
    }
    assert {name for name in names if name} == local
    assert len(endpoints) == len(local) + 1


@pytest.mark.parametrize("node", NODE_IPS)
def test_bpf_endpoint_list_has_pods_and_the_nodes_own_addresses(walk: Place, node: str) -> None:
    printed = walk.on(node, "cilium-dbg bpf endpoint list")

    assert rows(printed)[0] == ["IP ADDRESS", "LOCAL ENDPOINT INFO"]
    assert re.search(rf"^{re.escape(NODE_IPS[node])}:0\s+\(localhost\)", printed, re.MULTILINE)
    address = re.escape(walk.webpod_ip(node))
    assert re.search(rf"^{address}:0\s+id=\d+\s+sec_id=\d+\s+.*mac=", printed, re.MULTILINE)


@pytest.mark.parametrize("node", NODE_IPS)
def test_ipcache_of_every_node_knows_every_pods_identity(walk: Place, node: str) -> None:
    printed = walk.on(node, "cilium-dbg bpf ipcache list")

    for endpoint in walk.lab.object("ciliumendpoints")["items"]:
        address = endpoint["status"]["networking"]["addressing"][0]["ipv4"]
        identity = endpoint["status"]["identity"]["id"]
        assert re.search(
            rf"^{re.escape(address)}/32\s+identity={identity} ", printed, re.MULTILINE
        )


def test_pod_sees_one_address_and_a_gateway_that_it_cannot_lose(walk: Place) -> None:
    assert f"inet {walk.curl_ip}/32 scope global eth0" in walk.in_pod("ip -4 addr show eth0")
    assert walk.in_pod("ip route").startswith("default via 10.244.0.")
    assert "PERMANENT" in walk.in_pod("ip neigh")


def test_exec_passes_a_shells_text_on_as_it_is(walk: Place) -> None:
    printed = walk.in_pod("""sh -c 'echo "a  b" | tr a-b c-d; echo 100%; echo x+y\\&z'""")

    assert printed == "c  d\n100%\nx+y&z\n"


def test_exec_gives_a_terminal_where_there_is_one(walk: Place) -> None:
    line = "kubectl exec -it curl-pod -- sh -c 'tty; hostname'"

    printed = walk.typed(f'script -qec "{line}" /dev/null </dev/null')

    assert re.search(r"/dev/pts/\d+\s+curl-pod", printed)


def test_deleted_pod_leaves_nothing_and_its_identity_stays_with_its_kind(walk: Place) -> None:
    try:
        walk.lab.kubectl("apply", "-f", "-", text=PASSER_BY)
        walk.typed("kubectl wait pod/passer-by --for=condition=Ready --timeout=20s")
        address = walk.lab.object("pod", "passer-by")["status"]["podIP"]
        eventually(
            lambda: "passer-by" in walk.typed("kubectl get ciliumendpoints"), what="endpoint"
        )
        identities = {
            e["status"]["identity"]["id"]
            for e in walk.lab.object("ciliumendpoints")["items"]
            if "curl" not in e["metadata"]["name"]
        }
        assert len(identities) == 1
        assert "Hostname: passer-by\n" in walk.in_pod(f"curl -s -m 3 http://{address}")
    finally:
        walk.typed("kubectl delete pod passer-by --timeout=20s", check=False)

    def gone() -> bool:
        shown = walk.typed("kubectl get ciliumendpoints")
        kept = walk.on("k8s-w1", "sh -c 'ip route; cilium-dbg endpoint list'")
        known = walk.on("k8s-ctr", "cilium-dbg bpf ipcache list")
        return "passer-by" not in shown and all(
            address not in re.split(r"[\s/:]+", text) for text in (kept, known)
        )

    eventually(gone, what="nothing of the deleted pod")
