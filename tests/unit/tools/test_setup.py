import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[3] / "tools" / "setup.sh"

#: Set-up twice, on a machine whose Python comes with the packages, without installing anything.
TWICE = f"""
set -euo pipefail
source {SETUP}
setup_hash() {{ cat python 2>/dev/null || true; }}
install_packages() {{ echo 3.13 >python; }}
install_python() {{
	echo installed
	mkdir -p .venv/bin
	install -m 755 /dev/null .venv/bin/ciliate
}}
make() {{ true; }}
set_up lab
set_up lab
"""


@pytest.mark.skipif(
    not Path("/sys/kernel/btf/vmlinux").exists(), reason="set-up needs a kernel with BTF"
)
def test_second_setup_of_a_bare_machine_has_nothing_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", TWICE], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout == "installed\n"


#: A service's start is asked for while packages are installed, in the ways Debian asks for it.
POLICY = f"""
set -euo pipefail
source {SETUP}
as_root() {{ "$@"; }}
START_POLICY=$PWD/policy
asked() {{ ./policy "$@" && echo yes || echo "no: $?"; }}
forbid_start prometheus other
asked prometheus start
asked --quiet other.service restart
asked ssh start
allow_start
[ ! -e policy ]
"""


def test_unwanted_services_alone_do_not_start_while_packages_are_installed(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", POLICY], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines() == ["no: 101", "no: 101", "yes"]


@pytest.mark.parametrize("wanted", ["", "prometheus"])
def test_a_policy_of_the_machines_own_is_left_alone(tmp_path: Path, wanted: str) -> None:
    policy = tmp_path / "policy"
    policy.write_text("exit 101\n")
    script = f"source {SETUP}; START_POLICY={policy}; forbid_start {wanted}; allow_start"

    subprocess.run(["bash", "-euc", script], check=True)

    assert policy.read_text() == "exit 101\n"
