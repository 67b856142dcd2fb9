"""A machine's files, by overlay and by bind mounts: the same to what runs on it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ciliate.lab import machine_root
from ciliate.lab.bound_root import bind_root
from ciliate.lab.machine_root import Visible, build_root, overlay_root, prepare_layer
from ciliate.lab.mounts import MountFlag, mount
from ciliate.lab.namespaces import in_namespaces, make_namespaces
from ciliate.lab.paths import LabPaths
from ciliate.lab.tear_down import remove_folder
from ciliate.lab.topology import Machine, Role

CHECKOUT = Path(machine_root.__file__).parents[3]


@pytest.fixture
def paths() -> Iterator[LabPaths]:
    """A lab's folder with its common layer, and nothing else."""
    paths = LabPaths(f"test-{os.getpid()}-root")
    paths.folder.mkdir(parents=True)
    mount("tmpfs", paths.folder, "tmpfs", options="mode=700")
    mount("none", paths.folder, flags=MountFlag.PRIVATE)
    paths.hosts.write_text("192.168.10.100 k8s-ctr\n")
    paths.resolv_conf.write_text("nameserver 10.0.2.2\n")
    paths.machines.mkdir()
    paths.machine_kubeconfig.write_text("its way to the API server")
    commands = {"cilium-dbg": Path(sys.prefix) / "bin/cilium-dbg"}
    prepare_layer(paths, plugin=CHECKOUT / "build/ciliate-cni", commands=commands)
    yield paths
    remove_folder(paths.folder)


Inside = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=[overlay_root, bind_root])
def inside(request: pytest.FixtureRequest, paths: LabPaths) -> Inside:
    """Runs a command in a machine with such a root."""
    machine = Machine("m", Role.WORKER, 1)
    visible = Visible(checkout=CHECKOUT, environment=Path(sys.prefix))
    make_namespaces(
        paths.pins(machine.name),
        inside=lambda: build_root(paths, machine.name, visible, kinds=[request.param]),
    )

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return in_namespaces(
            paths.pins(machine.name),
            lambda: subprocess.run(words, capture_output=True, text=True, check=False),
        )

    return run


def test_machine_has_files_of_its_own(inside: Inside) -> None:
    assert inside("cat", "/etc/hosts").stdout == "192.168.10.100 k8s-ctr\n"
    assert inside("cat", "/etc/hostname").stdout == "m\n"
    assert inside("ls", "/etc/cni/net.d").stdout == ""
    assert inside("cat", "/etc/resolv.conf").stdout == "nameserver 10.0.2.2\n"
    assert inside("readlink", "/host").stdout == "/\n"


def test_machine_sees_of_the_labs_folder_what_is_every_machines(
    paths: LabPaths, inside: Inside
) -> None:
    assert inside("ls", "-A", str(paths.folder)).stdout == "machines\n"
    assert inside("cat", str(paths.machine_kubeconfig)).stdout == "its way to the API server"


def test_machine_sees_plugin_and_commands(inside: Inside) -> None:
    plugin = inside("stat", "-c", "%F, %a", "/opt/cni/bin/ciliate-cni").stdout
    assert plugin == "regular file, 755\n", "any user reaches it, wherever the checkout is"
    done = inside("/usr/local/bin/cilium-dbg", "--help")

    assert done.returncode == 0, done.stderr
    assert "status" in done.stdout


def test_machine_shows_its_own_network_namespace(inside: Inside) -> None:
    assert inside("ls", "/sys/class/net").stdout == "lo\n"
    assert "bpf /sys/fs/bpf bpf" in inside("cat", "/proc/mounts").stdout


def test_nothing_of_the_host_can_be_changed(inside: Inside) -> None:
    marker = f"ciliate-test-{os.getpid()}"

    for folder in ("/etc", "/usr", "/usr/local/bin", "/opt", "/run", "/var/lib", "/root"):
        inside("touch", f"{folder}/{marker}")

        assert not Path(folder, marker).exists()


def test_lab_leaves_no_mount_on_the_host(paths: LabPaths, inside: Inside) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()

    below = [line for line in mounts.splitlines() if f"{paths.folder}/" in line]
    assert len(below) == 3, "the pins alone"
