"""What the lab's commands do, print and return."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.deadlines import stretch
from tests.lab.cluster import BIN, Cluster, ciliate, eventually, run

LABS = Path("/run/ciliate/labs")


def leftovers(name: str) -> list[str]:
    """Everything on this machine that carries a lab's name."""
    found = [str(path) for path in (LABS / name, LABS / f"{name}.lock") if path.exists()]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [line for line in mounts if f"/labs/{name}/" in line or line.endswith(f"/{name}")]
    found += [str(path) for path in Path("/sys/fs/cgroup").rglob(f"ciliate-lab-{name}.*")]
    return found


def cgroup_of(lab: Cluster) -> Path:
    """The control group of a lab."""
    return next(Path("/sys/fs/cgroup").rglob(f"ciliate-lab-{lab.name}.*"))


@contextmanager
def frozen(lab: Cluster, process: str) -> Iterator[None]:
    """Let one of the lab's own processes stand still, as on a machine that has no time for it."""
    switch = cgroup_of(lab) / process / "cgroup.freeze"
    switch.write_text("1")
    try:
        yield
    finally:
        switch.write_text("0")


def adding_node(lab: Cluster) -> subprocess.Popen[str]:
    """`lab add-node`, which goes on."""
    command = [str(BIN / "ciliate"), "lab", "add-node", "--name", lab.name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def links_of(lab: Cluster, machine: str) -> str:
    """The links of a machine, also of the switch, where no command runs."""
    namespace = f"--net={lab.folder / machine / 'ns/net'}"
    return run(["nsenter", namespace, "ip", "-br", "link"]).stdout


def test_status_shows_machines_and_processes(cluster: Cluster) -> None:
    text = cluster.lab("status").stdout
    facts = cluster.status()

    assert "healthy" in text
    assert facts["healthy"] is True
    assert all(facts["processes"].values())
    nodes = {m["name"]: m["ready"] for m in facts["machines"] if m["ready"] is not None}
    assert nodes == {"k8s-ctr": True, "k8s-w1": True}


def test_second_up_says_that_the_lab_is_up_and_changes_nothing(cluster: Cluster) -> None:
    before = cluster.object("pods", "-A")

    done = cluster.lab("up")

    assert "up already" in done.stderr
    uids = {pod["metadata"]["uid"] for pod in before["items"]}
    assert {pod["metadata"]["uid"] for pod in cluster.object("pods", "-A")["items"]} == uids


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--nodes", "3"), "2 nodes"),
        (("--dual-stack",), "IPv4 alone"),
        (("--no-dns",), "a name server"),
        (("--set", "debug=false"), "lab upgrade"),
    ],
)
def test_up_with_other_wishes_names_the_difference(
    cluster: Cluster, words: tuple[str, ...], message: str
) -> None:
    done = cluster.lab("up", *words, check=False)

    assert done.returncode == 1
    assert message in done.stderr


def test_exec_passes_exit_code_and_streams_on(cluster: Cluster) -> None:
    done = cluster.lab(
        "exec", "k8s-w1", "--", "sh", "-c", "echo out; echo err >&2; exit 7", check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_exec_needs_no_double_dash_and_keeps_the_commands_options(cluster: Cluster) -> None:
    assert cluster.lab("exec", "k8s-w1", "uname", "-n").stdout == "k8s-w1\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("exec", "nowhere", "--", "true"), "k8s-ctr, k8s-w1"),
        (("exec", "k8s-w2", "--", "true"), "did you mean k8s-w1?"),
        (("exec", "k8s-ctr", "--", "no-such-command"), "no-such-command"),
        (("restart", "agent", "nowhere"), "k8s-ctr, k8s-w1"),
        (("remove-node", "k8s-ctr"), "control plane"),
        (("upgrade", "--set", "ipam.mod=x"), "ipam.mode"),
        (("upgrade", "--set", "routingMode=tunnel"), "agents would not start with that"),
    ],
)
def test_wrong_word_is_answered_in_one_line_with_what_would_do(
    cluster: Cluster, words: tuple[str, ...], message: str
) -> None:
    done = cluster.lab(*words, check=False)

    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_env_makes_kubectl_and_ciliums_commands_reach_the_lab(cluster: Cluster) -> None:
    words = cluster.lab("env").stdout
    script = (
        f"{words}\nkubectl get nodes -o name; command -v cilium cilium-dbg; cilium config view"
    )

    printed = run(["bash", "-c", script]).stdout

    assert printed.startswith("node/k8s-ctr\nnode/k8s-w1\n")
    assert f"{LABS}/{cluster.name}/bin/cilium-dbg\n" in printed
    assert "routing-mode" in printed


