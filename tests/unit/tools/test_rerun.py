"""tools/rerun.py, with pytest itself, in a folder of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tools.rerun import FILES_MAX, VARIABLE, run

PASSES = "def test_it(): pass\n"
FAILS = "def test_it(): assert False\n"
#: Fails when it runs first.
FLAKY = """
from pathlib import Path
def test_it():
    been = Path(__file__).with_suffix(".been")
    if not been.exists():
        been.touch()
        assert False
"""

Suite = Callable[..., tuple[int, str]]


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Runs a suite of files; returns the exit code, and which tests failed first alone."""
    told = tmp_path / "told"
    told.touch()
    monkeypatch.setenv(VARIABLE, str(told))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").touch()

    def start(*texts: str) -> tuple[int, str]:
        for number, text in enumerate(texts):
            (tmp_path / f"test_{number}.py").write_text(text)
        return run(["."], tmp_path / "cache"), told.read_text()

    return start


def test_what_passes_is_run_once(suite: Suite) -> None:
    assert suite(PASSES, PASSES) == (0, "")


def test_what_passes_alone_is_no_failure_and_is_told(suite: Suite) -> None:
    assert suite(PASSES, FLAKY) == (0, "test_1.py::test_it\n")


def test_what_fails_again_fails_the_run(suite: Suite) -> None:
    assert suite(FLAKY, FAILS, PASSES) == (1, "test_0.py::test_it\n")


def test_many_failures_are_not_run_again(suite: Suite) -> None:
    assert suite(*[FLAKY] * (FILES_MAX + 1)) == (1, "")


def test_file_that_cannot_be_read_is_no_failed_test(suite: Suite) -> None:
    assert suite(PASSES, "import nothing_of_this_name\n") == (2, "")
