"""What an agent's container lacks is named, each with its remedy."""

from pathlib import Path

import pytest

from ciliate.node.privileges import Privileges, effective_capabilities, is_bpf_mounted

EVERYTHING = Privileges(
    capabilities=1 << 12 | 1 << 21,
    sysctl_problem="",
    bpf_root="/sys/fs/bpf",
    is_bpf_mounted=True,
)
MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 0:20 / /sys rw - sysfs sysfs rw
24 23 0:21 / /sys/fs/bpf rw shared:5 - bpf bpf rw,mode=700
25 22 0:22 / /run/other\\040place rw - bpf bpf rw
"""


def test_nothing_is_missing_where_everything_is() -> None:
    assert EVERYTHING.missing() == ()


@pytest.mark.parametrize(
    ("lacking", "named", "remedy"),
    [
        ({"capabilities": 1 << 21}, "CAP_NET_ADMIN is missing", "securityContext.capabilities"),
        ({"capabilities": 1 << 12}, "CAP_SYS_ADMIN is missing", "securityContext.capabilities"),
        ({"sysctl_problem": "/proc/sys/x: Read-only file system"}, "/proc/sys/x", "set procfs"),
        ({"is_bpf_mounted": False}, "/sys/fs/bpf is no bpf file system", "set bpf-root"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    lacking: dict[str, object], named: str, remedy: str
) -> None:
    facts = {name: getattr(EVERYTHING, name) for name in EVERYTHING.__slots__}

    (said,) = Privileges(**facts | lacking).missing()

    assert named in said
    assert remedy in said


def test_everything_that_is_missing_is_named_at_once() -> None:
    nothing = Privileges(
        capabilities=0, sysctl_problem="/proc: denied", bpf_root="/b", is_bpf_mounted=False
    )

    assert len(nothing.missing()) == 4


def test_effective_capabilities_are_those_of_the_status_file() -> None:
    assert effective_capabilities("CapPrm:\t0000000000000001\nCapEff:\t0000000000201000\n") == (
        1 << 12 | 1 << 21
    )


@pytest.mark.parametrize(
    ("mounts", "path", "mounted"),
    [
        (MOUNTS, "/sys/fs/bpf", True),
        (MOUNTS, "/sys/fs/bpf/net", True),
        (MOUNTS, "/run/other place", True),
        (MOUNTS, "/sys/fs", False),
        (MOUNTS, "/sys/fs/bpf2", False),
        (MOUNTS + "26 24 0:23 / /sys/fs/bpf rw - tmpfs tmpfs rw\n", "/sys/fs/bpf", False),
    ],
)
def test_the_last_mount_on_a_path_says_whether_it_is_bpf(
    mounts: str, path: str, *, mounted: bool
) -> None:
    assert is_bpf_mounted(mounts, Path(path)) is mounted
