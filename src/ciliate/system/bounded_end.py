"""The end of a process that was asked to end: in time, whatever its threads are at.

An interpreter waits for every thread before it ends, and a thread that waits in the kernel cannot be
told to stop. Nothing is lost where that wait is cut short: what such a thread did not finish is found
by the next process, as after a kill.
"""

import logging
import os
import threading
from typing import Final

#: From SIGTERM to the end. Below the time that the next agent of a node waits for this one.
END_WITHIN_S: Final = 30.0

_log = logging.getLogger(__name__)


def end_within(limit_s: float = END_WITHIN_S) -> None:
    """End this process `limit_s` seconds from now, with code 1, unless it ends before by itself."""
    timer = threading.Timer(limit_s, _end, (limit_s,))
    timer.daemon = True  # It does not keep the process, and runs while others do.
    timer.start()


def _end(limit_s: float) -> None:
    own = threading.current_thread()
    at_work = [thread.name for thread in threading.enumerate() if thread is not own]
    _log.error(
        "not ended within %.0f s: ending without waiting for the threads %s",
        limit_s,
        ", ".join(at_work),
    )
    logging.shutdown()
    os._exit(1)
