"""Unix sockets that root alone may connect to.

A listening socket is bound beside its path and takes that name when it listens already: clients
meet the server before or this one, never a name without a server, and what a killed process left
there is replaced. It is 0600 from its first moment on.
"""

import contextlib
import os
import socket
from pathlib import Path
from typing import Final

#: Clients that wait to be accepted; one more gets EAGAIN, or waits itself.
_BACKLOG: Final = 64
_MODE: Final = 0o600


def listen_unix(
    path: str | Path, *, kind: int = socket.SOCK_STREAM, backlog: int = _BACKLOG
) -> socket.socket:
    """Return a socket that listens at `path`, whose directory is made when it is missing.

    Raises:
        OSError: It cannot listen; what listened there before still does.
    """
    os.makedirs(os.path.dirname(path) or ".", mode=0o755, exist_ok=True)
    draft = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    server = socket.socket(socket.AF_UNIX, kind)
    try:
        # Linux gives the name that bind makes the mode of the socket's own inode. A chmod of the
        # name would come too late, and a umask would hold for files of other threads as well.
        os.fchmod(server.fileno(), _MODE)
        server.bind(draft)
        server.listen(backlog)
        os.rename(draft, path)
    except OSError:
        server.close()
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    return server


def is_served(path: str | Path) -> bool:
    """Whether a process accepts connections at `path`; a name left by a killed one refuses.

    Raises:
        OSError: The answer is unknown (no permission, a full backlog).
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
