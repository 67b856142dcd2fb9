"""`flows/server/cgroup_pods.py`: a group's number names the pod whose folder it is below."""

from pathlib import Path

import pytest

from ciliate.flows.server import cgroup_pods
from ciliate.flows.server.cgroup_pods import CgroupPods

UID = "7d1f3c52-0b6e-4d0c-9c0e-5a1b2c3d4e5f"
SYSTEMD = (
    f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"
)


def group(root: Path, name: str) -> int:
    """Make a folder, and return its number."""
    folder = root / name
    folder.mkdir(parents=True)
    return folder.stat().st_ino


@pytest.mark.parametrize("pod", [SYSTEMD, f"kubepods/burstable/pod{UID}"])
def test_group_of_a_pod_and_of_its_containers_name_it(tmp_path: Path, pod: str) -> None:
    container = group(tmp_path, f"{pod}/cri-containerd-{'ab' * 32}.scope")
    deeper = group(tmp_path, f"{pod}/cri-containerd-{'ab' * 32}.scope/init")
    own = (tmp_path / pod).stat().st_ino
    pods = CgroupPods(tmp_path)

    pods.learn(container)

    assert [pods.uid(number) for number in (own, container, deeper)] == [UID] * 3


def test_group_of_no_pod_names_none(tmp_path: Path) -> None:
    number = group(tmp_path, "system.slice/sshd.service")
    pods = CgroupPods(tmp_path)

    pods.learn(number)

    assert pods.uid(number) == ""
    assert pods.uid(12345) == "", "never heard of"


def test_group_that_is_gone_remains_its_pod_s(tmp_path: Path) -> None:
    number = group(tmp_path, SYSTEMD)
    pods = CgroupPods(tmp_path)
    pods.learn(number)

    (tmp_path / SYSTEMD).rmdir()

    assert pods.uid(number) == UID


def test_number_that_is_known_is_not_looked_for_again(tmp_path: Path) -> None:
    pods = CgroupPods(tmp_path)
    pods.learn(1)  # Nobody's: so it is remembered.
    pods._walked_s -= 10
    group(tmp_path, SYSTEMD)

    pods.learn(1)

    assert len(pods._uids) == 1, "the tree was walked for a number that is known"


def test_tree_is_not_walked_for_each_of_many_numbers(tmp_path: Path) -> None:
    pods = CgroupPods(tmp_path)
    pods.learn(1)
    number = group(tmp_path, SYSTEMD)

    for other in range(2, 50):
        pods.learn(other)
    assert pods.uid(number) == ""

    pods._walked_s -= 10
    pods.learn(number)
    assert pods.uid(number) == UID


def test_root_that_is_not_there_costs_nothing_but_names(tmp_path: Path) -> None:
    pods = CgroupPods(tmp_path / "none")

    pods.learn(7)

    assert pods.uid(7) == ""


def test_numbers_are_bounded(tmp_path: Path) -> None:
    pods = CgroupPods(tmp_path)
    for number in range(1, cgroup_pods._KNOWN_MAX + 10):
        pods._walked_s -= 10
        pods.learn(number)

    assert len(pods._uids) == cgroup_pods._KNOWN_MAX
