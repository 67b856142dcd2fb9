"""Agents and commands of an installation with other names, folders and privileges than usual."""

import json

from tests.lab.cluster import Cluster, ciliate

WHO = "second-agent"


def agents_kubeconfig(cluster: Cluster) -> str:
    """KUBECONFIG=… as the agents of the nodes have it."""
    container = cluster.object("daemonset", "-n", "kube-system", "cilium")["spec"]["template"]
    (value,) = [
        each["value"]
        for each in container["spec"]["containers"][0]["env"]
        if each["name"] == "KUBECONFIG"
    ]
    return f"KUBECONFIG={value}"


def kubeconfig(cluster: Cluster) -> str:
    return str(cluster.folder / "kubeconfig")


def test_commands_read_the_installation_that_is_named(cluster: Cluster) -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"debug": "false"}}
    settings["metadata"] = {"name": "settings", "namespace": "net"}
    cluster.kubectl("create", "namespace", "net")
    try:
        cluster.kubectl("create", "-f", "-", text=json.dumps(settings))
        words = ("--kubeconfig", kubeconfig(cluster), "--config-map", "settings")

        view = ciliate("config", "view", *words, "--k8s-namespace", "net").stdout
        status = ciliate("-n", "net", "status", "--kubeconfig", kubeconfig(cluster), check=False)

        assert view.split() == ["debug", "false"]
        assert 'daemonset "cilium" not found in net' in status.stdout
        assert "kubectl -n net describe pods" in status.stderr
    finally:
        cluster.kubectl("delete", "namespace", "net")


def test_agent_with_a_read_only_proc_ends_and_names_what_is_missing(cluster: Cluster) -> None:
    agent = f"exec timeout 20 ciliate agent --state-dir /run/{WHO} --node k8s-w1 --procfs /proc"
    script = f"mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && {agent}"
    words = ("env", agents_kubeconfig(cluster), "unshare", "-m", "sh", "-c", script)

    # A node's network is its agent's alone; the router has none.
    done = cluster.lab("exec", "router", "--", *words, check=False)

    assert done.returncode == 1
    assert "/proc/sys/net/ipv4/conf/all/rp_filter: Read-only file system" in done.stderr
    assert "set procfs to where it is" in done.stderr
    cluster.exec("router", "rm", "-rf", f"/run/{WHO}")


def test_each_pod_is_a_line_of_the_nodes_cni_log(cluster: Cluster) -> None:
    cluster.kubectl("run", "logged", "--image=traefik/whoami", "--restart=Never")
    try:
        cluster.kubectl("wait", "pod/logged", "--for=condition=Ready", "--timeout=30s")
        node = cluster.object("pod", "logged")["spec"]["nodeName"]

        lines = cluster.exec(node, "cat", "/var/run/cilium/cilium-cni.log").splitlines()

        (added,) = [line for line in lines if "verb=ADD" in line and "pod=default/logged" in line]
        assert "ifname=eth0" in added
        assert "error=" not in added
    finally:
        cluster.kubectl("delete", "pod", "logged", "--now")
