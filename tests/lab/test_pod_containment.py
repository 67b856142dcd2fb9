"""A pod is a container: what it sees is its own, and nothing of the machine can be reached from it."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.lab.cluster import OWN_FOLDERS, Cluster, eventually, run

from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.paths import LabPaths

PODS = Path(__file__).with_name("containment.yaml")
RUNNING = ("plain", "two", "nobody", "netadmin", "node-view", "privileged", "restarting")


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with the pods of containment.yaml."""
    cluster.kubectl("apply", "-f", str(PODS))
    names = [f"pod/{name}" for name in RUNNING]
    cluster.kubectl("wait", "--for=condition=Ready", "--timeout=60s", *names)
    yield cluster
    cluster.kubectl("delete", "--now", "--wait=false", "-f", str(PODS))


def script(cluster: Cluster, pod: str, text: str, *options: str) -> str:
    """What a shell script prints in a pod, errors too."""
    words = ("exec", pod, *options, "--", "sh", "-c", f"exec 2>&1; {text}")
    return cluster.kubectl(*words, check=False).strip()


def status(text: str) -> dict[str, str]:
    """The lines of a /proc/PID/status."""
    lines = (line.partition(":") for line in text.splitlines())
    return {key: " ".join(value.split()) for key, _, value in lines}


#: Makes a system call: its number on x86-64, that of others, arguments; prints result and error.
SYSCALL = (
    "import ctypes, errno, os, sys; "
    "x86, other, *words = map(int, sys.argv[1:]); "
    "libc = ctypes.CDLL(None, use_errno=True); "
    'made = libc.syscall(x86 if os.uname().machine == "x86_64" else other, *words); '
    "print(made, errno.errorcode[ctypes.get_errno()])"
)
#: A kernel without modules has no such call.
REFUSED = "-1 EPERM" if Path("/proc/modules").exists() else "-1 ENOSYS"

#: What is tried -> the script, and what it must say. `$HOST_PID` is a process of the machine's.
ESCAPES = {
    "see processes": ("cat /proc/[0-9]*/comm | grep -v -x -e sh -e cat -e grep", "sleep"),
    "signal a process": ("kill -0 $HOST_PID", "No such process"),
    "enter process 1": ("nsenter -t 1 -m -n true", "Operation not permitted"),
    "read the lab's files": ("ls /run/ciliate /var/run/ciliate", "cannot access"),
    "read the machine's passwords": ("cat /etc/shadow", "No such file"),
    "mount": ("mount -t tmpfs none /mnt", "permission denied"),
    "remount": ("mount -o remount,bind,rw /proc/sys", "permission denied"),
    "open a device it made": (
        "mknod /tmp/disk b $DISK && head -c1 /tmp/disk",
        "Permission denied",
    ),
    "open a device made in /dev": (
        "mknod /dev/disk b $DISK && head -c1 /dev/disk",
        "Permission denied",
    ),
    "open a device made in a volume": (
        "mknod /scratch/d b $DISK && head -c1 /scratch/d",
        "Permission denied",
    ),
    "open a device made in /dev/shm": (
        "mknod /dev/shm/d b $DISK && head -c1 /dev/shm/d",
        "Permission denied",
    ),
    "list BPF programs": ("bpftool prog show", "Operation not permitted"),
    "find pinned maps": ("ls -A /sys/fs/bpf", ""),
    "join another control group": (
        "echo 0 > /sys/fs/cgroup/cgroup.procs",
        "Read-only file system",
    ),
    "make a control group": ("mkdir /sys/fs/cgroup/x", "Read-only file system"),
    "trigger a system request": ("echo h > /proc/sysrq-trigger", "cannot create"),
    "read the kernel's memory": ("head -c1 /proc/kcore | wc -c", "0"),
    "read the machine's keys": ("cat /proc/keys | wc -c", "0"),
    "say who dumps cores": ("echo x > /proc/sys/kernel/core_pattern", "Read-only file system"),
    "set a kernel's setting": ("echo 1 > /proc/sys/vm/drop_caches", "Read-only file system"),
    "say who hears of devices": ("echo x > /sys/kernel/uevent_helper", "Read-only file system"),
    "set the clock": ("date -s 2030-01-01 >/dev/null", "Operation not permitted"),
    "configure its network": ("ip link set eth0 down", "Operation not permitted"),
    "use a keyring": (f"python3 -c '{SYSCALL}' 250 219 0 -4 0", "-1 EPERM"),
    "load a module": (f"python3 -c '{SYSCALL}' 175 105 0 0 0", REFUSED),
}


