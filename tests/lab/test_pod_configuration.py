"""What pods are told by their manifests: variables, ConfigMaps, Secrets, facts of themselves."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.lab.cluster import Cluster, eventually

NAMESPACE = "configured"

OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data: {A: "1", B: two words}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {P: hidden}
"""

VARIABLES = """
apiVersion: v1
kind: Pod
metadata: {name: variables, labels: {app: e}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: nicolaka/netshoot
    command: ["sh", "-c", "echo '$(ONE) $$(ONE) $(NOPE)'; sleep infinity"]
    envFrom:
    - configMapRef: {name: conf}
    - {prefix: S_, secretRef: {name: keys}}
    env:
    - {name: ONE, value: "1"}
    - {name: TWO, value: "$(ONE)2"}
    - {name: SKEY, valueFrom: {secretKeyRef: {name: keys, key: P}}}
    - {name: OPT, valueFrom: {secretKeyRef: {name: nope, key: P, optional: true}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: HOST, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: requests.cpu, divisor: 1m}}}
    - {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
    resources: {requests: {cpu: 100m}, limits: {memory: 64Mi}}
"""

LATE = """
apiVersion: v1
kind: Pod
metadata: {name: late}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: nicolaka/netshoot
    command: [sleep, infinity]
    envFrom: [{configMapRef: {name: later}}]
"""


class Shop:
    """A namespace of a test's own."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def kubectl(self, *words: str, text: str | None = None) -> str:
        """What kubectl prints, in the namespace."""
        return self.cluster.kubectl("-n", NAMESPACE, *words, text=text)

    def apply(self, manifest: str) -> None:
        """Create or change what a manifest says."""
        self.kubectl("apply", "-f", "-", text=manifest)

    def waiting(self, pod: str) -> Any:
        """What the pod's first container waits for, or nothing."""
        status = self.cluster.object("-n", NAMESPACE, "pod", pod)["status"]
        return status.get("containerStatuses", [{}])[0].get("state", {}).get("waiting")

    def until_ready(self, pod: str) -> None:
        """Wait for the pod."""
        self.kubectl("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=20s")


@pytest.fixture(scope="module")
def shop(cluster: Cluster) -> Iterator[Shop]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    found = Shop(cluster)
    try:
        found.apply(OBJECTS)
        yield found
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false", check=False)


