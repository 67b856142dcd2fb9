"""`system/bounded_end.py`: a process that is asked to end does, whatever its threads are at."""

import os
import subprocess
import sys

#: A thread that waits in the kernel, on a pipe that nobody writes to, and the ways a process ends.
PROGRAM = """
import os, sys, threading
from ciliate.system.bounded_end import end_within
threading.Thread(target=os.read, args=(int(sys.argv[1]), 1), name="pod-link_0").start()
end_within(0.05)
print("the last word of the program")
if sys.argv[2] == "error":
    raise SystemExit("a setting is wrong")
"""

QUIET = "import sys; from ciliate.system.bounded_end import end_within; end_within(); sys.exit(7)"


def ended(how: str) -> subprocess.CompletedProcess[str]:
    reader, writer = os.pipe()
    try:
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, str(reader), how],
            pass_fds=(reader,),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(reader)
        os.close(writer)


def test_thread_in_the_kernel_does_not_keep_a_process_that_ends() -> None:
    done = ended("well")

    assert done.returncode == 1
    assert "ending without waiting for the threads" in done.stderr
    assert "pod-link_0" in done.stderr


def test_error_is_told_before_such_an_end() -> None:
    assert "a setting is wrong" in ended("error").stderr


def test_process_without_such_threads_ends_at_once_with_its_own_code() -> None:
    done = subprocess.run([sys.executable, "-c", QUIET], timeout=20, check=False)

    assert done.returncode == 7
