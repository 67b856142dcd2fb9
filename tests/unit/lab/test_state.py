import subprocess
import sys
from pathlib import Path

import pytest

from ciliate.lab.paths import LabNameError, LabPaths
from ciliate.lab.state import (
    Checkout,
    LabAbsentError,
    LabBrokenError,
    LabBusyError,
    LabState,
    Phase,
    locked,
    machine_state,
    read_state,
    write_state,
)
from ciliate.lab.topology import default_machines


def state(paths: LabPaths, checkout: str = "/src") -> LabState:
    machines = [machine_state(paths, m, dual_stack=False) for m in default_machines(2)]
    return LabState(
        name=paths.name,
        checkout=checkout,
        phase=Phase.UP,
        dual_stack=False,
        api_port=1,
        settings={},
        machines=machines,
    )


def test_state_survives_its_file(tmp_path: Path) -> None:
    paths = LabPaths("x", root=tmp_path)
    paths.folder.mkdir()

    write_state(paths, state(paths))

    assert read_state(paths) == state(paths)
    assert [machine.name for machine in read_state(paths).nodes] == ["k8s-ctr", "k8s-w1"]


def test_absent_lab_is_distinguished_from_a_broken_one(tmp_path: Path) -> None:
    paths = LabPaths("x", root=tmp_path)

    with pytest.raises(LabAbsentError, match="ciliate lab up --name x"):
        read_state(paths)
    paths.folder.mkdir()
    with pytest.raises(LabBrokenError, match="ciliate lab down --name x"):
        read_state(paths)
    paths.state.write_text("{")
    with pytest.raises(LabBrokenError):
        read_state(paths)


@pytest.mark.parametrize("name", ["", "../x", "A", "-a", "a" * 33, "a/b"])
def test_name_that_would_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(LabNameError):
        LabPaths.of(name)


def test_lock_of_a_running_command_names_its_pid(tmp_path: Path) -> None:
    paths = LabPaths("x", root=tmp_path)
    program = (
        "import sys; from pathlib import Path; from ciliate.lab.paths import LabPaths\n"
        "from ciliate.lab.state import locked\n"
        "with locked(LabPaths('x', root=Path(sys.argv[1]))):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()

        with pytest.raises(LabBusyError, match=f"pid {owner.pid}"), locked(paths):
            pass

        owner.kill()
    with locked(paths):
        assert paths.lock.exists()
    assert not paths.lock.exists(), "no lab, no lock"


def test_option_comes_before_variable_before_default() -> None:
    checkout = Checkout(Path("/src"))

    assert checkout.lab_name("a", {"CILIATE_LAB": "b"}) == "a"
    assert checkout.lab_name(None, {"CILIATE_LAB": "b"}) == "b"


def test_names_of_two_checkouts_differ() -> None:
    first, second = Checkout(Path("/src")).own_lab_name, Checkout(Path("/other")).own_lab_name

    assert first != second
    assert LabPaths.of(first).name.startswith("lab-")


def test_checkout_takes_its_own_name_when_another_has_the_lab(tmp_path: Path) -> None:
    checkout = Checkout(Path("/src"), labs=tmp_path)
    assert checkout.lab_name(None, {}) == "lab"

    taken = LabPaths("lab", root=tmp_path)
    taken.folder.mkdir()
    write_state(taken, state(taken, checkout="/other"))
    assert checkout.lab_name(None, {}) == checkout.own_lab_name

    write_state(taken, state(taken, checkout="/src"))
    assert checkout.lab_name(None, {}) == "lab"


def test_checkout_finds_its_lab_again_when_the_other_has_gone(tmp_path: Path) -> None:
    checkout = Checkout(Path("/src"), labs=tmp_path)
    own = LabPaths(checkout.own_lab_name, root=tmp_path)
    own.folder.mkdir()
    write_state(own, state(own, checkout="/src"))

    assert checkout.lab_name(None, {}) == checkout.own_lab_name
