"""Pods whose packets nobody can explain are told apart before any agent is asked."""

import pytest

from ciliate.api.core import Pod, PodSpec, PodStatus
from ciliate.cli.asked_pod import networkless


@pytest.mark.parametrize(
    ("spec", "phase", "problem"),
    [
        (PodSpec(), "Pending", "is on no node yet"),
        (PodSpec(node_name="a"), "Succeeded", "has ended (Succeeded) and sends nothing"),
        (PodSpec(node_name="a"), "Failed", "has ended (Failed) and sends nothing"),
        (
            PodSpec(node_name="a", host_network=True),
            "Running",
            "has its node's network: its packets have the node's address and meet no rule",
        ),
        (PodSpec(node_name="a"), "Running", ""),
    ],
)
def test_pod_without_a_network_of_its_own_is_named_as_such(
    spec: PodSpec, phase: str, problem: str
) -> None:
    assert networkless(Pod(spec=spec, status=PodStatus(phase=phase))) == problem
