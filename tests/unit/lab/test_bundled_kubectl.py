"""Which kubectl is used: the command's decision, and the same of `tools/setup.sh`."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ciliate.lab.bundled_kubectl import MINOR_MIN, bundled_kubectl

SETUP = Path(__file__).parents[3] / "tools/setup.sh"
#: What kubectl 1.20 and 1.37 print, as far as anybody reads it.
VERSION = '{\n  "clientVersion": {\n    "major": "1",\n    "minor": "%s",\n    "gitVersion": "v1"\n  }\n}'

Make = Callable[[str, str], str]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a folder with a kubectl of a version, or one that says something else."""

    def made(folder: str, minor: str) -> str:
        file = tmp_path / folder / "kubectl"
        file.parent.mkdir(parents=True)
        said = VERSION % minor if minor else "error: unknown flag"
        file.write_text(f"#!/bin/sh\ncat <<'E'\n{said}\nE\n", encoding="ascii")
        file.chmod(0o755)
        return str(file.parent)

    return made


def setup_has_kubectl(path: str, checkout: Path) -> bool:
    """What set-up decides, with the tools it needs behind that PATH."""
    line = f"source {SETUP}; cd {checkout}; has_kubectl"
    bare = checkout / "tools-of-the-machine"
    bare.mkdir(exist_ok=True)
    for tool in ("cat", "sed", "head", "sh"):
        if not (bare / tool).exists():
            (bare / tool).symlink_to(str(shutil.which(tool)))
    environment = {"PATH": f"{path}:{bare}"}
    return subprocess.run(["/bin/bash", "-c", line], check=False, env=environment).returncode == 0


@pytest.mark.parametrize(
    ("minor", "is_enough"),
    [
        ("20", False),
        (str(MINOR_MIN - 1), False),
        (str(MINOR_MIN), True),
        ("37+", True),
        ("", False),
    ],
)
def test_an_old_kubectl_is_not_enough(
    make: Make, tmp_path: Path, minor: str, *, is_enough: bool
) -> None:
    bundled = Path(make("checkout/.venv/bin", "37")) / "kubectl"
    machine = make("usr/bin", minor)

    chosen = bundled_kubectl(machine, bundled=bundled)

    assert chosen == (None if is_enough else bundled)
    assert setup_has_kubectl(machine, tmp_path / "checkout") is is_enough


def test_without_any_the_one_of_set_up_is_taken(make: Make, tmp_path: Path) -> None:
    ours = make("checkout/.venv/bin", "37")

    assert bundled_kubectl("", bundled=Path(ours) / "kubectl") == Path(ours) / "kubectl"
    assert bundled_kubectl("/nowhere", bundled=Path(ours) / "kubectl") == Path(ours) / "kubectl"
    assert not setup_has_kubectl("/nowhere", tmp_path / "checkout")


def test_our_own_on_the_path_does_not_count_as_the_machines(make: Make, tmp_path: Path) -> None:
    ours = make("checkout/.venv/bin", "37")
    path = f"/run/ciliate/labs/x/bin:{ours}"

    assert bundled_kubectl(path, bundled=Path(ours) / "kubectl") == Path(ours) / "kubectl"
    assert not setup_has_kubectl(path, tmp_path / "checkout")


def test_where_set_up_brought_none_there_is_none(make: Make, tmp_path: Path) -> None:
    assert bundled_kubectl(make("usr/bin", "20"), bundled=tmp_path / "kubectl") is None


def test_set_up_and_command_have_the_same_number() -> None:
    assert f"KUBECTL_MINOR_MIN={MINOR_MIN}\n" in SETUP.read_text(encoding="utf-8")
