"""A folder of files stands for the control groups of a kernel."""

import signal
import subprocess
from pathlib import Path

from ciliate.lab.cgroup import kill_all


def test_without_cgroup_kill_processes_of_all_groups_below_are_killed(tmp_path: Path) -> None:
    """Before Linux 5.14 there is no such file."""
    (tmp_path / "pod").mkdir()
    with (
        subprocess.Popen(["sleep", "60"]) as upper,
        subprocess.Popen(["sleep", "60"]) as lower,
    ):
        (tmp_path / "cgroup.procs").write_text(f"{upper.pid}\n")
        (tmp_path / "pod" / "cgroup.procs").write_text(f"{lower.pid}\n")

        kill_all(tmp_path)

        assert upper.wait(10) == lower.wait(10) == -signal.SIGKILL
    kill_all(tmp_path)  # They are gone by now: that is no error.


def test_with_cgroup_kill_the_kernel_does_it(tmp_path: Path) -> None:
    (tmp_path / "cgroup.kill").touch()
    (tmp_path / "cgroup.procs").write_text("1\n")  # Not to be touched one by one.

    kill_all(tmp_path)

    assert (tmp_path / "cgroup.kill").read_text() == "1"
