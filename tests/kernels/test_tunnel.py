"""Pods of two nodes reach each other in a tunnel: Geneve where the kernel has it, else VXLAN.

The lab is everybody's, and native until now: this file is the last one by its name. It stays as it is
changed here, since an agent's start takes half a minute in a guest.
"""

import pytest
from tests.kernels.conftest import NODES, SmokeLab
from tests.lab.cluster import run


def made_of(protocol: str) -> bool:
    """Whether this kernel makes devices of a protocol."""
    made = run(["ip", "link", "add", "tried", "type", protocol, "external"], check=False)
    run(["ip", "link", "delete", "tried"], check=False)
    return made.returncode == 0


@pytest.fixture
def protocol(lab: SmokeLab) -> str:
    """The lab with a tunnel of this protocol."""
    chosen = "geneve" if made_of("geneve") else "vxlan"
    words = ("routingMode=tunnel", "autoDirectNodeRoutes=false", f"tunnelProtocol={chosen}")
    change(lab, *words)
    return chosen


def change(lab: SmokeLab, *settings: str) -> None:
    lab.cluster.lab("upgrade", *(word for each in settings for word in ("--set", each)))
    lab.cluster.lab("restart", "agent")


def links(lab: SmokeLab, node: str) -> str:
    return lab.cluster.exec(node, "ip", "-br", "link")


def counted(lab: SmokeLab, node: str) -> str:
    return lab.cluster.exec(node, "cilium-dbg", "bpf", "metrics", "list")


def test_pods_and_nodes_reach_each_other_in_both_families(lab: SmokeLab, protocol: str) -> None:
    remote = lab.addresses("tools-k8s-w1")
    own = lab.addresses("tools-k8s-ctr")

    for version, address in remote.items():
        seen = lab.fetch("tools-k8s-ctr", address)
        assert f"RemoteAddr: {own[version] if version == 4 else f'[{own[version]}]'}:" in seen
        assert lab.fetch("k8s-ctr", address)
    for address in own.values():
        assert lab.fetch("tools-k8s-w1", address)
    for node in NODES:
        assert f"cilium_{protocol}" in links(lab, node)
        rows = counted(lab, node)
        assert "from_tunnel.bpf.c" in rows
    assert "from_host.bpf.c" in counted(lab, "k8s-ctr")
    status = lab.node_status("k8s-ctr")
    assert status["routing"]["tunnel-protocol"] == protocol
