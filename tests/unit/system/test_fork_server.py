"""`system/fork_server.py`: processes that begin warm, and end as they would if they were executed."""

import signal
import subprocess
import sys
import textwrap

import pytest

#: In an interpreter of its own: a test's has threads.
_PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from ciliate.system.fork_server import ForkServer, ForkServerGoneError

{functions}

sys.modules["here"] = sys.modules["__main__"]
forks = ForkServer.start()
asyncio.run(asyncio.wait_for(main(), 60))
forks.close()
"""


def run(functions: str, *, code: int = 0) -> str:
    """Run a program that has `forks` and defines `main`; return what it prints."""
    program = _PROGRAM.format(functions=textwrap.dedent(functions))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def test_process_reads_and_writes_and_its_code_comes_back() -> None:
    printed = run("""
        def shout():
            for line in sys.stdin:
                print(line.upper(), end="", flush=True)
            return 7

        async def main():
            process = await forks.spawn("here:shout", title="shouting")
            assert process.returncode is None
            process.stdin.write(b"hello\\n")
            print((await process.stdout.readline()).decode(), end="")
            assert Path(f"/proc/{process.pid}/cmdline").read_text().startswith("shouting")
            process.stdin.close()
            print(await process.wait(), process.returncode)
    """)
    assert printed == "HELLO\n7 7\n"


def test_many_processes_run_at_once_and_each_end_is_its_own() -> None:
    printed = run("""
        def wait_for_word():
            return int(sys.stdin.readline())

        async def main():
            running = [await forks.spawn("here:wait_for_word", title="waiting") for _ in range(5)]
            for number, process in reversed(list(enumerate(running))):
                process.stdin.write(b"%d\\n" % number)
            print([await process.wait() for process in running])
    """)
    assert printed == "[0, 1, 2, 3, 4]\n"


def test_process_begins_with_what_was_imported_and_without_the_others_descriptors() -> None:
    printed = run("""
        import decimal

        def look():
            assert "decimal" in sys.modules
            links = [os.readlink(each) for each in Path("/proc/self/fd").iterdir()
                     if os.path.lexists(each)]
            print([link for link in links if link.startswith(("socket:", "anon"))], flush=True)
            sys.stdin.read()

        async def main():
            first = await forks.spawn("here:look", title="looking")
            second = await forks.spawn("here:look", title="looking")
            for process in (first, second):
                print((await process.stdout.readline()).decode(), end="")
            for process in (first, second):
                process.stdin.close()
                assert await process.wait() == 0
    """)
    assert printed == "[]\n[]\n"


def test_failure_of_a_process_is_its_own() -> None:
    printed = run("""
        def fail():
            raise RuntimeError("on purpose")

        def leave():
            sys.exit(3)

        async def main():
            for target in ("here:fail", "here:leave", "here:nothing", "nothing_there:main"):
                process = await forks.spawn(target, title="failing")
                print(await process.wait())
    """)
    assert printed.split() == ["1", "3", "1", "1"]


def test_killed_process_is_told_as_killed() -> None:
    printed = run("""
        def stay():
            sys.stdin.read()

        async def main():
            process = await forks.spawn("here:stay", title="staying")
            process.kill()
            print(await process.wait())
            process.kill()
    """)
    assert printed == "-9\n"


def test_server_that_is_gone_is_told_and_what_it_forked_counts_as_gone() -> None:
    printed = run("""
        def stay():
            sys.stdin.read()

        async def main():
            process = await forks.spawn("here:stay", title="staying")
            os.kill(forks.pid, signal.SIGKILL)
            print(await process.wait())
            process.stdin.close()
            try:
                await forks.spawn("here:stay", title="staying")
            except ForkServerGoneError as error:
                print(error)
    """)
    assert printed == "-9\nthe fork server does not answer\n"


def test_server_that_stands_still_is_as_good_as_gone() -> None:
    printed = run("""
        from ciliate.system import fork_server
        fork_server._ANSWER_S = 0.1

        async def main():
            os.kill(forks.pid, signal.SIGSTOP)
            try:
                await forks.spawn("here:main", title="waiting")
            except ForkServerGoneError as error:
                print(error)
            os.kill(forks.pid, signal.SIGKILL)
    """)
    assert printed == "the fork server does not answer\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_to_all_end_the_server_with_its_parent_alone(number: signal.Signals) -> None:
    printed = run(f"""
        def heed():
            sys.stdin.read()

        async def main():
            os.kill(forks.pid, {number})
            process = await forks.spawn("here:heed", title="heeding")
            os.kill(process.pid, signal.SIGTERM)
            print(await process.wait())
    """)
    assert printed == "-15\n"


def test_server_ends_when_its_parent_is_killed() -> None:
    program = _PROGRAM.format(
        functions=textwrap.dedent("""
            async def main():
                print(forks.pid, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
        """)
    )
    # Its output ends with the last process that has it.
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == -signal.SIGKILL
    assert int(done.stdout) > 0
