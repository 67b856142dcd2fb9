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
def test_services_address_answers_pods_and_nodes(walk: Place, asks: str) -> None:
    address = walk.lab.object("service", "webpod")["spec"]["clusterIP"]

    answer = walk.lab.exec(asks, "curl", "-sS", "-m", "5", f"http://{address}")

    assert re.match(r"Hostname: webpod-", answer)


def test_curl_by_name_answers_from_both_replicas(walk: Place) -> None:
    seen = set()

    def both_answered() -> bool:
        answer = walk.typed("kubectl exec -it curl-pod -- curl -s -m 5 webpod 2>/dev/null")
        seen.update(re.findall(r"^Hostname: (\S+)", answer, re.MULTILINE))
        return seen == {walk.webpod(node) for node in NODE_IPS}

    eventually(both_answered, within_s=20, what="both replicas")


@pytest.mark.parametrize(
    "name",
    ["webpod", "webpod.default", "webpod.default.svc", "webpod.default.svc.cluster.local."],
)
def test_service_is_found_by_each_of_its_names(walk: Place, name: str) -> None:
    address = walk.lab.object("service", "webpod")["spec"]["clusterIP"]

    assert walk.in_pod(f"getent hosts {name}").split()[0] == address


def test_name_that_nobody_has_is_denied_at_once(walk: Place) -> None:
    """Curl ends with 6, could not resolve; without an answer it would be 10 s later."""
    script = "for n in 1 2 3 4; do curl -sS -m 5 http://nobody 2>/dev/null; echo $?; done"

    assert walk.lab.exec("curl-pod", "sh", "-c", script).split() == ["6"] * 4


def test_containers_are_told_of_services_and_the_api_server_answers_at_its_own(
    walk: Place,
) -> None:
    printed = walk.in_pod("env")
    script = (
        "curl -sS -m 5 --cacert /run/secrets/kubernetes.io/serviceaccount/ca.crt"
        ' -o /dev/null -w "%{http_code}"'
        " https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/version"
    )

    address = walk.lab.object("service", "webpod")["spec"]["clusterIP"]
    assert set(printed.splitlines()) >= {
        "KUBERNETES_SERVICE_HOST=10.96.0.1",
        "KUBERNETES_SERVICE_PORT=443",
        f"WEBPOD_SERVICE_HOST={address}",
        f"WEBPOD_PORT=tcp://{address}:80",
    }
    status = walk.lab.kubectl("exec", "curl-pod", "--", "sh", "-c", script)
    assert status in {"200", "401"}  # Without a token it is the server's to say who may ask.


def test_agents_and_operator_do_not_ask_by_a_service(walk: Place) -> None:
    """They run before anything serves one."""
    for owner in ("ds/cilium", "deploy/cilium-operator"):
        words = ("exec", "-n", "kube-system", owner, "--", "sh", "-c", "cat $KUBECONFIG")
        (cluster,) = json.loads(walk.lab.kubectl(*words))["clusters"]
        assert cluster["cluster"]["server"] == "https://192.168.10.100:6443"


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
    local = walk.connected_to(node).keys()
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

    # The end of what `script` is given may be echoed, as ^@.
    assert re.search(r"/dev/pts/\d+\s+(\^@)?curl-pod", printed)


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
