"""A lab as tests use it: through the commands a user types."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.deadlines import Deadline, stretch

#: The commands of the environment that the tests run in.
BIN: Final = Path(sys.prefix) / "bin"

#: Names of the folders that our program lies in: containers see it where this machine has it.
OWN_FOLDERS: Final = frozenset((*Path(__file__).parts, *Path(sys.base_prefix).parts))

#: How long `eventually` waits between two questions.
_PAUSE_MIN_S: Final = 0.02
_PAUSE_MAX_S: Final = 0.5

Done = subprocess.CompletedProcess[str]


def ciliate(
    *words: str, check: bool = True, timeout_s: float = 120.0, env: dict[str, str] | None = None
) -> Done:
    """Run our command; with `check`, a failure ends the test and shows what it said."""
    environment = {name: value for name, value in os.environ.items() if name != "CILIATE_LAB"}
    return run(
        [str(BIN / "ciliate"), *words], check=check, timeout_s=timeout_s, env=env or environment
    )


def run(
    words: Sequence[str],
    *,
    check: bool = True,
    timeout_s: float = 60.0,
    env: dict[str, str] | None = None,
    text: str | None = None,
) -> Done:
    """Run a command to its end, with its output kept.

    One that does not end in time is asked where it hangs: programs in Go, such as kubectl, answer
    SIGQUIT with what each of their goroutines waits for.
    """
    stdin = subprocess.DEVNULL if text is None else subprocess.PIPE
    with subprocess.Popen(
        words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as child:
        timeout_s *= stretch()
        try:
            out, err = child.communicate(text, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGQUIT)
            out, err = _last_words(child)
            hung = f"{' '.join(words)}: not ended after {timeout_s:.0f} s\n{out}{err}"
            raise AssertionError(hung) from None
        except BaseException:
            child.kill()
            raise
    done = Done(words, child.returncode, out, err)
    if check and done.returncode != 0:
        shown = " ".join(words)
        raise AssertionError(f"{shown}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def _last_words(child: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return child.communicate(timeout=5.0)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.communicate()


def eventually(
    condition: Callable[[], object], *, within_s: float = 10.0, what: str = "condition"
) -> None:
    """Wait until `condition` holds; it is asked anew every few milliseconds.

    One that starts a command to find out waits as long as it took: asking is to take at most half of
    the time, for the processor that it takes is missed by what is waited for.
    """
    deadline = Deadline(within_s)
    while True:
        asked_s = time.monotonic()
        if condition():
            return
        if deadline.passed:
            raise AssertionError(f"{what}: not within {within_s} s")
        time.sleep(min(max(time.monotonic() - asked_s, _PAUSE_MIN_S), _PAUSE_MAX_S))


def joining(group: Path) -> list[str]:
    """Words before a command that put it into a control group, a path where it is started."""
    return ["sh", "-c", 'echo 0 > "$0/cgroup.procs" && exec "$@"', str(group)]


def _stretched(word: str) -> str:
    """A word of kubectl's; `--timeout=20s` is what an idle machine needs."""
    seconds = re.fullmatch(r"--timeout=(\d+)s", word)
    return f"--timeout={int(seconds[1]) * stretch():.0f}s" if seconds else word


@dataclass(frozen=True, slots=True)
class Cluster:
    """A lab that is up."""

    name: str

    @property
    def folder(self) -> Path:
        """The lab's files."""
        return Path("/run/ciliate/labs") / self.name

    def lab(self, command: str, *words: str, check: bool = True) -> Done:
        """`ciliate lab COMMAND --name NAME WORDS...`."""
        return ciliate("lab", command, "--name", self.name, *words, check=check)

    def exec(self, place: str, *words: str, check: bool = True) -> str:
        """What a command in a machine or a pod prints."""
        return self.lab("exec", place, "--", *words, check=check).stdout

    def background(self, place: str, *words: str) -> subprocess.Popen[str]:
        """A command in a machine or a pod that goes on; use it with `with`, end it with kill."""
        command = [str(BIN / "ciliate"), "lab", "exec", "--name", self.name, place, "--", *words]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        )

    def kubectl(self, *words: str, check: bool = True, text: str | None = None) -> str:
        """What the real kubectl prints; what it is to wait for has time by the machine's load."""
        environment = {**os.environ, "KUBECONFIG": str(self.folder / "kubeconfig")}
        command = ["kubectl", *map(_stretched, words)]
        return run(command, check=check, env=environment, text=text).stdout

    def object(self, *words: str) -> Any:
        """An object, or a list, as `kubectl get WORDS... -o json` gives it."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def status(self) -> Any:
        """`lab status -o json`, healthy or not."""
        return json.loads(self.lab("status", "-o", "json", check=False).stdout)
