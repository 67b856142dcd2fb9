"""Reading files that other programs put where ours look.

A directory that others write to may hold a pipe or a device under any name: whoever opens a pipe
waits for its other end, and a device has no end.
"""

import errno
import os
import stat


def read_regular(path: str | os.PathLike[str], bytes_max: int) -> bytes:
    """Return the first `bytes_max` bytes of a regular file, without waiting for anything.

    Raises:
        OSError: It cannot be read; EINVAL: it is no regular file.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", os.fspath(path))
        return file.read(bytes_max)
