"""Agents and lab say they are well, and how they came to terms with this kernel."""

import re

from tests.kernels.conftest import NODES, WAIT_S, SmokeLab
from tests.lab.cluster import eventually

from ciliate.datapath import probes
from ciliate.datapath.probes import Support


def test_lab_and_agents_are_healthy(lab: SmokeLab) -> None:
    def is_healthy() -> bool:
        return lab.cluster.lab("status", check=False).returncode == 0

    eventually(is_healthy, within_s=WAIT_S, what="a healthy lab")
    for node in NODES:
        controllers = lab.node_status(node)["controllers"]
        failing = [each for each in controllers if each["status"].get("consecutive-failure-count")]
        assert not failing


def test_devices_run_programs_the_way_this_kernel_has(lab: SmokeLab) -> None:
    expected = "TCX" if probes.tcx() is Support.SUPPORTED else "Legacy TC"

    said = lab.cluster.exec(NODES[0], "cilium-dbg", "status", "--verbose")

    assert re.search(rf"^Attach Mode: +{expected}$", said, re.MULTILINE)


def test_router_has_devices_of_a_kind_this_kernel_knows(lab: SmokeLab) -> None:
    said = lab.cluster.exec("router", "ip", "-o", "-d", "link", "show", "loop1")

    assert "dummy" in said or "ifb" in said or "bridge" in said
