"""`api/pod_report.py`: a pod that is not ready says why, with its container's own last line."""

from typing import Any

import msgspec
import pytest

from ciliate.api.pod_report import PodReport, failures, why_unready

REFUSED = "INFO starting\nmtu: 'large' is no number: write such as 1500\n"
LAST_LINE = "mtu: 'large' is no number: write such as 1500"
ENDED = {"terminated": {"exitCode": 1, "reason": "Error", "message": REFUSED}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting"}}


def pod(**container: Any) -> PodReport:
    """Return an agent's pod, as an API server has it."""
    document = {
        "metadata": {"name": "cilium-abcde"},
        "spec": {"nodeName": "k8s-w1"},
        "status": {"containerStatuses": [{"name": "cilium-agent", **container}]},
    }
    return msgspec.json.decode(msgspec.json.encode(document), type=PodReport)


@pytest.mark.parametrize(
    ("container", "text"),
    [
        ({"state": BACK_OFF, "lastState": ENDED}, f"CrashLoopBackOff: {LAST_LINE}"),
        ({"state": ENDED}, f"Error: {LAST_LINE}"),
        ({"state": {"running": {}}, "lastState": ENDED}, f"Error: {LAST_LINE}"),
        ({"state": BACK_OFF}, "CrashLoopBackOff: back-off 10s restarting"),
        ({"state": {"waiting": {"reason": "ContainerCreating"}}}, "ContainerCreating"),
        (
            {"state": BACK_OFF, "lastState": {"terminated": {"exitCode": 137, "reason": "OOM"}}},
            "CrashLoopBackOff: back-off 10s restarting",
        ),
    ],
    ids=["backs off", "ended", "runs again", "no message", "has not begun", "killed"],
)
def test_reason_and_last_line_of_a_container_that_failed(
    container: dict[str, Any], text: str
) -> None:
    assert why_unready(pod(**container)) == f"pod cilium-abcde on k8s-w1: {text}"


@pytest.mark.parametrize(
    "container",
    [
        {"ready": True, "state": {"running": {}}, "lastState": ENDED},
        {"state": {"running": {}}},
        {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
    ],
    ids=["ready after a failure", "not ready yet", "done"],
)
def test_container_without_a_failure_is_not_told(container: dict[str, Any]) -> None:
    assert list(failures(pod(**container))) == []


def test_init_container_that_fails_is_the_reason() -> None:
    found = PodReport(
        status=msgspec.convert(
            {"initContainerStatuses": [{"name": "mount", "state": ENDED}]},
            type=type(PodReport().status),
        )
    )

    assert why_unready(found).endswith(f": Error: {LAST_LINE}")
