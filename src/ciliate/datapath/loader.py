"""From an object file to a program in the kernel: settings in, maps shared, verifier passed.

All objects name the same maps. A map that is already there (pinned by an earlier agent, or made by
the object before) is given to the next object in place of its own; so each exists once.

This module decides nothing about pins or reuse: that is `programs.py`.
"""

import ctypes
import errno
import os
import struct
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ctypes import byref, c_char_p, c_int, c_size_t, c_void_p
from pathlib import Path
from typing import Any, Final

from ciliate.datapath import libbpf
from ciliate.datapath.errors import AccessDeniedError, DatapathError, LoadError

#: How many of libbpf's lines an error shows: the verifier says what is wrong at its end.
_LOG_LINES: Final = 25

#: Documentation/bpf/btf.rst of the kernel: struct btf_type (name, info with the number of members
#: in its low half, size), and behind that of a data section struct btf_var_secinfo for each
#: variable.
_BTF_TYPE: Final = struct.Struct("=III")
_BTF_VARIABLE: Final = struct.Struct("=III")
_BTF_KIND_DATASEC: Final = 15

_PRINT: Final = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)
_print_lock: Final = threading.Lock()  # libbpf has one print function for the whole process.


@contextmanager
def captured_log() -> Iterator[deque[str]]:
    """Collect what libbpf prints, the verifier's log included; yields the last lines."""
    lines: deque[str] = deque(maxlen=_LOG_LINES)
    libc = ctypes.CDLL(None)

    def keep(_level: int, form: bytes, arguments: int) -> int:
        text = c_char_p()
        if libc.vasprintf(byref(text), form, c_void_p(arguments)) >= 0:
            lines.extend((text.value or b"").decode(errors="replace").splitlines())
            libc.free(text)
        return 0

    callback = _PRINT(keep)
    with _print_lock:
        library = libbpf.library()
        library.libbpf_set_print(ctypes.cast(callback, c_void_p))
        try:
            yield lines
        finally:
            library.libbpf_set_print(None)


class ObjectFile:
    """A compiled object, opened by libbpf and not yet in the kernel."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self._library: Any = libbpf.library()

    def set_constants(self, constants: Mapping[str, bytes]) -> None:
        """Fill in the `const volatile` variables that this object has.

        A variable the object does not use is not in it: that is no error, since one set of
        settings serves all programs.

        Raises:
            DatapathError: A variable has another size than its value.
        """
        size = c_size_t()
        section = self._library.bpf_object__find_map_by_name(self._handle, b".rodata")
        if not section:
            return
        at = self._library.bpf_map__initial_value(section, byref(size))
        for name, offset, found in self._variables(b".rodata"):
            octets = constants.get(name)
            if octets is None:
                continue
            if found != len(octets) or offset + found > size.value:
                raise DatapathError(
                    function="set_constants",
                    subject=f"{self.path}: variable {name}",
                    code=errno.EINVAL,
                    hint=f"it has {found} bytes, its setting {len(octets)}: run `make bpf`",
                )
            ctypes.memmove(at + offset, octets, found)

    def _variables(self, section: bytes) -> Iterator[tuple[str, int, int]]:
        """Yield name, offset and size of each variable of a data section, as BTF has them."""
        btf = self._library.bpf_object__btf(self._handle)
        number = self._library.btf__find_by_name_kind(btf, section, _BTF_KIND_DATASEC)
        if number < 0:
            return
        at = self._library.btf__type_by_id(btf, number)
        _, info, _ = _BTF_TYPE.unpack(ctypes.string_at(at, _BTF_TYPE.size))
        count = info & 0xFFFF
        octets = ctypes.string_at(at + _BTF_TYPE.size, count * _BTF_VARIABLE.size)
        for type_id, offset, size in _BTF_VARIABLE.iter_unpack(octets):
            variable = self._library.btf__type_by_id(btf, type_id)
            name_at, _, _ = _BTF_TYPE.unpack(ctypes.string_at(variable, _BTF_TYPE.size))
            yield self._library.btf__name_by_offset(btf, name_at).decode(), offset, size

    def has_map(self, name: str) -> bool:
        """Whether this object declares map `name`."""
        return bool(self._map(name))

    def set_capacity(self, name: str, capacity: int) -> None:
        """Let map `name` be made with room for `capacity` entries."""
        self._check(
            self._library.bpf_map__set_max_entries(self._map(name), capacity),
            "bpf_map__set_max_entries",
        )

    def share_map(self, name: str, fd: int) -> None:
        """Use the map behind `fd` as `name` instead of making one."""
        self._check(self._library.bpf_map__reuse_fd(self._map(name), fd), "bpf_map__reuse_fd")

    def load(self) -> None:
        """Make the maps that are not shared, and have the program verified.

        Raises:
            LoadError: The verifier or the kernel refused.
            AccessDeniedError: The process may not load programs.
        """
        with captured_log() as log:
            code = -self._library.bpf_object__load(self._handle)
        if code == errno.EPERM:
            raise AccessDeniedError(function="bpf_object__load", subject=str(self.path))
        if code:
            raise LoadError(
                function="bpf_object__load", path=self.path, code=code, log="\n".join(log)
            )

    def program_fd(self, name: str) -> int:
        """Return a descriptor, the caller's own, of loaded program `name`."""
        program = self._library.bpf_object__find_program_by_name(self._handle, name.encode())
        if not program:
            raise DatapathError(
                function="bpf_object__find_program_by_name",
                subject=f"{self.path}: program {name}",
                code=errno.ENOENT,
            )
        return os.dup(self._library.bpf_program__fd(program))

    def map_fd(self, name: str) -> int:
        """Return a descriptor, the caller's own, of map `name` after loading."""
        return os.dup(self._library.bpf_map__fd(self._map(name)))

    def _map(self, name: str) -> int | None:
        found: int | None = self._library.bpf_object__find_map_by_name(self._handle, name.encode())
        return found

    def _check(self, result: int, function: str) -> None:
        if result:
            raise DatapathError(function=function, subject=str(self.path), code=-result)


@contextmanager
def open_object(path: Path) -> Iterator[ObjectFile]:
    """Open an object file; what was loaded from it outlives the block by its descriptors.

    Raises:
        LoadError: It is missing or libbpf cannot make sense of it.
    """
    library = libbpf.library()
    if not path.exists():
        raise LoadError(function="open", path=path, code=errno.ENOENT, log="run `make bpf`")
    with captured_log() as log:
        handle = library.bpf_object__open_file(os.fsencode(path), None)
    if not handle:
        raise LoadError(
            function="bpf_object__open_file", path=path, code=errno.ENOEXEC, log="\n".join(log)
        )
    try:
        yield ObjectFile(path, handle)
    finally:
        library.bpf_object__close(handle)