def test_exec_takes_what_users_of_kubectl_write(cluster: Cluster) -> None:
    assert cluster.lab("exec", "-it", "k8s-w1", "--", "uname", "-n").stdout == "k8s-w1\n"
    assert cluster.lab("exec", "k8s-w1", "-it", "--", "uname", "-n").stdout == "k8s-w1\n"


def test_places_and_nodes_are_named_by_kind_too_and_completed(cluster: Cluster) -> None:
    def offered(program: str, line: str) -> list[str]:
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
        env = {
            **os.environ,
            "CILIATE_LAB": cluster.name,
            "KUBECONFIG": str(cluster.folder / "kubeconfig"),
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
            variable: "bash_complete",
        }
        done = run([str(BIN / program)], env=env)
        assert done.stderr == ""
        return [found.removeprefix("plain,") for found in done.stdout.split()]

    assert cluster.exec("no/k8s-w1", "uname", "-n") == "k8s-w1\n"
    assert cluster.exec("ds/cilium", "uname", "-n").startswith("k8s-")
    asked = ("ipam", "status", "--node", "node/k8s-w1", "-o", "jsonpath={.nodes[*].node}")
    kubeconfig = f"--kubeconfig={cluster.folder / 'kubeconfig'}"
    assert ciliate(*asked, kubeconfig).stdout == "k8s-w1"

    assert offered("ciliate", "ciliate lab exec no/") == ["no/k8s-ctr", "no/k8s-w1"]
    assert offered("ciliate", "ciliate lab exec ds/") == ["ds/cilium"]
    assert offered("ciliate", "ciliate lab exec k8s-w1 -- ") == []
    assert offered("ciliate", "ciliate lab remove-node k8s-w") == ["k8s-w1"]
    # The cluster is asked, and has two seconds: on a machine without time the tab key is hit again.
    asking = "ciliate ipam check --node node/k8s-c"
    eventually(lambda: offered("ciliate", asking) == ["node/k8s-ctr"], what="the node's name")
    eventually(
        lambda: "kube-system" in offered("cilium", "cilium status -n "), what="the namespace"
    )
    asking_for_service = "ciliate explain service default/k"
    eventually(
        lambda: offered("ciliate", asking_for_service) == ["default/kubernetes"],
        what="the Service's name",
    )
    assert "65535" in offered("cilium-dbg", "cilium-dbg endpoint get ")
    assert "1" in offered("cilium-dbg", "cilium-dbg service get ")


def test_shell_says_where_one_is(cluster: Cluster) -> None:
    assert cluster.exec("k8s-w1", "printenv", "PS1") == f"k8s-w1 ({cluster.name}) \\w\\$ \n"


def test_cilium_dbg_on_the_host_is_the_control_planes(cluster: Cluster) -> None:
    env = {**os.environ, "CILIATE_LAB": cluster.name}

    done = run([str(BIN / "cilium-dbg"), "status"], env=env)

    assert done.stderr == f"on k8s-ctr of lab {cluster.name}:\n"
    assert "10.244.0.0/24" in done.stdout


def test_list_shows_nodes_state_and_checkout(cluster: Cluster) -> None:
    listed = json.loads(ciliate("lab", "list", "-o", "json").stdout)
    (found,) = [lab for lab in listed if lab["name"] == cluster.name]

    assert (found["state"], found["nodes"]) == ("up", 2)
    assert found["age_s"] < 3600
    assert ciliate("lab", "list").stdout.startswith("NAME")
    assert cluster.name in ciliate("lab", "list", "-o", "name").stdout.splitlines()


