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
