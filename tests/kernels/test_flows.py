"""Flows have names: the flow server, what it is told, and a client's way to it."""

import json

from tests.kernels.conftest import WAIT_S, SmokeLab
from tests.lab.cluster import eventually


def test_request_of_a_pod_is_a_flow_with_both_names(lab: SmokeLab) -> None:
    address = lab.addresses("tools-k8s-w1")[4]

    assert "Hostname: tools-k8s-w1" in lab.fetch("tools-k8s-ctr", address)

    def flows() -> list[tuple[str, str, str]]:
        words = ("--pod", "tools-k8s-w1", "--port", "80", "--last", "50", "-o", "json")
        printed = lab.cluster.exec("k8s-ctr", "hubble", "observe", *words, check=False)
        found = (json.loads(line)["flow"] for line in printed.splitlines())
        return [
            (each["source"]["pod_name"], each["destination"]["pod_name"], each["Summary"])
            for each in found
        ]

    syn = ("tools-k8s-ctr", "tools-k8s-w1", "TCP Flags: SYN")
    eventually(lambda: syn in flows(), within_s=WAIT_S, what="the first packet's flow")