def test_lab_commands_have_the_forms_of_all_others(cluster: Cluster) -> None:
    assert cluster.lab("status", "-o", "jsonpath={.machines[*].name}").stdout.split() == [
        *("internet", "router", "k8s-ctr", "k8s-w1"),
    ]
    assert f"CILIATE_LAB: {cluster.name}\n" in cluster.lab("env", "-o", "yaml").stdout
    assert json.loads(cluster.lab("graph", "-o=json").stdout)["name"] == cluster.name
    assert "name: k8s-w1\n" in cluster.lab("up", "-o", "yaml").stdout
    refused = cluster.lab("status", "-o", "svg", check=False)
    assert "use name, json, yaml or 'jsonpath={" in refused.stderr


def test_same_named_lab_of_another_container_is_left_alone(cluster: Cluster) -> None:
    """Containers have a /run of their own, and may share the root of the control groups."""
    script = (
        "mount -t tmpfs tmpfs /run; "
        f"{BIN}/ciliate lab up --name {cluster.name} && {BIN}/ciliate lab down --name {cluster.name}"
    )

    run(["unshare", "--mount", "sh", "-c", script])

    assert cluster.status()["healthy"] is True


def test_lab_of_another_checkout_is_not_taken_down(cluster: Cluster, tmp_path: Path) -> None:
    text = (cluster.folder / "lab.json").read_text()
    other = {**json.loads(text), "checkout": str(tmp_path)}
    (cluster.folder / "lab.json").write_text(json.dumps(other))
    try:
        done = cluster.lab("down", check=False)
    finally:
        (cluster.folder / "lab.json").write_text(text)

    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert cluster.status()["healthy"] is True


@pytest.mark.parametrize(
    ("number", "stage", "code"),
    [(signal.SIGINT, "lab.json", 130), (signal.SIGTERM, "logs/apiserver.log", 143)],
)
def test_interrupted_up_clears_away_what_it_made(number: int, stage: str, code: int) -> None:
    name = f"tst-{os.getpid()}-intr"
    # A shell's background job, as tests may be, ignores SIGINT, and so would all that it starts.
    command = ["env", "--default-signal", str(BIN / "ciliate"), "lab", "up", "--name", name]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as starting:
        eventually((LABS / name / stage).exists, what=stage)
        starting.send_signal(number)
        _, err = starting.communicate(timeout=30)

    left = leftovers(name)
    ciliate("lab", "down", "--name", name)
    assert starting.returncode == code
    assert "cleared away" in err
    assert left == []


def test_ssh_in_a_labs_shell_reaches_its_machines(cluster: Cluster) -> None:
    words = cluster.lab("env").stdout
    script = (
        f"{words}\nsshpass -p vagrant ssh -o StrictHostKeyChecking=no vagrant@k8s-w1 "
        "'hostname; ip route | grep ^default'; ssh 192.168.10.200 hostname; ssh -V"
    )

    done = run(["bash", "-c", script], check=False)

    lines = done.stdout.splitlines()
    assert lines[0] == "k8s-w1"
    assert lines[1].startswith("default via 10.0.2.2 dev eth0")
    assert lines[2] == "router"
    assert "OpenSSH" in done.stderr or "there is no ssh on this machine" in done.stderr


def test_control_planes_pods_show_flags_and_come_back(cluster: Cluster) -> None:
    name = "kube-controller-manager-k8s-ctr"
    before = cluster.object("pod", "-n", "kube-system", name)
    assert "--cluster-cidr=10.244.0.0/16" in before["spec"]["containers"][0]["command"]

    # Not waited for: kubectl waits for ever when the name is back before its first look (seen in 2 of
    # 16 deletions: its list is empty, then its watch reports the new pod).
    cluster.kubectl("delete", "pod", "-n", "kube-system", name, "--wait=false")

    def is_back() -> bool:
        pods = cluster.object("pods", "-n", "kube-system", "-l", "component")["items"]
        found = [pod for pod in pods if pod["metadata"]["name"] == name]
        return bool(found) and (
            found[0]["metadata"]["uid"] != before["metadata"]["uid"]
            and found[0]["status"].get("phase") == "Running"
        )

    eventually(is_back, what="the mirror pod")


def test_absent_lab_is_an_error_with_a_remedy() -> None:
    done = ciliate("lab", "status", "--name", "none-such", check=False)

    assert done.returncode == 1
    assert "ciliate lab up --name none-such" in done.stderr


