"""A lab with Prometheus: it finds what there is to scrape, and every dashboard's panel has numbers."""

import json
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from tests.deadlines import Deadline
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import apply_pod, fault_lab, pod_ip

from ciliate.lab.namespaces import in_namespaces
from ciliate.lab.paths import LabPaths

HERE: Final = Path(__file__).parent
DASHBOARDS: Final = sorted((HERE.parent.parent / "install/dashboards").glob("*.json"))

#: Of every machine of the lab.
PROMETHEUS: Final = "http://192.168.10.100:30001"
INTERNET: Final = "http://203.0.113.10"

#: In cluster scope the operator has numbers of its own pools.
POOL: Final = "172.20.0.0/16"
SETTINGS: Final = (
    f"ipam.mode=cluster-pool,ipam.operator.clusterPoolIPv4PodCIDRList={{{POOL}}}"
    f",ipv4NativeRoutingCIDR={POOL}"
)

#: What Grafana puts in the place of its variables.
VARIABLES: Final = {"$node": ".*", "$__rate_interval": "20s", "$__range": "15m"}

#: Panels without a line in a lab where all goes well, and why.
EMPTY: Final = {
    "Ports of the fullest remotes": "a remote has lines from a tenth of 32,768 ports on",
    "Connections refused for want of a port": "a port was free for all",
    "Connections that pods lost": "there was room for all",
    "Connections that listeners ended": "only what ended one of late has a line",
    "DNS queries": "nobody tells of DNS requests yet",
    "DNS responses by code": "likewise",
    "Records of DNS responses": "likewise",
}

#: Sends datagrams from an address that is not the pod's.
FORGE: Final = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
udp = struct.pack(">HHHH", 7, 9999, 8, 0)
head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0,
                   socket.inet_aton("198.51.100.7"), socket.inet_aton(sys.argv[1]))
for _ in range(10):
    s.sendto(head + udp, (sys.argv[1], 0))
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("monitoring", "--monitoring", "--set", SETTINGS, dns=True) as started:
        started.kubectl("apply", "-f", str(HERE / "monitoring.yaml"))
        apply_pod(started, "client", "k8s-ctr")
        started.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=20s")
        make_traffic(started)
        yield started


def make_traffic(lab: Cluster) -> None:
    """Everything that a panel counts, once at least."""
    service = lab.object("service", "server")["spec"]["clusterIP"]
    for url in (f"http://{service}", INTERNET):
        eventually(partial(lab.exec, "client", "curl", "-sf", url, check=False), what=url)
    server = pod_ip(lab, "server")
    lab.exec("client", "ping", "-c", "3", "-i", "0.2", "-W", "2", server)
    lab.exec("client", "/usr/bin/python3", "-S", "-c", FORGE, server)


def ask(lab: Cluster, question: str, **words: str) -> Any:
    """What Prometheus answers, as the lab's router asks it."""
    url = f"{PROMETHEUS}/api/v1/{question}?{urlencode(words)}"

    def answer() -> Any:
        try:
            with urlopen(url, timeout=10) as response:
                return json.load(response)
        except HTTPError as error:
            return json.load(error)

    found = in_namespaces(LabPaths(lab.name).pins("router"), answer, ("net",))
    assert found["status"] == "success", (words, found)
    return found["data"]


def query(lab: Cluster, expression: str) -> list[dict[str, Any]]:
    """The series that an expression has now."""
    found: list[dict[str, Any]] = ask(lab, "query", query=expression)["result"]
    return found


def targets(lab: Cluster) -> dict[tuple[str, str, str], str]:
    """Port, node and Service of each target of the network, and how it is."""
    return {
        (
            each["labels"]["instance"].rpartition(":")[2],
            each["labels"]["node"],
            each["labels"].get("service", ""),
        ): each["health"]
        for each in ask(lab, "targets", state="active")["activeTargets"]
        if each["labels"]["namespace"] == "kube-system"
    }


def test_prometheus_scrapes_agents_operator_flow_servers_and_name_servers(lab: Cluster) -> None:
    operator = lab.object("pod", "-n", "kube-system", "-l", "name=cilium-operator")["items"]
    nodes = ("k8s-ctr", "k8s-w1")
    expected = {
        *(("9962", node, "") for node in nodes),
        *(("9963", each["spec"]["nodeName"], "") for each in operator),
        *(("9965", node, "hubble-metrics") for node in nodes),
        *(("9153", node, "kube-dns") for node in nodes),
    }

    eventually(
        lambda: targets(lab) == dict.fromkeys(expected, "up"), what=f"all are up: {targets(lab)}"
    )


