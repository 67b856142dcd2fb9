"""Probes and hooks of containers: what a kubelet does with them, as kubectl shows it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.lab.cluster import Cluster, eventually

NAMESPACE = "probed"

#: A server for probes: touch /ok to have it answer 200, remove it for 503.
SERVER = """
import http.server, os, socket
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if os.path.exists("/ok") else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
Server(("::", 8080), Answer).serve_forever()
"""

#: Ends by itself at SIGTERM, with exit code 0.
WAIT = "trap 'exit 0' TERM; sleep infinity & wait"


class Pods:
    """The namespace of these tests."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def kubectl(self, *words: str, text: str | None = None, check: bool = True) -> str:
        """What kubectl prints, in the namespace."""
        return self.cluster.kubectl("-n", NAMESPACE, *words, text=text, check=check)

    def create(self, name: str, *containers: dict[str, Any], **spec: Any) -> None:
        """Make a pod; containers are busyboxes that wait, unless they say otherwise."""
        filled = [
            {"name": "c", "image": "busybox", "command": ["sh", "-c", WAIT], **each}
            for each in containers
        ]
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": filled, **spec},
        }
        self.kubectl("create", "-f", "-", text=json.dumps(body))

    def status(self, name: str) -> Any:
        """The status of a pod's first container, empty before there is one."""
        pod = self.cluster.object("-n", NAMESPACE, "pod", name)
        return pod["status"].get("containerStatuses", [{}])[0]

    def until_restarted(self, name: str) -> None:
        """Wait for the container's second life."""
        eventually(
            lambda: self.status(name).get("restartCount") == 1 and self.status(name)["started"],
            what="a restart",
        )

    def events(self, name: str, reason: str) -> list[str]:
        """The messages of a pod's events."""
        found = self.cluster.object(
            *("-n", NAMESPACE, "events"),
            *("--field-selector", f"involvedObject.name={name},reason={reason}"),
        )
        return [each["message"] for each in found["items"]]

    def until_told(self, name: str, reason: str, message: str) -> None:
        """Wait for an event, whose message begins so."""
        eventually(
            lambda: any(each.startswith(message) for each in self.events(name, reason)),
            what=f"{reason}: {message}",
        )


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> Iterator[Pods]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    try:
        yield Pods(cluster)
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false", check=False)


