"""Run alone what failed beside other tests: is it the product, or the load that others made?

python -m tools.rerun PYTEST-WORDS... runs pytest. When tests of at most three files failed, it runs
those once more, one after the other. What fails again is the result. What passes is told as the last
words, and in CILIATE_TEST_FAILURES: a defect of the product or of the test, for a developer to find.

Labs side by side can leave a test too little of two processors for any deadline; a fault
in the product fails more files than three, or fails again.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

#: With more files than this something is broken: it is told at once.
FILES_MAX: Final = 3

#: Where test.sh reads the names of the tests that failed first.
VARIABLE: Final = "CILIATE_TEST_FAILURES"

_CACHE: Final = Path("build/root-tests")
_SOME_FAILED: Final = 1  # pytest.ExitCode.TESTS_FAILED


def run(words: Sequence[str], cache: Path) -> int:
    """Return the exit code of pytest with these words, after the second run if there was one."""
    code = _pytest(cache, "--cache-clear", *words)
    failed = failed_tests(cache)
    if code != _SOME_FAILED or not 1 <= len(files_of(failed)) <= FILES_MAX:
        return code
    print(f"\n{len(failed)} failed beside others: each once more, alone", flush=True)
    code = _pytest(cache, "--last-failed", "--last-failed-no-failures=none", "-v")
    passed = sorted(set(failed) - set(failed_tests(cache))) if code in (0, _SOME_FAILED) else []
    print(describe(passed), flush=True)
    if path := os.environ.get(VARIABLE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{test}\n" for test in passed)
    return code


def failed_tests(cache: Path) -> list[str]:
    """Return the tests that failed when they ran last, by pytest's names."""
    try:
        return list(json.loads((cache / "v/cache/lastfailed").read_bytes()))
    except FileNotFoundError:
        return []


def files_of(tests: Sequence[str]) -> set[str]:
    """Return the files that hold tests."""
    return {test.partition("::")[0] for test in tests}


def describe(passed: Sequence[str]) -> str:
    """Return what is said of tests that failed beside others and passed alone."""
    if not passed:
        return "what failed beside others failed alone too"
    names = "".join(f"\n  {test}" for test in passed)
    return f"failed beside others and passed alone, a defect to find:{names}"


def _pytest(cache: Path, *words: str) -> int:
    command = [sys.executable, "-m", "pytest", f"--override-ini=cache_dir={cache.absolute()}"]
    return subprocess.run([*command, *words], check=False).returncode


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], _CACHE))