def test_wrong_setting_is_refused_before_anything_is_made() -> None:
    name = f"test-{os.getpid()}-wrong"

    done = ciliate("lab", "up", "--name", name, "--set", "bpf.masquerade=perhaps", check=False)

    assert done.returncode == 1
    assert "perhaps" in done.stderr
    assert leftovers(name) == []


def test_upgrade_writes_the_key_that_a_helm_value_stands_for(
    new_cluster: Callable[..., Cluster],
) -> None:
    lab = new_cluster("--nodes", "1", "--set", "debug.enabled=false")

    lab.lab("upgrade", "--set", "ipMasqAgent.config.nonMasqueradeCIDRs={10.10.1.0/24}")
    lab.lab("upgrade", "--set", "labels=k8s:!io.kubernetes,debug.enabled=true")

    data = lab.object("configmap", "-n", "kube-system", "cilium-config")["data"]
    assert data["debug"] == "true"
    assert data["ipam"] == "kubernetes"
    masq = lab.object("configmap", "-n", "kube-system", "ip-masq-agent")["data"]
    assert json.loads(masq["config"]) == {"nonMasqueradeCIDRs": ["10.10.1.0/24"]}


def test_upgrade_takes_the_values_file_of_a_real_installation(
    cluster: Cluster, tmp_path: Path
) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(
        "k8sServiceHost: 192.168.10.100\nhubble: {relay: {enabled: false}}\nMTU: 1500\n"
    )

    said = cluster.lab("upgrade", "-f", str(values)).stdout

    assert "warning: k8sServiceHost is a value of Cilium's chart that has no effect here" in said
    assert "mtu: 1500" in said
    assert said.splitlines()[-1].endswith("ciliate lab restart agent")


def test_restart_replaces_the_pods_and_waits_until_they_are_ready(
    new_cluster: Callable[..., Cluster],
) -> None:
    lab = new_cluster()

    def agents() -> dict[str, str]:
        pods = lab.object("pods", "-n", "kube-system", "-l", "k8s-app=cilium")["items"]
        return {pod["spec"]["nodeName"]: pod["metadata"]["uid"] for pod in pods}

    before = agents()
    lab.lab("restart", "agent", "k8s-w1")
    after = agents()

    assert after["k8s-ctr"] == before["k8s-ctr"]
    assert after["k8s-w1"] != before["k8s-w1"]
    lab.lab("restart", "agent")
    lab.lab("restart", "operator")
    assert set(agents().values()).isdisjoint(after.values())
    assert lab.status()["healthy"]


def test_api_server_restarts_at_its_addresses_with_its_objects(
    new_cluster: Callable[..., Cluster],
) -> None:
    lab = new_cluster("--nodes", "1")
    lab.kubectl("create", "configmap", "kept")

    lab.lab("restart", "apiserver")

    assert lab.object("configmap", "kept")["metadata"]["name"] == "kept"


def test_node_can_be_added_and_removed(new_cluster: Callable[..., Cluster]) -> None:
    lab = new_cluster()

    assert lab.lab("add-node").stdout == "k8s-w2 added\n"
    assert "1 received" in lab.exec("k8s-ctr", "ping", "-c", "1", "-W", "2", "k8s-w2")
    assert "client=10.0.2.15:" in lab.exec(
        "k8s-w2", "curl", "-s", "-m", "5", "http://203.0.113.10/"
    )
    assert lab.object("node", "k8s-w2")["spec"]["podCIDR"].startswith("10.244.")
    with frozen(lab, "kube"):  # Which holds the machine's namespace until it looks at the list.
        lab.lab("remove-node", "k8s-w1")
        names = [node["metadata"]["name"] for node in lab.object("nodes")["items"]]
        assert names == ["k8s-ctr", "k8s-w2"]
        for other in ("internet", "switch"):
            assert "k8s-w1" not in links_of(lab, other)
        adding = adding_node(lab)
        # With the lowest free number, before its predecessor's end was seen.
        eventually(lambda: '"k8s-w1"' in (lab.folder / "lab.json").read_text(), what="k8s-w1")
    assert adding.communicate(timeout=60 * stretch()) == ("k8s-w1 added\n", "")
    assert lab.status()["healthy"]
    before = lab.exec("k8s-w1", "ip", "route", "show", "10.10.0.0/16")
    lab.exec("k8s-w1", "ip", "link", "set", "eth1", "down")
    lab.exec("k8s-w1", "ip", "link", "set", "eth1", "up")
    eventually(
        lambda: lab.exec("k8s-w1", "ip", "route", "show", "10.10.0.0/16") == before,
        what="the new machine's route",
    )


