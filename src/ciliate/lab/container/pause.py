"""Stands for the image pause: it reaps, and ends at once when it is told to.

It is the first process of a pod whose containers share process numbers: it takes in processes whose
parents are gone, and its end ends the others.
"""

import os
import signal


def run(argv: list[str]) -> int:
    """Reap until SIGTERM or SIGINT; the exit code."""
    del argv
    # Blocked, since the kernel drops what the first process of a PID namespace has no handler for.
    wanted = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    while signal.sigwait(wanted) == signal.SIGCHLD:
        _reap()
    return 0


def _reap() -> None:
    """Take in what has ended; one signal may stand for several."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return