def _disk() -> str:
    """Major and minor of the device of the machine's root, or of what there is."""
    device = Path("/").stat().st_dev
    return f"{os.major(device)} {os.minor(device)}" if os.major(device) else "7 0"


@pytest.fixture(scope="module")
def attempts(pods: Cluster) -> dict[str, str]:
    """What each attempt to escape said; all are made by one shell."""
    lines = [f"HOST_PID={os.getpid()}; DISK='{_disk()}'"]
    lines += [f'echo "== {what}"; ( {text} )' for what, (text, _) in ESCAPES.items()]
    parts = script(pods, "plain", "\n".join(lines)).split("== ")[1:]
    return {what: said.strip() for what, _, said in (part.partition("\n") for part in parts)}


@pytest.mark.parametrize("what", ESCAPES)
def test_pod_cannot(attempts: dict[str, str], what: str) -> None:
    expected = ESCAPES[what][1]

    said = attempts[what]

    assert expected in said if expected else said == ""


def test_pod_sees_no_files_of_the_machines_users(pods: Cluster) -> None:
    found = script(pods, "plain", "ls -A /home /root /srv /var/lib /boot 2>/dev/null | grep -v :")

    assert set(found.split()) <= OWN_FOLDERS


def test_pod_has_its_own_names_devices_and_shared_memory(pods: Cluster) -> None:
    assert script(pods, "plain", "hostname; cat /etc/hostname").split() == ["plain", "plain"]
    assert "plain" in script(pods, "plain", "cat /etc/hosts")
    assert script(pods, "plain", "ls /sys/class/net").split() == ["eth0", "lo"]
    devices = "fd full mqueue null ptmx pts random shm stderr stdin stdout termination-log tty urandom zero"
    assert " ".join(script(pods, "netadmin", "ls /dev").split()) == devices
    found = script(pods, "netadmin", "ls -A /dev/shm /dev/mqueue /tmp | grep -v :")
    assert set(found.split()) <= OWN_FOLDERS
    script(pods, "netadmin", "chmod 600 /dev/null")
    assert Path("/dev/null").stat().st_mode & 0o777 == 0o666
    assert script(pods, "netadmin", "script -qc tty /dev/null").startswith("/dev/pts/")


def test_pod_reaches_no_socket_and_no_segment_of_the_machine(pods: Cluster) -> None:
    name = f"containment-{os.getpid()}"
    segment = run(["ipcmk", "-M", "4096"]).stdout.split()[-1]
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"\0{name}")
            listener.listen()
            connect = f"import socket; socket.socket(socket.AF_UNIX).connect(chr(0) + {name!r})"
            assert "ConnectionRefused" in script(pods, "plain", f'python3 -c "{connect}"')
        assert "0x" not in script(pods, "plain", "ipcs -m")
        assert "0x" in script(pods, "node-view", "ipcs -m"), "hostIPC: the node's"
    finally:
        subprocess.run(["ipcrm", "-m", segment], check=True)


#: The 14 capabilities of containerd and Docker.
DEFAULT = 0xA80425FB


NETADMIN = (DEFAULT | 1 << 12) & ~(1 << 27 | 1)  # With NET_ADMIN, without MKNOD and CHOWN.


@pytest.mark.parametrize(
    ("pod", "capabilities", "others"),
    [
        ("plain", DEFAULT, {"Uid": "0 0 0 0", "NoNewPrivs": "0"}),
        ("netadmin", NETADMIN, {"Uid": "0 0 0 0", "NoNewPrivs": "0"}),
        ("nobody", 0, {"Uid": "1234 1234 1234 1234", "NoNewPrivs": "1"}),
    ],
)
def test_capabilities_are_those_of_a_runtime_and_of_the_pods_wish(
    pods: Cluster, pod: str, capabilities: int, others: dict[str, str]
) -> None:
    expected = others | {
        "CapInh": f"{0:016x}",
        "CapPrm": f"{capabilities:016x}",
        "CapEff": f"{capabilities:016x}",
        "CapBnd": f"{capabilities:016x}",
        "CapAmb": f"{0:016x}",
    }

    for found in (
        status(script(pods, pod, "cat /proc/self/status")),
        status(script(pods, pod, "cat /proc/1/status")),
        status(pods.exec(pod, "cat", "/proc/self/status")),
    ):
        assert found | expected == found


