"""Section 5 of the walk-through, its end: ranges that see the pods' own addresses."""

import json
import re
from collections.abc import Iterator

import pytest
from tests.lab.cluster import eventually
from tests.lab.walkthrough.capture import Capture
from tests.lab.walkthrough.place import BEHIND_ROUTER, INTERNET_IP, NODE_IPS, ROUTER_IP, Place

CONFIG_MAP = "-n kube-system ip-masq-agent"

#: Who sees the node's address still: an echo id below the ports of masquerading must change there.
ECHO_ID = 4243


@pytest.fixture(scope="module")
def excluded(walk: Place) -> Iterator[Place]:
    """The user's `helm upgrade`, and routes to pods on the router; all undone at the end."""
    walk.typed(
        "ciliate lab upgrade --set ipMasqAgent.enabled=true"
        " --set ipMasqAgent.config.nonMasqueradeCIDRs='{10.10.1.0/24,10.10.2.0/24}'"
    )
    walk.typed("ciliate lab restart agent")
    try:
        with walk.router_knows_pods():
            yield walk
    finally:
        walk.typed("ciliate lab upgrade --set ipMasqAgent.enabled=false")
        walk.typed(f"kubectl delete cm {CONFIG_MAP}")
        walk.typed("ciliate lab restart agent")


def listed(walk: Place, node: str = "k8s-ctr") -> list[str]:
    """The lines of `bpf ipmasq list` on a node."""
    return walk.on(node, "cilium-dbg bpf ipmasq list").splitlines()


def test_setting_and_config_map_read_as_in_the_walk_through(excluded: Place) -> None:
    setting = excluded.typed("cilium config view | grep -i ip-masq")
    written = excluded.lab.object("cm", *CONFIG_MAP.split())["data"]

    assert setting.split() == ["enable-ip-masq-agent", "true"]
    assert written == {"config": '{"nonMasqueradeCIDRs":["10.10.1.0/24","10.10.2.0/24"]}'}


def test_list_and_status_of_every_node_name_the_ranges(excluded: Place) -> None:
    for node in NODE_IPS:
        rows = ["10.10.1.0/24", "10.10.2.0/24", "169.254.0.0/16"]
        assert listed(excluded, node) == ["IP PREFIX/ADDRESS", *rows]
        assert list(json.loads(excluded.on(node, "cilium-dbg bpf ipmasq list -o json"))) == rows
        status = excluded.on(node, "cilium-dbg status | grep Masquerading")
        rules = excluded.on(node, "cilium-dbg masquerade rules")
        assert re.search(rf"^2 +ip-masq-agent +all +{', '.join(rows)} ", rules, re.MULTILINE)
        assert re.search(r"BPF \(ip-masq-agent\)\s+\[eth0, eth1\]", status)


@pytest.mark.parametrize("address", BEHIND_ROUTER)
def test_ranges_see_the_pods_own_address_and_echo_id(excluded: Place, address: str) -> None:
    with Capture.on(excluded, "router", "any", "icmp") as seen:
        excluded.in_pod(f"ping -c 1 -W 3 -e {ECHO_ID} {address}")
        request = next(line for line in seen.until("echo reply") if "echo request" in line)

    assert f"IP {excluded.curl_ip} > {address}: ICMP echo request, id {ECHO_ID}," in request
    assert excluded.client_of(address) == excluded.curl_ip
    assert excluded.client_of(address, asks=excluded.webpod("k8s-w1")) == excluded.webpod_ip(
        "k8s-w1"
    )


def test_others_see_the_nodes_address_as_before(excluded: Place) -> None:
    assert excluded.client_of(ROUTER_IP) == "192.168.10.100"
    assert excluded.client_of(INTERNET_IP) == "10.0.2.15"


def test_edited_list_is_in_force_without_a_restart_and_a_bad_one_changes_nothing(
    excluded: Place,
) -> None:
    def edit(text: str) -> None:
        patch = json.dumps({"data": {"config": text}})
        excluded.typed(f"kubectl patch cm {CONFIG_MAP} --type merge -p '{patch}'")

    before = excluded.lab.object("cm", *CONFIG_MAP.split())["data"]["config"]
    edit("nonMasqueradeCIDRs:\n- 10.10.1.0/24\n- 192.168.10.0/24\n")
    eventually(lambda: "192.168.10.0/24" in listed(excluded), within_s=30, what="the edited list")
    assert excluded.client_of(ROUTER_IP) == excluded.curl_ip
    assert excluded.client_of(BEHIND_ROUTER[1]) == "192.168.10.100"

    edit("nonMasqueradeCIDRs:\n- 10.10.1.0/24\n- 10.10.2.0\n")
    eventually(
        lambda: (
            'line 3: Invalid CIDR "10.10.2.0"'
            in excluded.on("k8s-ctr", "cilium-dbg status --verbose", check=False)
        ),
        within_s=30,
        what="the bad line in the status",
    )
    assert "192.168.10.0/24" in listed(excluded)

    edit(before)
    eventually(lambda: "10.10.2.0/24" in listed(excluded), within_s=30, what="the list as it was")
