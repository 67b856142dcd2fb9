"""A run ends with what it skipped, a line a reason; `./test.sh` with that of all its runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SKIPPING = """
import pytest

@pytest.mark.skipif(True, reason="no zebra on this machine")
@pytest.mark.parametrize("number", range(3))
def test_zebra(number): ...

def test_kernel():
    pytest.skip("needs a newer kernel:\\n6.18")
"""


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two runs of tests noted, one of them in a process of its own."""
    folder = tmp_path_factory.mktemp("skips")
    test, noted = folder / "test_some.py", folder / "noted"
    test.write_text(SKIPPING)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    for words in ([], ["-n", "1"]):
        command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", os.devnull]
        done = subprocess.run(
            [*command, "-q", "-p", "no:cacheprovider", *words, str(test)],
            cwd=ROOT,
            env={**environment, "CILIATE_TEST_SKIPS": str(noted)},
            capture_output=True,
            text=True,
            check=True,
        )
        (folder / "said").write_text(done.stdout)
    return noted


def test_each_reason_is_a_line_with_its_number(noted: Path) -> None:
    said = (noted.parent / "said").read_text()

    lines = said.partition("skipped tests, by reason")[2].splitlines()[1:3]
    assert [line.split(maxsplit=1) for line in lines] == [
        ["3", "no zebra on this machine"],
        ["1", "needs a newer kernel: 6.18"],
    ]


def test_test_sh_ends_with_the_reasons_of_all_runs(noted: Path, tmp_path: Path) -> None:
    own = tmp_path / "noted"
    own.write_bytes(noted.read_bytes())

    assert said_by_test_sh("show_skips", CILIATE_TEST_SKIPS=own) == (
        "\nskipped tests, by reason:\n"
        "     6  no zebra on this machine\n"
        "     2  needs a newer kernel: 6.18\n"
    )
    assert not own.exists()


def test_test_sh_ends_with_what_failed_once(tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    noted.write_text("tests/lab/test_a.py::test_it[x y]\n")

    assert said_by_test_sh("show_failures", CILIATE_TEST_FAILURES=noted) == (
        "\nfailed beside others and passed alone, a defect to find:\n"
        "  tests/lab/test_a.py::test_it[x y]\n"
    )
    assert not noted.exists()


def said_by_test_sh(name: str, **files: Path) -> str:
    """What a function of test.sh prints."""
    text = (ROOT / "test.sh").read_text()
    function = re.search(rf"^{name}\(\) \{{.*?^\}}", text, re.MULTILINE | re.DOTALL)
    assert function is not None
    done = subprocess.run(
        ["bash", "-euc", f"{function[0]}\n{name}"],
        env={"PATH": os.environ["PATH"], **{key: str(file) for key, file in files.items()}},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