def test_privileged_pod_has_all_that_the_lab_has(pods: Cluster) -> None:
    own = Path("/proc/self/status").read_text().split("CapBnd:\t")[1].split()[0]

    assert status(script(pods, "privileged", "cat /proc/self/status"))["CapEff"] == own
    assert script(pods, "privileged", "mount -t tmpfs none /mnt && echo mounted") == "mounted"


def test_user_group_and_read_only_root_are_honoured(pods: Cluster) -> None:
    assert script(pods, "nobody", "id -u; id -g; id -G").splitlines() == [
        "1234",
        "2345",
        "2345 3456 4567",
    ]
    served = "import socket as s; s.socket().bind((str(), 80)); print(80)"
    assert script(pods, "nobody", f"python3 -c '{served}'") == "80"
    assert "Read-only file system" in script(pods, "nobody", "touch /tmp/x")
    assert "Read-only file system" in script(pods, "nobody", "touch /usr/x")
    assert script(pods, "nobody", "touch /data/x && stat -c '%u %g' /data/x") == "1234 3456"


def test_container_that_may_not_run_says_which_field_forbids_it(pods: Cluster) -> None:
    def waiting(pod: str) -> str:
        states = pods.object("pod", pod)["status"].get("containerStatuses") or [{}]
        found = states[0].get("state", {}).get("waiting", {})
        return f"{found.get('reason')}: {found.get('message')}"

    eventually(lambda: "CreateContainerConfigError" in waiting("refused"), what="refused")
    assert "runAsNonRoot" in waiting("refused")
    eventually(lambda: "CreateContainerConfigError" in waiting("misspelt"), what="misspelt")
    assert "capabilities.add: 'NET_ADMINS'" in waiting("misspelt")


