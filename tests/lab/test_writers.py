"""How often objects are written: hardly in quiet, and slowly where somebody undoes it.

Real clusters have a garbage collector and other tools; a writer that answers each of their changes
with one of its own keeps the API server busy for ever.
"""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, frozen, process

from ciliate.reconcile.rewrites import FREE_WRITES

KINDS = ("ciliumendpoints", "ciliumnodes", "ciliumidentities", "ciliumpodippools")
#: How long writes are counted: a war that nothing bounds made 8 a second.
COUNTED_S = 10.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("writers") as started:
        apply_pod(started, "quiet", "k8s-w1")
        eventually(lambda: endpoint_of(started, "quiet"), what="its CiliumEndpoint")
        yield started


def endpoint_of(lab: Cluster, pod: str) -> str:
    return lab.kubectl(
        "get", "ciliumendpoint", pod, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}"
    )


@contextmanager
def counted(lab: Cluster, *kinds: str) -> Iterator[list[str]]:
    """Yield a list that holds, after the block, a line "KIND EVENT NAME" for each write in it."""
    environment = {**os.environ, "KUBECONFIG": str(lab.folder / "kubeconfig")}
    columns = "custom-columns=EVENT:.type,KIND:.object.kind,NAME:.object.metadata.name"
    watch = ["get", "-A", "--watch-only", "--output-watch-events", "--no-headers", "-o", columns]
    watches = [
        subprocess.Popen(
            ["kubectl", *watch, kind], env=environment, stdout=subprocess.PIPE, text=True
        )
        for kind in kinds
    ]
    lines: list[str] = []

    def read(watching: subprocess.Popen[str]) -> None:
        assert watching.stdout is not None
        lines.extend(watching.stdout)

    readers = [threading.Thread(target=read, args=(each,)) for each in watches]
    for reader in readers:
        reader.start()
    try:
        yield lines
    finally:
        for each in watches:
            each.terminate()
            each.wait()
        for reader in readers:
            reader.join()


def observe(seconds: float) -> None:
    """Let a time pass: it is what is measured here."""
    time.sleep(seconds)


def test_nothing_is_written_while_nothing_happens(lab: Cluster) -> None:
    with counted(lab, *KINDS) as writes:
        observe(COUNTED_S)

    assert writes == []


def test_object_that_somebody_deletes_again_and_again_comes_back_slowly_and_is_told(
    lab: Cluster,
) -> None:
    node = FaultyNode(lab, "k8s-w1")
    end = time.monotonic() + COUNTED_S
    with counted(lab, "ciliumendpoints") as writes:
        while time.monotonic() < end:
            # Not waited for: an object of that name is to be back soon.
            lab.kubectl("delete", "ciliumendpoint", "quiet", "--ignore-not-found", "--wait=false")
    added = [line for line in writes if "ADDED" in line]

    assert FREE_WRITES <= len(added) <= FREE_WRITES + 4
    eventually(
        lambda: "undone each time" in node.run("cilium-dbg", "status", "-o", "json").stdout,
        within_s=20,
        what="the status that says so",
    )
    eventually(lambda: endpoint_of(lab, "quiet"), within_s=65, what="the object, once it is left")


def test_pod_that_is_gone_is_not_published_while_its_sandbox_lives(lab: Cluster) -> None:
    """The kubelet hangs, and somebody deletes the pod by force."""
    apply_pod(lab, "forced", "k8s-w1")
    eventually(lambda: endpoint_of(lab, "forced"), what="its CiliumEndpoint")

    with frozen(process(lab, "kube")):
        lab.kubectl("delete", "pod", "forced", "--force", "--grace-period=0")
        eventually(lambda: not endpoint_of(lab, "forced"), what="the garbage collector")
        with counted(lab, "ciliumendpoints") as writes:
            observe(COUNTED_S)

    assert [line for line in writes if "forced" in line] == []


def test_node_that_is_deleted_is_no_war_over_its_cilium_node(lab: Cluster) -> None:
    with counted(lab, "ciliumnodes") as writes:
        lab.kubectl("delete", "node", "k8s-w1")
        observe(COUNTED_S)

    assert len([line for line in writes if "k8s-w1" in line]) <= FREE_WRITES