def test_failed_liveness_restarts_the_container_whatever_its_exit_code(pods: Pods) -> None:
    probe = {"exec": {"command": ["cat", "/alive"]}, "periodSeconds": 1, "failureThreshold": 2}
    pods.create("dies", {"livenessProbe": probe}, restartPolicy="OnFailure")

    pods.until_restarted("dies")

    last = pods.status("dies")["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (0, "Completed")
    pods.until_told("dies", "Unhealthy", "Liveness probe failed: cat: ")
    pods.until_told("dies", "Killing", "Container c failed liveness probe, will be restarted")


def test_container_that_may_not_restart_ends_with_its_liveness(pods: Pods) -> None:
    probe = {
        "tcpSocket": {"port": 81},
        "periodSeconds": 1,
        "failureThreshold": 1,
        "terminationGracePeriodSeconds": 1,
    }
    deaf = {"command": ["sh", "-c", "trap '' TERM; sleep infinity & wait"]}
    pods.create(
        "ends",
        {**deaf, "livenessProbe": probe},
        restartPolicy="Never",
        terminationGracePeriodSeconds=60,
    )

    eventually(lambda: "terminated" in pods.status("ends").get("state", {}), what="its end")

    assert pods.status("ends")["state"]["terminated"]["exitCode"] == 137
    address = pods.cluster.object("-n", NAMESPACE, "pod", "ends")
    assert address["status"]["phase"] == "Failed"
    pods.until_told("ends", "Unhealthy", "Liveness probe failed: dial tcp 10.244.")
    pods.until_told("ends", "Killing", "Container c failed liveness probe")


def test_startup_holds_back_liveness_and_readiness(pods: Pods) -> None:
    pods.create(
        "starts",
        {
            "startupProbe": {
                "exec": {"command": ["test", "-e", "/up"]},
                "periodSeconds": 1,
                "failureThreshold": 100,
            },
            "livenessProbe": {
                "exec": {"command": ["test", "-e", "/alive"]},
                "periodSeconds": 1,
                "failureThreshold": 1,
            },
        },
    )
    pods.until_told("starts", "Unhealthy", "Startup probe failed: ")
    before = pods.status("starts")

    pods.kubectl("exec", "starts", "--", "touch", "/up")
    eventually(lambda: pods.status("starts")["restartCount"] == 1, what="liveness")

    assert (before["started"], before["ready"], before["restartCount"]) == (False, False, 0)
    assert "running" in before["state"]


def test_failed_startup_restarts_the_container(pods: Pods) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    pods.create("late", {"startupProbe": probe})

    eventually(lambda: pods.status("late").get("restartCount") == 1, what="a restart")

    pods.until_told("late", "Killing", "Container c failed startup probe, will be restarted")


def test_readiness_goes_and_comes_by_its_thresholds(pods: Pods) -> None:
    probe = {
        "httpGet": {"port": 8080, "path": "/x?y=1"},
        "periodSeconds": 1,
        "failureThreshold": 1,
        "successThreshold": 2,
    }
    server = {"image": "nicolaka/netshoot", "command": ["python3", "-c", SERVER]}
    pods.create("web", {**server, "readinessProbe": probe})
    pods.until_told(
        "web", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"
    )

    pods.kubectl("exec", "web", "--", "touch", "/ok")
    pods.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=10s")
    pods.kubectl("exec", "web", "--", "rm", "/ok")
    pods.kubectl("wait", "--for=condition=Ready=false", "pod/web", "--timeout=10s")

    assert pods.status("web")["restartCount"] == 0


def test_command_of_a_probe_that_takes_too_long_is_killed(pods: Pods) -> None:
    command = ["sh", "-c", "sleep 3600"]
    probe = {"exec": {"command": command}, "periodSeconds": 60, "timeoutSeconds": 1}
    pods.create("slow", {"livenessProbe": probe})

    pods.until_told(
        "slow", "Unhealthy", 'Liveness probe failed: command "sh -c sleep 3600" timed out'
    )

    script = (
        "grep -lx sleep /proc/[0-9]*/comm | while read f; do tr '\\0' ' ' < ${f%comm}cmdline; done"
    )
    assert "3600" not in pods.kubectl("exec", "slow", "--", "sh", "-c", script)


def test_post_start_comes_before_running_and_before_the_next_container(pods: Pods) -> None:
    script = "until [ -e /told/go ]; do sleep 0.05; done; touch /told/done"
    told = {"volumeMounts": [{"name": "told", "mountPath": "/told"}]}
    hook = {"postStart": {"exec": {"command": ["sh", "-c", script]}}}
    pods.create(
        "hooked",
        {"lifecycle": hook, **told},
        {"name": "next", **told},
        volumes=[{"name": "told", "emptyDir": {}}],
    )
    pods.until_told("hooked", "Started", "Started container c")
    eventually(lambda: pods.status("hooked"), what="a status")
    before = pods.status("hooked")

    assert pods.events("hooked", "Started") == ["Started container c"]
    pods.kubectl("exec", "hooked", "-c", "c", "--", "touch", "/told/go")
    pods.kubectl("wait", "--for=condition=Ready", "pod/hooked", "--timeout=10s")

    assert before["state"] == {"waiting": {"reason": "ContainerCreating"}}
    pods.kubectl("exec", "hooked", "-c", "next", "--", "test", "-e", "/told/done")


def test_failed_post_start_ends_the_container(pods: Pods) -> None:
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "echo secret; exit 3"]}}}
    pods.create("unhooked", {"lifecycle": hook}, restartPolicy="Never")

    eventually(lambda: "terminated" in pods.status("unhooked").get("state", {}), what="its end")

    pods.until_told("unhooked", "Killing", "FailedPostStartHook")
    assert pods.events("unhooked", "FailedPostStartHook") == ["PostStartHook failed"]


def test_pre_stop_runs_to_its_end_before_sigterm(pods: Pods) -> None:
    script = "echo hook > /proc/1/fd/1; sleep 0.2; echo over > /proc/1/fd/1"
    waiting = "trap 'echo term; exit' TERM; sleep infinity & wait"
    pods.create(
        "stopped",
        {
            "command": ["sh", "-c", waiting],
            "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", script]}}},
            "livenessProbe": {
                "exec": {"command": ["false"]},
                "periodSeconds": 1,
                "failureThreshold": 1,
            },
        },
        terminationGracePeriodSeconds=20,
    )

    eventually(
        lambda: pods.status("stopped").get("restartCount") == 1, within_s=20, what="restart"
    )

    assert pods.kubectl("logs", "stopped", "--previous").split() == ["hook", "over", "term"]


def test_pre_stop_that_takes_too_long_is_ended_with_the_grace_period(pods: Pods) -> None:
    hook = {"preStop": {"sleep": {"seconds": 3600}}}
    pods.create("overslept", {"lifecycle": hook}, terminationGracePeriodSeconds=1)
    pods.kubectl("wait", "--for=condition=Ready", "pod/overslept", "--timeout=10s")

    pods.kubectl("delete", "pod", "overslept", "--timeout=10s")

    assert pods.events("overslept", "FailedPreStopHook") == []
    assert pods.events("overslept", "Killing") == ["Stopping container c"]
