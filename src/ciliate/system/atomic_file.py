"""Replacing a file in one step: a reader finds the old content or the new, never a part.

The content goes into a draft beside the file, which then takes its name (rename(2)). A process
that is killed in between leaves at most the draft, and the next writer takes that away. One
writer at a time per file: two would share a draft.

The caller says whether the file must survive a crash of the machine: `durable` waits for the disk,
first for the content and then for the name (fsync(2)): some milliseconds, and nothing on a tmpfs.
What describes the running kernel (interfaces, namespaces, pods) is void after a crash and need not
wait.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

#: What a draft's name adds to its file's: no runtime or kubelet reads files that end so.
DRAFT_SUFFIX: Final = ".new"


def replace_file(path: str | Path, content: bytes, *, mode: int, durable: bool) -> None:
    """Make `content` the content of `path`, and `mode` its mode, whatever the umask.

    Raises:
        OSError: It could not be done; the file is as before, and no draft is left.
    """
    draft = f"{path}{DRAFT_SUFFIX}"
    descriptor = _open_anew(draft, mode)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            if durable:
                os.fsync(descriptor)
        os.rename(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    if durable:
        _sync_directory(os.path.dirname(path) or ".")


def _open_anew(draft: str, mode: int) -> int:
    """Open a draft that is ours alone: an old one may have wider permissions, or be a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(draft, flags, mode)
    except FileExistsError:
        os.unlink(draft)
        return os.open(draft, flags, mode)


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