def test_down_leaves_nothing(new_cluster: Callable[..., Cluster]) -> None:
    lab = new_cluster("--nodes", "1")

    assert lab.lab("down").stdout == f"lab {lab.name}: removed\n"

    assert leftovers(lab.name) == []
    assert lab.lab("down").stdout == f"lab {lab.name}: was not there\n"


def test_down_clears_a_lab_whose_processes_were_killed(
    new_cluster: Callable[..., Cluster],
) -> None:
    lab = new_cluster("--nodes", "1")
    group = cgroup_of(lab)
    for pid in (group / "zygote/cgroup.procs").read_text().split():
        os.kill(int(pid), signal.SIGKILL)

    eventually(lambda: not lab.status()["processes"]["zygote"], what="the zygote's end")
    lab.lab("down")

    assert leftovers(lab.name) == []


def test_up_after_a_killed_up_starts_anew(new_cluster: Callable[..., Cluster]) -> None:
    lab = Cluster(f"test-{os.getpid()}-killed")
    command = [str(BIN / "ciliate"), "lab", "up", "--name", lab.name, "--nodes", "3"]
    try:
        for stage in ("lab.json", "k8s-w1/root", "kubeconfig", "logs/apiserver.log"):
            # Killed as soon as a stage is reached, wherever that is within it.
            with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
                eventually((lab.folder / stage).exists, what=stage)
                process.kill()

        lab.lab("up", "--nodes", "3")

        assert lab.status()["healthy"]
    finally:
        lab.lab("down", check=False)
    assert leftovers(lab.name) == []


def test_two_labs_run_side_by_side(new_cluster: Callable[..., Cluster]) -> None:
    one, two = new_cluster("--nodes", "1"), new_cluster("--nodes", "1")

    one.kubectl("create", "configmap", "only-in-one")

    assert one.object("configmap", "only-in-one")
    assert "only-in-one" not in two.kubectl("get", "configmap")
    assert one.exec("k8s-ctr", "hostname") == two.exec("k8s-ctr", "hostname")
    one.lab("down")
    assert two.status()["healthy"]


def test_command_does_not_wait_while_the_lab_is_being_changed(cluster: Cluster) -> None:
    program = (
        "import sys; from ciliate.lab.paths import LabPaths; from ciliate.lab.state import locked\n"
        f"with locked(LabPaths('{cluster.name}')):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [str(BIN / "python"), "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()

        done = cluster.lab("down", check=False)

        owner.kill()
    assert done.returncode == 1
    assert f"pid {owner.pid}" in done.stderr


def test_agents_in_pods_write_no_statement_of_their_own(cluster: Cluster) -> None:
    """The kubelet's probe speaks for them: no CiliumNode is written for their readiness."""
    nodes = cluster.object("ciliumnodes")["items"]

    assert len(nodes) == 2
    stated = {key for node in nodes for key in node["metadata"].get("annotations", {})}
    assert "readiness.ciliate.io/agent-ready-until" not in stated


def test_dual_stack_lab_has_both_families(new_cluster: Callable[..., Cluster]) -> None:
    lab = new_cluster("--dual-stack")

    assert "1 received" in lab.exec(
        "k8s-ctr", "ping", "-c", "1", "-W", "2", "fd00:192:168:10::101"
    )
    answer = lab.exec("k8s-w1", "curl", "-s", "-m", "5", "http://[2001:db8:113::10]/")
    assert "client=[fd00:10:0:2::15]:" in answer
    cidrs = lab.object("node", "k8s-w1")["spec"]["podCIDRs"]
    assert [":" in cidr for cidr in cidrs] == [False, True]
    assert cidrs[1] in lab.exec("router", "ip", "-6", "route")


def test_graph_draws_what_runs_now(cluster: Cluster) -> None:
    drawn = cluster.lab("graph").stdout

    assert "k8s-ctr  eth1 192.168.10.100" in drawn
    assert "pods 10.244.0.0/24" in drawn
    assert "kube-system/cilium-operator" in drawn
    assert cluster.lab("graph", "-o", "svg").stdout.startswith("<svg ")
