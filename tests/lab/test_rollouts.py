"""Deployments and DaemonSets as kubectl's rollout commands see them."""

from collections.abc import Callable
from pathlib import Path

from tests.lab.cluster import Cluster, eventually

REPOSITORY = Path(__file__).parents[2]
CAUSE = "kubernetes.io/change-cause"
#: Paused at no replicas: its history is of ReplicaSets alone.
CREATE = ("create", "deployment", "history", "--image=traefik/whoami", "--replicas=0")


def history(cluster: Cluster, of: str) -> Callable[[], list[tuple[str, str]]]:
    """Return a function that reads which revisions there are, and why."""

    def rows() -> list[tuple[str, str]]:
        lines = cluster.kubectl("rollout", "history", of).splitlines()
        return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in lines[2:] if line]

    return rows


def test_history_says_why_each_revision_was_made(cluster: Cluster) -> None:
    rows = history(cluster, "deployment/history")
    cluster.kubectl(*CREATE)
    try:
        cluster.kubectl("annotate", "deployment/history", f"{CAUSE}=first")
        eventually(lambda: rows() == [("1", "first")], what="the first cause")
        cluster.kubectl("set", "image", "deployment/history", "whoami=nginx")
        cluster.kubectl("annotate", "--overwrite", "deployment/history", f"{CAUSE}=second")
        eventually(lambda: rows() == [("1", "first"), ("2", "second")], what="both causes")

        cluster.kubectl("rollout", "undo", "deployment/history")

        eventually(
            lambda: rows() == [("2", "second"), ("3", "first")], what="the cause after undo"
        )
    finally:
        cluster.kubectl("delete", "deployment", "history", check=False)


#: No node suits it: its history is of ControllerRevisions alone.
DAEMONS = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: history, annotations: {kubernetes.io/change-cause: first}}
spec:
  selector: {matchLabels: {app: history}}
  template:
    metadata: {labels: {app: history}}
    spec:
      nodeSelector: {nowhere: here}
      containers: [{name: whoami, image: traefik/whoami}]
"""


def test_daemon_sets_have_a_history_and_go_back_in_it(cluster: Cluster) -> None:
    rows = history(cluster, "daemonset/history")
    cluster.kubectl("apply", "-f", "-", text=DAEMONS)
    try:
        eventually(lambda: rows() == [("1", "first")], what="the first revision")
        second = DAEMONS.replace("traefik/whoami", "nginx").replace(
            "cause: first", "cause: second"
        )
        cluster.kubectl("apply", "-f", "-", text=second)
        eventually(lambda: rows() == [("1", "first"), ("2", "second")], what="both revisions")
        shown = cluster.kubectl("rollout", "history", "daemonset/history", "--revision=1")

        cluster.kubectl("rollout", "undo", "daemonset/history")

        eventually(lambda: rows() == [("2", "second"), ("3", "first")], what="the way back")
        image = "-o=jsonpath={.spec.template.spec.containers[0].image}"
        assert "traefik/whoami" in shown
        assert cluster.kubectl("get", "daemonset", "history", image) == "traefik/whoami"
    finally:
        cluster.kubectl("delete", "daemonset", "history", check=False)


#: Three replicas that refuse each other's node, on two nodes.
CROWDED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: crowded}
spec:
  replicas: 3
  progressDeadlineSeconds: 1
  selector: {matchLabels: {app: crowded}}
  template:
    metadata: {labels: {app: crowded}}
    spec:
      terminationGracePeriodSeconds: 0
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - labelSelector: {matchLabels: {app: crowded}}
            topologyKey: kubernetes.io/hostname
      containers: [{name: web, image: traefik/whoami}]
"""


def test_example_is_spread_and_restarts(cluster: Cluster) -> None:
    example = (REPOSITORY / "docs/examples/webpod.yaml").read_text()
    cluster.kubectl("create", "namespace", "example")
    try:
        cluster.kubectl("-n", "example", "apply", "-f", "-", text=example)
        restart = ("-n", "example", "rollout", "restart", "deployment/webpod")
        for _ in range(2):
            status = ("rollout", "status", "deployment/webpod", "--timeout=20s")
            cluster.kubectl("-n", "example", *status)
            pods = cluster.object("-n", "example", "pods", "-l", "app=webpod")["items"]
            staying = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
            assert {pod["spec"]["nodeName"] for pod in staying} == {"k8s-ctr", "k8s-w1"}
            # kubectl restarts once a second, and a rollout may take less.
            eventually(lambda: "restarted" in cluster.kubectl(*restart, check=False))
        cluster.kubectl("-n", "example", *status)
    finally:
        cluster.kubectl("delete", "namespace", "example", "--wait=false", check=False)


def test_rollout_that_cannot_go_on_says_why(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", text=CROWDED)
    try:
        condition = "--for=condition=Progressing=false"
        cluster.kubectl("wait", condition, "deployment/crowded", "--timeout=20s")

        assert "ProgressDeadlineExceeded" in cluster.kubectl("describe", "deployment", "crowded")
        why = (
            "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. "
            "preemption: 0/2 nodes are available: "
            "2 No preemption victims found for incoming pod."
        )

        def is_told() -> bool:
            described = cluster.kubectl("describe", "pod", "-l", "app=crowded")
            return "FailedScheduling" in described and why in described

        # The rollout's time may be over before the scheduler has come to the pod.
        eventually(is_told, within_s=20, what="why the pod has no node")
        failed = cluster.kubectl("get", "deployment", "crowded", "-o", "jsonpath={.status}")
        assert 'ReplicaSet \\"crowded-' in failed
        assert "has timed out progressing" in failed
    finally:
        cluster.kubectl("delete", "deployment", "crowded", check=False)
