"""Deployments as kubectl's rollout commands see them."""

from collections.abc import Callable

from tests.lab.cluster import Cluster, eventually

CAUSE = "kubernetes.io/change-cause"
#: Paused at no replicas: its history is of ReplicaSets alone.
CREATE = ("create", "deployment", "history", "--image=traefik/whoami", "--replicas=0")


def history(cluster: Cluster) -> Callable[[], list[tuple[str, str]]]:
    """Return a function that reads which revisions there are, and why."""

    def rows() -> list[tuple[str, str]]:
        lines = cluster.kubectl("rollout", "history", "deployment/history").splitlines()
        return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in lines[2:] if line]

    return rows


def test_history_says_why_each_revision_was_made(cluster: Cluster) -> None:
    rows = history(cluster)
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
