"""How often objects are written: hardly in quiet, and slowly where somebody undoes it.

Real clusters have a garbage collector and other tools; a writer that answers each of their changes
with one of its own keeps the API server busy for ever.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.deadlines import Deadline
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, frozen, process
from tests.lab.plugin_calls import make_sandboxes, remove_sandboxes

from ciliate.api.core import MIRROR_ANNOTATION
from ciliate.reconcile.rewrites import FREE_WRITES

#: As a kubelet makes them of the files of static pods.
FILE_HASH = "5c582d4dbb18402b879053bf48cb9396"
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
    end, deadline = time.monotonic() + COUNTED_S, Deadline(60)
    with counted(lab, "ciliumendpoints") as writes:

        def added() -> int:
            return sum("ADDED" in line for line in writes)

        # On a busy machine a command takes seconds: until the free writes are used up, too.
        while time.monotonic() < end or (added() < FREE_WRITES and not deadline.passed):
            # Not waited for: an object of that name is to be back soon.
            lab.kubectl("delete", "ciliumendpoint", "quiet", "--ignore-not-found", "--wait=false")

    assert FREE_WRITES <= added() <= FREE_WRITES + 4
    eventually(
        lambda: "undone each time" in node.run("cilium-dbg", "status", "-o", "json").stdout,
        within_s=20,
        what="the status that says so",
    )
    eventually(lambda: endpoint_of(lab, "quiet"), within_s=65, what="the object, once it is left")


def fought_over(node: FaultyNode, undo: Callable[[], object], name: str) -> str:
    """Undo a node's write until its status tells of it; return the failure of that key."""
    said: list[str] = []

    def told() -> bool:
        undo()
        status = json.loads(node.run("cilium-dbg", "status", "-o", "json").stdout)
        messages = [
            failure["msg"]
            for task in status["controllers"]
            for key, failure in task["status"].get("failing-keys", {}).items()
            if key == name
        ]
        said.extend(text for text in messages if "undone each time" in text)
        return bool(said)

    eventually(told, within_s=60, what="the status that says so")
    return said[-1]


def test_field_manager_that_changes_an_object_again_and_again_is_named(lab: Cluster) -> None:
    rival = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNode",
        "metadata": {"name": "k8s-w1", "labels": {"rival": "was-here"}},
    }
    apply = ("apply", "--server-side", "--field-manager=rival", "-f", "-")
    node = FaultyNode(lab, "k8s-w1")

    said = fought_over(node, lambda: lab.kubectl(*apply, text=json.dumps(rival)), "k8s-w1")

    assert "something changes it (field manager rival wrote to it last, at 20" in said
    eventually(
        lambda: "was-here" not in lab.kubectl("get", "ciliumnode", "k8s-w1", "-o", "yaml"),
        within_s=65,
        what="the object as it was, once it is left",
    )


def test_identity_that_somebody_deletes_again_and_again_comes_back_slowly_and_is_told(
    lab: Cluster,
) -> None:
    """It has no reconciler: the resolver of identities makes it, whenever it is gone."""
    published = lab.object("ciliumendpoint", "quiet")["status"]
    identity = str(published["identity"]["id"])

    def delete() -> None:
        lab.kubectl("delete", "ciliumidentity", identity, "--ignore-not-found")

    with counted(lab, "ciliumidentities") as writes:
        said = fought_over(FaultyNode(lab, "k8s-w1"), delete, str(published["id"]))

    assert len([line for line in writes if "ADDED" in line and identity in line]) <= FREE_WRITES
    assert "something deletes it (who does, only the audit log of the API server has)" in said
    eventually(
        lambda: lab.kubectl("get", "ciliumidentity", identity, "--ignore-not-found"),
        within_s=65,
        what="the object, once it is left",
    )


def test_route_that_somebody_removes_again_and_again_is_told_with_what_is_there(
    lab: Cluster,
) -> None:
    node, route = FaultyNode(lab, "k8s-w1"), "10.244.0.0/24"

    said = fought_over(node, lambda: node.run("ip", "route", "del", route, check=False), route)

    assert "something removes it (there is no route now; whose doing it was the kernel" in said
    eventually(
        lambda: node.run("ip", "route", "show", route).stdout,
        within_s=65,
        what="the route, once it is left",
    )


def test_setting_that_somebody_changes_again_and_again_is_told_with_what_it_is(
    lab: Cluster,
) -> None:
    node, setting = FaultyNode(lab, "k8s-w1"), "net/ipv4/conf/eth1/forwarding"

    def change() -> None:
        node.inside(lambda: Path("/proc/sys", setting).write_text("0"))

    said = fought_over(node, change, setting)

    assert "something changes it (it is 0 now; whose doing it was the kernel" in said
    eventually(
        lambda: node.read(f"/proc/sys/{setting}") == "1\n",
        within_s=65,
        what="the setting, once it is left",
    )


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


def test_static_pod_is_published_as_its_mirrors_and_stays(lab: Cluster) -> None:
    """The collector would take an object whose owner has the uid that the runtime knows."""
    node = FaultyNode(lab, "k8s-w1")
    (sandbox,) = make_sandboxes(node, 1, "static")
    mirror = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": sandbox.name,
            "labels": {"app": "static"},
            "annotations": {MIRROR_ANNOTATION: FILE_HASH},
        },
        "spec": {"nodeName": node.name, "containers": [{"name": "web", "image": "nginx"}]},
    }
    lab.kubectl("apply", "-f", "-", text=json.dumps(mirror))
    arguments = f"K8S_POD_NAMESPACE=default;K8S_POD_NAME={sandbox.name};K8S_POD_UID={FILE_HASH}"

    assert sandbox.call("ADD", environment={"CNI_ARGS": f"IgnoreUnknown=1;{arguments}"}).ok
    eventually(lambda: endpoint_of(lab, sandbox.name), what="its CiliumEndpoint")
    with counted(lab, "ciliumendpoints") as writes:
        observe(COUNTED_S)

    found = lab.object("ciliumendpoint", sandbox.name)
    mirror_uid = lab.object("pod", sandbox.name)["metadata"]["uid"]
    assert [each["uid"] for each in found["metadata"]["ownerReferences"]] == [mirror_uid]
    assert "k8s:app=static" in found["status"]["identity"]["labels"]
    assert writes == []
    assert sandbox.delete().ok
    lab.kubectl("delete", "pod", sandbox.name, "--force", "--grace-period=0")
    remove_sandboxes([sandbox])


def test_node_that_is_deleted_is_no_war_over_its_cilium_node(lab: Cluster) -> None:
    with counted(lab, "ciliumnodes") as writes:
        lab.kubectl("delete", "node", "k8s-w1")
        observe(COUNTED_S)

    assert len([line for line in writes if "k8s-w1" in line]) <= FREE_WRITES