def test_containers_share_volumes_and_when_asked_processes_but_no_other_files(
    pods: Cluster,
) -> None:
    script(pods, "two", "echo hello > /common/file; touch /tmp/own", "-c", "one")

    assert script(pods, "two", "cat /elsewhere/file", "-c", "other") == "hello"
    assert "Read-only" in script(pods, "two", "touch /elsewhere/x", "-c", "other")
    assert set(script(pods, "two", "ls /tmp", "-c", "other").split()) <= OWN_FOLDERS
    titles = script(pods, "two", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '", "-c", "one")
    assert titles.startswith("/pause")
    assert "sleep infinity" in titles
    assert "whoami" in titles


def test_first_process_is_the_program_and_an_orphan_is_taken_in(pods: Cluster) -> None:
    assert script(pods, "plain", "tr '\\0' ' ' < /proc/1/cmdline") == "sleep infinity"
    script(pods, "two", "(sh -c 'exec true' &) ; true", "-c", "one")

    zombies = "grep -l 'State:.Z' /proc/[0-9]*/status | wc -l"
    eventually(lambda: script(pods, "two", zombies, "-c", "one") == "0", what="reaped")


def test_program_without_exec_shows_nothing_of_the_zygote(pods: Cluster) -> None:
    whoami = script(pods, "two", "grep -l whoami /proc/[0-9]*/comm | cut -d/ -f3", "-c", "one")

    assert "Permission denied" in script(pods, "two", f"ls -l /proc/{whoami}/exe", "-c", "other")
    open_files = script(pods, "two", f"ls /proc/{whoami}/fd | wc -l", "-c", "one")
    assert int(open_files) <= 10
    assert "Permission denied" in script(
        pods, "two", f"head -c1 /proc/{whoami}/environ", "-c", "one"
    )


def test_layer_is_empty_at_each_start(pods: Cluster) -> None:
    script(pods, "restarting", "kill $(ps -o pid= --ppid 1 | head -1)")

    def restarted() -> bool:
        states = pods.object("pod", "restarting")["status"]["containerStatuses"]
        return bool(states[0]["restartCount"] == 1 and states[0].get("ready"))

    eventually(restarted, within_s=30, what="restarted")
    assert "mine" not in pods.kubectl("logs", "restarting")
    eventually(
        lambda: "mine" in script(pods, "restarting", "ls /tmp").split(), what="written again"
    )
    assert script(pods, "plain", "ls /tmp/mine /usr/bin/mine").count("No such file") == 2
    assert not Path("/usr/bin/mine").exists()


def test_node_view_is_the_nodes(pods: Cluster) -> None:
    assert script(pods, "node-view", "hostname") == "k8s-w1"
    assert "eth1" in script(pods, "node-view", "ls /sys/class/net")
    assert (
        script(pods, "node-view", "cat /etc/hosts")
        == pods.exec("k8s-w1", "cat", "/etc/hosts").strip()
    )
    assert "ciliate agent" in script(pods, "node-view", "ps ax -o args")


@pytest.mark.parametrize("by", ["kubectl", "lab exec"])
def test_everything_is_in_the_control_group_of_its_container(pods: Cluster, by: str) -> None:
    pod = pods.object("pod", "plain")
    node = pod["spec"]["nodeName"]
    uid = pods.object("pod", "plain")["metadata"]["uid"]
    group = LabCgroup.of(pods.name).path / node / f"default_plain_{uid}/main"
    count = len((group / "cgroup.procs").read_text().split())

    assert script(pods, "plain", "cat /proc/self/cgroup | grep ^0:") == "0::/"
    words = ["cat"]
    with (
        pods.background("plain", *words)
        if by == "lab exec"
        else subprocess.Popen(
            ["kubectl", "exec", "-i", "plain", "--", *words],
            env={**os.environ, "KUBECONFIG": str(pods.folder / "kubeconfig")},
            stdin=subprocess.PIPE,
        )
    ) as running:
        eventually(
            lambda: len((group / "cgroup.procs").read_text().split()) == count + 1, what="joined"
        )
        running.kill()
    eventually(lambda: len((group / "cgroup.procs").read_text().split()) == count, what="left")


def _members(group: Path) -> list[str]:
    """The processes of a control group; none where it is not made yet."""
    return [pid for file in group.glob("cgroup.procs") for pid in file.read_text().split()]


def _outsiders(folder: Path, group: Path) -> list[str]:
    """The processes in a network namespace of a machine or its pods, and not in its group."""
    pins = [folder / "ns/net", *folder.glob("pods/*/ns/net")]
    namespaces = {pin.stat().st_ino for pin in pins}
    members = set(LabCgroup(group).pids())
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # It has ended; or it is one outside of the container that the tests run in.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if (process / "ns/net").stat().st_ino in namespaces and int(
                process.name
            ) not in members:
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def test_every_process_of_a_machine_is_in_the_machines_group(pods: Cluster) -> None:
    node = pods.object("pod", "plain")["spec"]["nodeName"]
    group = LabCgroup.of(pods.name).path / node
    ssh = subprocess.Popen(
        [str(LabPaths(pods.name).commands / "ssh"), node, "cat"],
        env={**os.environ, "CILIATE_LAB": pods.name},
        stdin=subprocess.PIPE,
    )

    with ssh, pods.background(node, "cat") as on_node, pods.background("plain", "cat") as in_pod:
        try:
            eventually(lambda: len(_members(group / "exec")) == 2, what="joined")
            # The kubelets are one process for all nodes, and so run CNI plugins from outside.
            eventually(lambda: not _outsiders(pods.folder / node, group), what="none outside")
        finally:
            for running in (ssh, on_node, in_pod):
                running.kill()


def test_machine_and_privileged_pods_see_the_machines_group_as_the_root(pods: Cluster) -> None:
    """Programs for all of a node's sockets are attached there, and see no other node's."""
    for machine in ("k8s-ctr", "k8s-w1"):
        group = (LabCgroup.of(pods.name).path / machine).stat().st_ino
        on_node = ["stat", "-c", "%i", "/sys/fs/cgroup"]
        assert int(pods.exec(machine, *on_node)) == group
    node = pods.object("pod", "privileged")["spec"]["nodeName"]
    group = (LabCgroup.of(pods.name).path / node).stat().st_ino
    assert int(script(pods, "privileged", "stat -c %i /sys/fs/cgroup")) == group
    assert script(pods, "privileged", "test -w /sys/fs/cgroup/cgroup.procs && echo yes") == "yes"