def expressions(dashboard: Any) -> Iterator[tuple[str, str]]:
    """Title of its panel and expression, of each query of a dashboard."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            assert "$" not in expression, f"{panel['title']}: a variable that nobody fills"
            yield panel["title"], expression


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_of_a_dashboard_has_numbers(lab: Cluster, path: Path) -> None:
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    asked = list(expressions(dashboard))
    assert asked

    # Twice scraped since the traffic, pods counted, and an answer within a scrape's time.
    deadline = Deadline(30.0)
    while True:
        without = {
            f"{title}: {expression}"
            for title, expression in asked
            if not query(lab, expression) and title not in EMPTY
        }
        if not without:
            return
        assert not deadline.passed, without
        time.sleep(0.5)  # Of a scrape there is no event.


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_legend_names_labels_that_its_lines_have(lab: Cluster, path: Path) -> None:
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    legends = [
        (target["legendFormat"], expression)
        for panel in dashboard["panels"]
        for target, (_, expression) in zip(
            panel.get("targets", ()), expressions({"panels": [panel]}), strict=True
        )
    ]

    for legend, expression in legends:
        lines = query(lab, expression)
        labels = {label for line in lines for label in line["metric"]}
        # A line may lack one: a drop has no subtype.
        assert not lines or set(re.findall(r"{{(\w+)}}", legend)) <= labels, expression


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_dashboard_offers_its_nodes(lab: Cluster, path: Path) -> None:
    (variable,) = (
        each
        for each in json.loads(path.read_text(encoding="utf-8"))["templating"]["list"]
        if each["name"] == "node"
    )
    matched = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
    assert matched is not None
    metric, label = matched.groups()

    offered = ask(lab, f"label/{label}/values", **{"match[]": metric})

    if path.stem == "ciliate-operator":
        assert len(offered) == 1
    else:
        assert offered == ["k8s-ctr", "k8s-w1"]


def test_panels_that_may_be_empty_are_there() -> None:
    panels = [json.loads(path.read_text(encoding="utf-8"))["panels"] for path in DASHBOARDS]

    assert EMPTY.keys() <= {each["title"] for dashboard in panels for each in dashboard}


def test_numbers_are_those_of_the_traffic(lab: Cluster) -> None:
    """A query may be answered, and be about something else."""
    expected = {
        'sum(hubble_drop_total{reason="INVALID_SOURCE_IP",protocol="UDP"})': [10.0],
        'count(cilium_ip_addresses{family="ipv4"})': [2.0],
        "sum(ciliate_operator_leading)": [1.0],
        'cilium_operator_lbipam_ips_used{pool="measured"}': [1.0],
    }

    def numbers(expression: str) -> list[float]:
        return [float(each["value"][1]) for each in query(lab, expression)]

    eventually(
        lambda: {expression: numbers(expression) for expression in expected} == expected,
        what="all are counted",
    )


def test_pod_puts_no_numbers_under_the_names_of_the_network(lab: Cluster) -> None:
    eventually(lambda: query(lab, "own_number"), what="the pod is scraped")

    forged = query(lab, '{__name__=~"(cilium|ciliate|hubble)_.+",namespace!="kube-system"}')
    forged += query(lab, '{__name__=~"(cilium|ciliate|hubble)_.+"} == 666')

    assert forged == []
    (own,) = query(lab, "own_number")
    assert (own["metric"]["namespace"], own["metric"]["pod"]) == ("default", "liar")


def test_target_that_says_too_much_is_down_and_leaves_nothing(lab: Cluster) -> None:
    def babbler() -> Any:
        found = ask(lab, "targets", state="active")["activeTargets"]
        return next((each for each in found if each["labels"]["pod"] == "babbler"), {})

    eventually(lambda: "sample limit exceeded" in babbler().get("lastError", ""), what="refused")

    assert babbler()["scrapeUrl"].endswith(":8081/own"), "the port that it declares"
    assert query(lab, "babble") == []


def test_wrong_annotation_is_told(lab: Cluster) -> None:
    logs = lab.kubectl(
        *("logs", "-n", "cilium-monitoring", "deploy/prometheus", "-c", "scrape-targets")
    )

    assert "default/wrong: prometheus.io/port is 'metrics': write a port" in logs


def test_pod_that_comes_and_goes_is_a_target_as_long(lab: Cluster) -> None:
    def scraped() -> bool:
        found = ask(lab, "targets", state="active")["activeTargets"]
        return any(each["labels"]["pod"] == "passing" for each in found)

    lab.kubectl(
        "run",
        "passing",
        "--image=traefik/whoami",
        "--annotations=prometheus.io/scrape=true",
        "--annotations=prometheus.io/port=80",
    )
    eventually(scraped, what="it is found")
    lab.kubectl("delete", "pod", "passing", "--now")
    eventually(lambda: not scraped(), what="it is forgotten")


def test_lab_whose_prometheus_is_not_ready_is_not_healthy(lab: Cluster) -> None:
    """The last of the file: it leaves the lab without."""
    assert lab.status()["healthy"]
    in_vain = ("set", "image", "-n", "cilium-monitoring", "deploy/prometheus")

    lab.kubectl(*in_vain, "prometheus=prom/absent:v1")

    eventually(lambda: not lab.status()["healthy"], what="it is told")
    assert any("prometheus" in line for line in lab.status()["unready"])
