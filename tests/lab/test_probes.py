"""Probes and hooks of containers: what a kubelet does with them, as kubectl shows it.

All pods are made at once, so that what they wait for passes together.
"""

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

#: Until SIGTERM, which it answers by exit code 0, or not at all.
WAIT = "trap 'exit 0' TERM; sleep infinity & wait"
DEAF = {"command": ["sh", "-c", "trap '' TERM; sleep infinity & wait"]}


def shell(script: str) -> dict[str, Any]:
    """A probe or hook that is a script."""
    return {"exec": {"command": ["sh", "-c", script]}}


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A pod of containers that are busyboxes and wait, unless they say otherwise."""
    filled = [
        {"name": "c", "image": "busybox", "command": ["sh", "-c", WAIT], **each}
        for each in containers
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": filled, **spec},
    }


EVERY_SECOND = {"periodSeconds": 1, "failureThreshold": 1}
TOLD = {"volumeMounts": [{"name": "told", "mountPath": "/told"}]}

PODS = [
    pod(
        "dies",
        {"livenessProbe": {**shell("cat /alive"), **EVERY_SECOND, "failureThreshold": 2}},
        restartPolicy="OnFailure",
    ),
    pod(
        "ends",
        {
            **DEAF,
            "livenessProbe": {
                "tcpSocket": {"port": 81},
                **EVERY_SECOND,
                "terminationGracePeriodSeconds": 1,
            },
        },
        restartPolicy="Never",
        terminationGracePeriodSeconds=60,
    ),
    pod(
        "starts",
        {
            "startupProbe": {**shell("test -e /up"), "periodSeconds": 1, "failureThreshold": 100},
            "livenessProbe": {**shell("test -e /alive"), **EVERY_SECOND},
        },
    ),
    pod("late", {"startupProbe": {**shell("exit 1"), **EVERY_SECOND}}),
    pod(
        "web",
        {
            "image": "nicolaka/netshoot",
            "command": ["python3", "-c", SERVER],
            "readinessProbe": {
                "httpGet": {"port": 8080, "path": "/x?y=1"},
                **EVERY_SECOND,
                "successThreshold": 2,
            },
        },
    ),
    pod(
        "slow",
        {"livenessProbe": {**shell("sleep 3600"), "periodSeconds": 3600, "timeoutSeconds": 1}},
    ),
    pod(
        "hooked",
        {
            "lifecycle": {
                "postStart": shell("until [ -e /told/go ]; do sleep 0.05; done; touch /told/done")
            },
            **TOLD,
        },
        {"name": "next", **TOLD},
        volumes=[{"name": "told", "emptyDir": {}}],
    ),
    pod(
        "unhooked",
        {"lifecycle": {"postStart": shell("echo secret; exit 3")}},
        restartPolicy="Never",
    ),
    pod(
        "stopped",
        {
            "command": ["sh", "-c", "trap 'echo term; exit' TERM; sleep infinity & wait"],
            "lifecycle": {
                "preStop": shell("exec > /proc/1/fd/1; echo hook; sleep 0.2; echo over")
            },
            "livenessProbe": {**shell("exit 1"), **EVERY_SECOND},
        },
        terminationGracePeriodSeconds=20,
    ),
    pod("overslept", {"lifecycle": {"preStop": {"sleep": {"seconds": 3600}}}}),
]


class Pods:
    """The namespace of these tests."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def kubectl(self, *words: str, text: str | None = None) -> str:
        """What kubectl prints, in the namespace."""
        return self.cluster.kubectl("-n", NAMESPACE, *words, text=text)

    def status(self, name: str) -> Any:
        """The status of a pod's first container, empty before there is one."""
        found = self.cluster.object("-n", NAMESPACE, "pod", name)
        return found["status"].get("containerStatuses", [{}])[0]

    def until_restarted(self, name: str) -> None:
        """Wait for the container's second life."""
        eventually(
            lambda: self.status(name).get("restartCount", 0) >= 1,
            within_s=20,
            what=f"a restart of {name}",
        )

    def until_ended(self, name: str) -> None:
        """Wait for the container's end."""
        eventually(
            lambda: "terminated" in self.status(name).get("state", {}), what=f"the end of {name}"
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
    found = Pods(cluster)
    try:
        every = {"apiVersion": "v1", "kind": "List", "items": PODS}
        found.kubectl("create", "-f", "-", text=json.dumps(every))
        yield found
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false", check=False)


def test_failed_liveness_restarts_the_container_whatever_its_exit_code(pods: Pods) -> None:
    pods.until_restarted("dies")

    last = pods.status("dies")["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (0, "Completed")
    pods.until_told("dies", "Unhealthy", "Liveness probe failed: cat: ")
    pods.until_told("dies", "Killing", "Container c failed liveness probe, will be restarted")


def test_container_that_may_not_restart_ends_with_its_liveness(pods: Pods) -> None:
    pods.until_ended("ends")

    assert pods.status("ends")["state"]["terminated"]["exitCode"] == 137
    phase = "--for=jsonpath={.status.phase}=Failed"
    pods.kubectl("wait", phase, "pod/ends", "--timeout=10s")
    pods.until_told("ends", "Unhealthy", "Liveness probe failed: dial tcp 10.244.")
    pods.until_told("ends", "Killing", "Container c failed liveness probe")


def test_startup_holds_back_liveness_and_readiness(pods: Pods) -> None:
    pods.until_told("starts", "Unhealthy", "Startup probe failed: ")
    before = pods.status("starts")

    pods.kubectl("exec", "starts", "--", "touch", "/up")
    pods.until_restarted("starts")

    assert (before["started"], before["ready"], before["restartCount"]) == (False, False, 0)
    assert "running" in before["state"]
    pods.until_told("starts", "Killing", "Container c failed liveness probe")


def test_failed_startup_restarts_the_container(pods: Pods) -> None:
    pods.until_restarted("late")

    pods.until_told("late", "Killing", "Container c failed startup probe, will be restarted")


def test_readiness_goes_and_comes_by_its_thresholds(pods: Pods) -> None:
    message = "Readiness probe failed: HTTP probe failed with statuscode: 503"
    pods.until_told("web", "Unhealthy", message)

    pods.kubectl("exec", "web", "--", "touch", "/ok")
    pods.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=10s")
    pods.kubectl("exec", "web", "--", "rm", "/ok")
    pods.kubectl("wait", "--for=condition=Ready=false", "pod/web", "--timeout=10s")

    assert pods.status("web")["restartCount"] == 0


def test_command_of_a_probe_that_takes_too_long_is_killed(pods: Pods) -> None:
    message = 'Liveness probe failed: command "sh -c sleep 3600" timed out'
    pods.until_told("slow", "Unhealthy", message)

    script = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f; done"
    assert "3600 " not in pods.kubectl("exec", "slow", "--", "sh", "-c", script)


def test_post_start_comes_before_running_and_before_the_next_container(pods: Pods) -> None:
    pods.until_told("hooked", "Started", "Started container c")
    eventually(lambda: pods.status("hooked"), what="a status")
    before = pods.status("hooked")

    assert pods.events("hooked", "Started") == ["Started container c"]
    pods.kubectl("exec", "hooked", "-c", "c", "--", "touch", "/told/go")
    pods.kubectl("wait", "--for=condition=Ready", "pod/hooked", "--timeout=10s")

    assert before["state"] == {"waiting": {"reason": "ContainerCreating"}}
    pods.kubectl("exec", "hooked", "-c", "next", "--", "test", "-e", "/told/done")


def test_failed_post_start_ends_the_container(pods: Pods) -> None:
    pods.until_ended("unhooked")

    pods.until_told("unhooked", "Killing", "FailedPostStartHook")
    assert pods.events("unhooked", "FailedPostStartHook") == ["PostStartHook failed"]


def test_pre_stop_runs_to_its_end_before_sigterm(pods: Pods) -> None:
    pods.until_restarted("stopped")

    assert pods.kubectl("logs", "stopped", "--previous").split() == ["hook", "over", "term"]


def test_pre_stop_that_takes_too_long_is_ended_with_the_grace_period(pods: Pods) -> None:
    pods.kubectl("wait", "--for=condition=Ready", "pod/overslept", "--timeout=10s")

    pods.kubectl("delete", "pod", "overslept", "--timeout=10s")

    assert pods.events("overslept", "FailedPreStopHook") == []
    assert pods.events("overslept", "Killing") == ["Stopping container c"]
