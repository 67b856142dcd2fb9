"""The rules that stand for kube-proxy's: what they refer to is there, and asked Services are found."""

import re

import pytest
from benchmarks import kube_proxy
from benchmarks.kube_proxy import Mode
from benchmarks.service_objects import ENDPOINTS, ServedService, simulated

ASKED = ServedService("asked", "10.96.0.7", 80, (("10.201.1.2", 5202),), node_port=30_080)
SERVICES = kube_proxy.in_the_middle([ASKED], simulated(4))


def rules(mode: Mode) -> str:
    return "\n".join(kube_proxy.rules_of(SERVICES, mode=mode, cluster_cidr="10.201.0.0/16"))


def test_iptables_jumps_only_to_chains_that_are_declared_first() -> None:
    for table in rules(Mode.IPTABLES).split("COMMIT"):
        declared = set(re.findall(r"^:(\S+)", table, re.MULTILINE))
        targets = set(re.findall(r"-j (KUBE-\S+)", table))
        assert targets <= declared


def test_nftables_goes_only_to_chains_that_are_there() -> None:
    text = rules(Mode.NFTABLES)
    chains = set(re.findall(r"chain (\S+) \{", text))
    assert set(re.findall(r"(?:goto|jump) ([\w-]+)", text)) <= chains


@pytest.mark.parametrize("mode", Mode)
def test_every_endpoint_is_translated_to(mode: Mode) -> None:
    found = re.findall(r"(?:dnat to|--to-destination) (\S+?):(\d+)", rules(mode))
    wanted = {(address, str(port)) for each in SERVICES for address, port in each.endpoints}
    assert set(found) == wanted
    assert len(found) == 4 * ENDPOINTS + 1


def test_asked_service_has_as_many_before_it_as_behind() -> None:
    assert SERVICES.index(ASKED) == 2
