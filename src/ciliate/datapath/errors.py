"""What can go wrong between the agent and the kernel's BPF subsystem.

Everything that libbpf or bpf(2) reports as a negative errno leaves this package as one of these,
so that no caller handles an errno.
"""

import errno
import os
from pathlib import Path

from ciliate.errors import CiliateError


class DatapathError(CiliateError):
    """A call to libbpf or the kernel failed: `function` on `subject` with `code`, an errno."""

    def __init__(self, *, function: str, subject: str, code: int, hint: str = "") -> None:
        self.function = function
        self.subject = subject
        self.code = code
        reason = os.strerror(code) if code else "failed"
        super().__init__(f"{subject}: {function}: {reason}{f': {hint}' if hint else ''}")


class AccessDeniedError(DatapathError):
    """The process may not use BPF: it needs root, or CAP_BPF and CAP_NET_ADMIN."""

    def __init__(self, *, function: str, subject: str, code: int = errno.EPERM) -> None:
        super().__init__(
            function=function,
            subject=subject,
            code=code,
            hint="run as root (CAP_BPF and CAP_NET_ADMIN are needed)",
        )


class SocketStorageUnsupportedError(DatapathError):
    """The kernel does not tell what programs keep with sockets."""

    def __init__(self, refusal: DatapathError) -> None:
        super().__init__(
            function=refusal.function,
            subject=refusal.subject,
            code=refusal.code,
            hint="needs Linux 5.12 with CONFIG_DEBUG_INFO_BTF",
        )


class MapMissingError(DatapathError):
    """No map is pinned at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            function="bpf_obj_get",
            subject=str(path),
            code=errno.ENOENT,
            hint="is the agent running on this node, and is this its bpf root?",
        )


class MapFullError(DatapathError):
    """A map holds as many entries as it may: `capacity`."""

    def __init__(self, *, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        super().__init__(
            function="bpf_map_update_elem",
            subject=f"map {name}",
            code=errno.E2BIG,
            hint=f"all {capacity} entries are in use: raise the map's size by its key, if it has one",
        )


class MapMismatchError(DatapathError):
    """A map is not what this version of Ciliate knows: other kind or sizes."""

    def __init__(self, *, name: str, found: str, expected: str) -> None:
        self.name = name
        self.found = found
        self.expected = expected
        super().__init__(
            function="bpf_map_get_info",
            subject=f"map {name}",
            code=errno.EINVAL,
            hint=f"found {found}, this version expects {expected}: restart the agent to replace it",
        )


class LoadError(DatapathError):
    """The kernel or libbpf refused an object file; `log` holds what they said last."""

    def __init__(self, *, function: str, path: Path, code: int, log: str) -> None:
        self.path = path
        self.log = log
        super().__init__(function=function, subject=str(path), code=code, hint=log)


class AttachError(DatapathError):
    """A program could not be attached to, or detached from, a device."""


def refused(*, function: str, subject: str, code: int) -> DatapathError:
    """Return the error for a refusal that has no more specific class; `code` is an errno."""
    if code in {errno.EPERM, errno.EACCES}:
        return AccessDeniedError(function=function, subject=subject, code=code)
    return DatapathError(function=function, subject=subject, code=code)
