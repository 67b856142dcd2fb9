"""`system/cgroups.py`: which of the mounted control groups are the node's."""

import os
from pathlib import Path

import pytest

from ciliate.system.cgroups import CILIUM_CGROUP_ROOT, CgroupRootError, cgroup_root
from ciliate.system.mount_table import MountEntry, mount_table


def mounted(target: str, kind: str = "cgroup2") -> MountEntry:
    return MountEntry(target=target, kind=kind, options="rw")


ROOT = mounted("/", "overlay")
UNIFIED = [ROOT, mounted("/sys", "sysfs"), mounted("/sys/fs/cgroup")]
HYBRID = [ROOT, mounted("/sys/fs/cgroup", "tmpfs"), mounted("/sys/fs/cgroup/unified")]


@pytest.mark.parametrize(
    ("configured", "table", "found"),
    [
        ("", UNIFIED, "/sys/fs/cgroup"),
        ("", HYBRID, "/sys/fs/cgroup/unified"),
        ("", [ROOT, mounted("/mnt/groups")], "/mnt/groups"),
        ("", [mounted("/mnt/groups"), *HYBRID], "/sys/fs/cgroup/unified"),
        ("/mnt/groups", [*UNIFIED, mounted("/mnt/groups")], "/mnt/groups"),
        ("/sys/fs/cgroup/node.slice", UNIFIED, "/sys/fs/cgroup/node.slice"),
        (CILIUM_CGROUP_ROOT, [*UNIFIED, mounted(CILIUM_CGROUP_ROOT)], CILIUM_CGROUP_ROOT),
        (CILIUM_CGROUP_ROOT, UNIFIED, "/sys/fs/cgroup"),
    ],
)
def test_the_key_counts_and_else_the_mount_table(
    configured: str, table: list[MountEntry], found: str
) -> None:
    assert cgroup_root(configured, table=table) in {Path(found), Path(os.path.realpath(found))}


@pytest.mark.parametrize(
    ("configured", "table", "said"),
    [
        ("", [ROOT, mounted("/sys/fs/cgroup", "tmpfs")], "no cgroup2 file system is mounted"),
        ("", [mounted("/sys/fs/cgroup"), mounted("/sys/fs/cgroup", "tmpfs")], "no cgroup2"),
        ("/mnt", UNIFIED, "cgroup-root /mnt: not in a cgroup2 file system"),
    ],
)
def test_what_is_not_in_sight_is_an_error_that_says_what_to_mount(
    configured: str, table: list[MountEntry], said: str
) -> None:
    with pytest.raises(CgroupRootError, match=said) as caught:
        cgroup_root(configured, table=table)

    assert "hostPath /sys/fs/cgroup" in str(caught.value)


def test_the_group_of_the_agents_own_container_is_no_nodes(tmp_path: Path) -> None:
    (tmp_path / "cgroup.type").write_text("domain\n")
    (tmp_path / "cgroup.procs").write_text(f"1\n{os.getpid()}\n")

    with pytest.raises(CgroupRootError, match="agent's own container"):
        cgroup_root(table=[mounted(str(tmp_path))])

    (tmp_path / "cgroup.procs").write_text("1\n")
    assert cgroup_root(table=[mounted(str(tmp_path))]) == tmp_path
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (tmp_path / "cgroup.type").unlink()
    assert cgroup_root(table=[mounted(str(tmp_path))]) == tmp_path, "the hierarchy's own root"


def test_a_mounts_place_and_kind_are_read_out_of_the_table(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "36 35 98:0 / /mnt/with\\040space rw,noatime master:1 - ext4 /dev/root rw,errors=continue\n"
        "40 36 0:30 /a /sys/fs/cgroup rw - cgroup2 none rw,nsdelegate\n"
    )

    assert mount_table(str(table)) == [
        MountEntry("/mnt/with space", "ext4", "rw,errors=continue"),
        MountEntry("/sys/fs/cgroup", "cgroup2", "rw,nsdelegate"),
    ]
