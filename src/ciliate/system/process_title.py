"""What `ps` shows for a process that was forked instead of executed.

The kernel shows the memory between `arg_start` and `arg_end` as command line; when the last byte
there is not NUL it reads on into the environment's memory (fs/proc/base.c, get_mm_proctitle). We
write into both. PR_SET_MM would be the clean way, but asks for CAP_SYS_RESOURCE.
"""

import ctypes
from pathlib import Path
from typing import Final

_PR_SET_NAME: Final = 15


def set_process_title(title: str) -> None:
    """Show `title` in `ps`; cut to the room that arguments and environment took at the start.

    To be called after the environment was replaced: its first strings are overwritten here.
    """
    encoded = title.encode()
    ctypes.CDLL(None).prctl(_PR_SET_NAME, encoded.split(b"\0")[0][:15], 0, 0, 0)
    # Fields count from after the name in parentheses, which may hold blanks: field 3 is first.
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    arg_start, arg_end, env_start, env_end = (int(fields[n - 3]) for n in (48, 49, 50, 51))
    if not arg_start or env_start < arg_end:
        return  # Not readable for us, or an unusual layout: the title is a convenience.
    room = env_end - arg_start
    ctypes.memset(arg_start, 0, room)
    shown = encoded[: room - 1]
    ctypes.memmove(arg_start, shown, len(shown))
