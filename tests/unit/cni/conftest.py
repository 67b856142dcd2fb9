"""The plugin, built for tests: with the sanitizers where the compiler has them."""

import subprocess
from pathlib import Path

import pytest

_SOURCE = Path(__file__).parents[3] / "plugin" / "ciliate-cni.c"
_FLAGS = ["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror"]
_SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the plugin's executable."""
    target = tmp_path_factory.mktemp("plugin") / "ciliate-cni"
    for extra in (_SANITIZERS, []):
        command = ["cc", *_FLAGS, *extra, "-o", str(target), str(_SOURCE)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            return target
    pytest.fail(f"the plugin does not compile: {done.stderr}")
