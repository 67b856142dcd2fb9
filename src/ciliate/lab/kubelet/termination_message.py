"""A container's last words: what it wrote to its termination log, or the end of its output.

Bounds are kubelet's. `kubectl describe` and `lab status` show the message, in lastState.terminated.
"""

from pathlib import Path
from typing import Final

from ciliate.lab.kubelet.logs import stored_lines

_FILE_BYTES_MAX: Final = 4096
_LOG_BYTES_MAX: Final = 2048
_LOG_LINES_MAX: Final = 80

#: The policy that takes the end of the output of a container which failed and wrote nothing.
FALLBACK: Final = "FallbackToLogsOnError"


def make_message_file(path: Path) -> None:
    """Make an empty file for a container's last words, writable for whoever it runs as."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    path.chmod(0o666)


def read_message(path: Path, log: Path | None) -> str:
    """Return what a container wrote to `path`; where that is nothing, the end of `log`, if given."""
    written = _beginning(path)
    if written or log is None:
        return written
    lines = [line.text + b"\n" for line in stored_lines(log)][-_LOG_LINES_MAX:]
    return b"".join(lines)[-_LOG_BYTES_MAX:].decode(errors="replace")


def _beginning(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_FILE_BYTES_MAX).decode(errors="replace")
    except OSError:
        return ""  # It has none, as privileged ones, whose /dev is the machine's.