def test_container_has_the_variables_its_manifest_declares(shop: Shop) -> None:
    shop.apply(VARIABLES)

    shop.until_ready("variables")

    lines = shop.kubectl("exec", "variables", "--", "env").splitlines()
    found = dict(line.split("=", 1) for line in lines)
    pod = shop.cluster.object("-n", NAMESPACE, "pod", "variables")
    assert shop.kubectl("logs", "variables") == "1 $(ONE) $(NOPE)\n"
    wanted = {
        "A": "1",
        "B": "two words",
        "S_P": "hidden",
        "TWO": "12",
        "SKEY": "hidden",
        "NODE": pod["spec"]["nodeName"],
        "HOST": pod["status"]["hostIP"],
        "CPU": "100",
        "MEM": "67108864",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert "OPT" not in found


def test_pod_waits_for_a_config_map_by_its_name_and_starts_when_it_comes(shop: Shop) -> None:
    shop.apply(LATE)
    message = 'configmap "later" not found'
    wanted = {"reason": "CreateContainerConfigError", "message": message}
    eventually(lambda: shop.waiting("late") == wanted, what="the reason")
    assert f"Error: {message}" in shop.kubectl("describe", "pod", "late")

    shop.kubectl("create", "configmap", "later", "--from-literal=LATE=1")

    shop.kubectl("wait", "--for=condition=Ready", "pod/late", "--timeout=5s")
    assert "LATE=1\n" in shop.kubectl("exec", "late", "--", "env")


VOLUMES = """
apiVersion: v1
kind: Pod
metadata: {name: volumes, labels: {app: e}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {fsGroup: 4711}
  containers:
  - name: c
    image: nicolaka/netshoot
    command: [sleep, infinity]
    env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
    resources: {limits: {memory: 64Mi}}
    volumeMounts:
    - {name: conf, mountPath: /conf}
    - {name: conf, mountPath: /etc/one.conf, subPath: A}
    - {name: pod, mountPath: /pod}
    - {name: all, mountPath: /all}
    - {name: scratch, mountPath: /scratch, subPathExpr: $(POD)}
  volumes:
  - {name: conf, configMap: {name: live}}
  - name: pod
    downwardAPI:
      items:
      - {path: labels, fieldRef: {fieldPath: metadata.labels}}
      - {path: mem, resourceFieldRef: {containerName: c, resource: limits.memory, divisor: 1Mi}}
  - name: all
    projected:
      defaultMode: 0400
      sources:
      - secret: {name: keys}
      - configMap: {name: live, items: [{key: A, path: in/a}]}
  - {name: scratch, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
"""


def test_volumes_come_with_what_they_show_and_follow_its_changes(shop: Shop) -> None:
    shop.apply(VOLUMES)
    message = 'MountVolume.SetUp failed for volume "conf" : configmap "live" not found'
    eventually(lambda: message in shop.kubectl("describe", "pod", "volumes"), what="the event")

    shop.kubectl("create", "configmap", "live", "--from-literal=A=1")
    shop.kubectl("wait", "--for=condition=Ready", "pod/volumes", "--timeout=5s")

    def shown(path: str) -> str:
        return shop.kubectl("exec", "volumes", "--", "cat", path)

    assert [shown(path) for path in ("/conf/A", "/etc/one.conf", "/all/in/a")] == ["1"] * 3
    assert (shown("/pod/labels"), shown("/pod/mem"), shown("/all/P")) == (
        'app="e"',
        "64",
        "hidden",
    )
    script = "stat -Lc %g:%a /all/P; touch /scratch/x; touch /conf/x 2>&1 | grep -o Read-only"
    assert shop.kubectl("exec", "volumes", "--", "sh", "-c", script) == "4711:440\nRead-only\n"

    shop.kubectl("patch", "configmap", "live", "-p", '{"data":{"A":"2"}}')
    shop.kubectl("label", "pod", "volumes", "new=1")
    eventually(lambda: (shown("/conf/A"), shown("/all/in/a")) == ("2", "2"), what="the change")
    eventually(lambda: 'new="1"' in shown("/pod/labels"), what="the new label")
    assert shown("/etc/one.conf") == "1"


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("spec.containers[c].volumeDevices", "volumeDevices: [{name: v, devicePath: /dev/x}]"),
    ],
)
def test_pod_with_a_field_that_a_lab_does_not_know_waits_and_names_it(
    shop: Shop, field: str, said: str
) -> None:
    name = said.partition(":")[0].lower()
    container = f"{{name: c, image: busybox, command: [sleep, infinity], {said}}}"
    volumes = "volumes: [{name: v, emptyDir: {}}]"
    shop.apply(
        f"{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}},"
        f" spec: {{containers: [{container}], {volumes}}}}}"
    )

    eventually(lambda: shop.waiting(name), what="a reason")
    eventually(lambda: shop.waiting(name)["reason"] == "CreateContainerConfigError", what="which")
    assert shop.waiting(name)["message"].startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("policy", "script", "message"),
    [
        ("File", "echo out; echo written > /dev/termination-log; exit 3", "written\n"),
        ("FallbackToLogsOnError", "echo out; exit 3", "out\n"),
        ("FallbackToLogsOnError", "echo out", None),
    ],
)
def test_last_words_of_a_container_are_told(
    shop: Shop, policy: str, script: str, message: str | None
) -> None:
    container = {
        "name": "c",
        "image": "busybox",
        "command": ["sh", "-c", script],
        "terminationMessagePolicy": policy,
    }
    spec = {"restartPolicy": "Never", "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "last-"}, "spec": spec}

    made = shop.kubectl("create", "-o", "name", "-f", "-", text=json.dumps(pod)).strip()

    def ended() -> Any:
        status = shop.cluster.object("-n", NAMESPACE, made)["status"]
        return status.get("containerStatuses", [{}])[0].get("state", {}).get("terminated")

    eventually(ended, what="its end")
    assert ended().get("message") == message


SIDECARS = """
apiVersion: v1
kind: Pod
metadata: {name: sidecars}
spec:
  restartPolicy: Never
  volumes: [{name: told, emptyDir: {}}]
  initContainers:
  - name: first
    image: busybox
    restartPolicy: Always
    command: [sh, -c, "trap 'echo ended; exit' TERM; sleep infinity & wait"]
    volumeMounts: &told [{name: told, mountPath: /told}]
  - name: second
    image: busybox
    restartPolicy: Always
    command: [sh, -c, "trap 'echo ended; exit' TERM; sleep infinity & wait"]
    volumeMounts: *told
  - {name: setup, image: busybox, command: ["true"]}
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "until [ -e /told/go ]; do sleep 0.1; done; echo ended"]
    volumeMounts: *told
"""


def test_sidecars_start_before_and_end_after_the_others(shop: Shop) -> None:
    shop.apply(SIDECARS)
    shop.until_ready("sidecars")
    row = shop.kubectl("get", "pod", "sidecars", "--no-headers").split()
    assert row[1:3] == ["3/3", "Running"]

    # All may have ended, and with them what was run in one, before that has ended: 137.
    told = ("exec", "sidecars", "-c", "first", "--", "touch", "/told/go")
    shop.cluster.kubectl("-n", NAMESPACE, *told, check=False)
    phase = "--for=jsonpath={.status.phase}=Succeeded"
    shop.kubectl("wait", phase, "pod/sidecars", "--timeout=20s")

    def end_of(container: str) -> str:
        time, said = shop.kubectl("logs", "sidecars", "-c", container, "--timestamps").split()
        assert said == "ended"
        return time

    order = ["main", "second", "first"]
    assert sorted(order, key=end_of) == order
