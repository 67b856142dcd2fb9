"""Mount namespaces are pinned whatever ids the kernel gives: each processor has its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciliate.lab.errors import KernelCallError
from ciliate.lab.mounts import MountFlag, mount
from ciliate.lab.namespaces import in_namespaces, make_namespaces
from ciliate.lab.tear_down import remove_folder

_ASKED = "from ciliate.lab.namespaces import is_chroot; print(is_chroot())"

#: In a mount namespace made on one processor, pins one that is made on others.
_PIN = """
import os, sys
from ciliate.lab.namespaces import CLONE_NEWNS, make_namespaces, unshare
from ciliate.lab.mounts import MountFlag, mount
folder, own, other = sys.argv[1], int(sys.argv[2]), {int(cpu) for cpu in sys.argv[3].split(",")}
os.sched_setaffinity(0, {own})
unshare(CLONE_NEWNS)
os.sched_setaffinity(0, other)
mount("none", "/", flags=MountFlag.RECURSIVE | MountFlag.PRIVATE)
mount("tmpfs", folder, "tmpfs")
make_namespaces(folder + "/ns")
print(os.path.ismount(folder + "/ns/mnt"), os.sched_getaffinity(0) == other)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(f"/run/test-pins-{os.getpid()}")
    made.mkdir()
    yield made
    remove_folder(made)


def _cpus() -> list[int]:
    return sorted(os.sched_getaffinity(0))


@pytest.mark.skipif(len(_cpus()) < 2, reason="needs two processors")
@pytest.mark.parametrize("reach", ["all processors", "another processor alone"])
def test_mount_namespace_is_pinned_from_one_of_any_processor(folder: Path, reach: str) -> None:
    for own in _cpus():
        others = _cpus() if reach == "all processors" else [cpu for cpu in _cpus() if cpu != own]
        for first in others:
            # Where the maker begins decides which block its first id is from.
            listed = ",".join(map(str, others if reach != "all processors" else [first, own]))
            done = subprocess.run(
                [sys.executable, "-c", _PIN, str(folder), str(own), listed],
                capture_output=True,
                text=True,
                check=False,
            )

            assert done.stdout == "True True\n", done.stderr


def test_refused_pin_leaves_nothing_behind(folder: Path) -> None:
    mount("tmpfs", folder, "tmpfs")
    mount("none", folder, flags=MountFlag.PRIVATE)

    def fails() -> None:
        in_namespaces(folder / "nowhere", lambda: None)

    with pytest.raises(KernelCallError, match="nowhere"):
        make_namespaces(folder / "ns", inside=fails)

    assert not (folder / "ns").exists()


def test_chroot_is_noticed(tmp_path: Path) -> None:
    """The shell stays where it is; its child has another root, in the same mount namespace."""
    for name in ("proc", "usr", "bin", "lib", "lib64", "etc", "root", "home", "work", "opt"):
        if Path("/", name).exists():
            (tmp_path / name).mkdir()
    own = [str(Path(__file__).parents[2]), sys.prefix, sys.base_prefix]
    for path in own:  # Where they lie in no folder of the list.
        Path(f"{tmp_path}{path}").mkdir(parents=True, exist_ok=True)
    script = (
        f'for each in {tmp_path}/*; do mount --rbind "/$(basename "$each")" "$each"; done; '
        f"{sys.executable} -c '{_ASKED}'; chroot {tmp_path} {sys.executable} -c '{_ASKED}'"
    )

    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == ["False", "True"]


def test_chroot_to_a_bind_mount_of_the_same_folder_is_one_too(tmp_path: Path) -> None:
    """Its root is the same folder by another mount: what is mounted here is not there."""
    script = f"mount --rbind / {tmp_path}; chroot {tmp_path} {sys.executable} -c '{_ASKED}'"

    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == ["True"], done.stderr
