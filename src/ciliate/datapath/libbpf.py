"""libbpf.so.1 through ctypes: prototypes, and nothing that decides.

Calls return 0 or a negative errno (libbpf 1.x never sets only `errno`); the functions here turn
that into a positive errno for the caller to judge. Enough of libbpf 1.1 is thin wrapping of bpf(2)
that attach types it has never heard of (TCX, kernel 6.6) pass through it unharmed; so there is no
system call number of any architecture in Ciliate.

ctypes releases the GIL for the length of each call: no other thread may use a buffer meanwhile.
"""

import ctypes
import os
import struct
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import Any, Final, NamedTuple

from ciliate.datapath.errors import DatapathError

_NAME: Final = "libbpf.so.1"

#: Flag of BPF_OBJ_GET: a descriptor that may only read.
OBJ_GET_READ_ONLY: Final = 1 << 3

_MAP_INFO: Final = struct.Struct("=6I")
_PROGRAM_INFO: Final = struct.Struct("=II8s")
#: struct bpf_link_info: type, id, program id, hole; then ifindex and attach type for TCX.
_LINK_INFO: Final = struct.Struct("=IIIIII")
#: The same of a link to a control group: its number takes eight octets.
_CGROUP_LINK_INFO: Final = struct.Struct("=IIIIQI")
_INFO_BYTES: Final = 256  # Longer than each of them; the kernel fills what it knows.

#: Prototypes: result, then arguments. Objects of libbpf are opaque pointers.
_PROTOTYPES: Final[dict[str, tuple[Any, ...]]] = {
    "bpf_map_lookup_elem": (c_int, c_int, c_char_p, c_void_p),
    "bpf_map_update_elem": (c_int, c_int, c_char_p, c_char_p, c_uint64),
    "bpf_map_delete_elem": (c_int, c_int, c_char_p),
    "bpf_map_get_next_key": (c_int, c_int, c_char_p, c_void_p),
    "bpf_map_lookup_batch": (
        *(c_int, c_int, c_void_p, c_void_p, c_void_p, c_void_p),
        *(POINTER(c_uint32), c_void_p),
    ),
    "bpf_map_update_batch": (c_int, c_int, c_char_p, c_char_p, POINTER(c_uint32), c_void_p),
    "bpf_map_delete_batch": (c_int, c_int, c_char_p, POINTER(c_uint32), c_void_p),
    "bpf_obj_get_opts": (c_int, c_char_p, c_void_p),
    "bpf_obj_pin": (c_int, c_int, c_char_p),
    "bpf_obj_get_info_by_fd": (c_int, c_int, c_void_p, POINTER(c_uint32)),
    "bpf_object__open_file": (c_void_p, c_char_p, c_void_p),
    "bpf_object__load": (c_int, c_void_p),
    "bpf_object__close": (None, c_void_p),
    "bpf_object__find_map_by_name": (c_void_p, c_void_p, c_char_p),
    "bpf_object__find_program_by_name": (c_void_p, c_void_p, c_char_p),
    "bpf_object__btf": (c_void_p, c_void_p),
    "btf__find_by_name_kind": (c_int, c_void_p, c_char_p, c_uint32),
    "btf__type_by_id": (c_void_p, c_void_p, c_uint32),
    "btf__name_by_offset": (c_char_p, c_void_p, c_uint32),
    "bpf_map__set_max_entries": (c_int, c_void_p, c_uint32),
    "bpf_map__reuse_fd": (c_int, c_void_p, c_int),
    "bpf_map__fd": (c_int, c_void_p),
    "bpf_map__initial_value": (c_void_p, c_void_p, POINTER(c_size_t)),
    "bpf_program__fd": (c_int, c_void_p),
    "bpf_link_create": (c_int, c_int, c_int, c_int, c_void_p),
    "bpf_iter_create": (c_int, c_int),
    "libbpf_find_vmlinux_btf_id": (c_int, c_char_p, c_int),
    "bpf_link_update": (c_int, c_int, c_int, c_void_p),
    "bpf_link_detach": (c_int, c_int),
    "bpf_tc_hook_create": (c_int, c_void_p),
    "bpf_tc_attach": (c_int, c_void_p, c_void_p),
    "bpf_tc_detach": (c_int, c_void_p, c_void_p),
    "bpf_tc_query": (c_int, c_void_p, c_void_p),
    "bpf_prog_query_opts": (c_int, c_int, c_int, c_void_p),
    "bpf_prog_load": (
        *(c_int, c_int, c_char_p, c_char_p, c_char_p),
        *(c_size_t, c_void_p),
    ),
    "bpf_prog_test_run_opts": (c_int, c_int, c_void_p),
    "libbpf_num_possible_cpus": (c_int,),
    "libbpf_probe_bpf_helper": (c_int, c_int, c_int, c_void_p),
    "libbpf_set_print": (c_void_p, c_void_p),
}


@cache
def library() -> Any:
    """Return libbpf with its prototypes set.

    Raises:
        DatapathError: The library is not installed, or older than 1.0.
    """
    try:
        loaded = ctypes.CDLL(_NAME)
        for name, (result, *arguments) in _PROTOTYPES.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise DatapathError(
            function="dlopen", subject=_NAME, code=0, hint=f"{error}: install libbpf1"
        ) from error
    loaded.libbpf_set_print(None)  # Silent, except while `loader.captured_log` listens.
    return loaded


@cache
def possible_cpus() -> int:
    """Return how many values each entry of a per-CPU map has."""
    count = int(library().libbpf_num_possible_cpus())
    if count < 1:
        raise DatapathError(function="libbpf_num_possible_cpus", subject=_NAME, code=-count)
    return count


class MapInfo(NamedTuple):
    """The head of struct bpf_map_info."""

    kind: int
    id: int
    key_bytes: int
    value_bytes: int
    capacity: int
    flags: int


class ProgramInfo(NamedTuple):
    """The head of struct bpf_prog_info."""

    kind: int
    id: int
    tag: bytes


class LinkInfo(NamedTuple):
    """The head of struct bpf_link_info with the part for TCX."""

    kind: int
    id: int
    program_id: int
    ifindex: int
    attach_type: int


def _info(fd: int) -> tuple[int, bytes]:
    buffer = ctypes.create_string_buffer(_INFO_BYTES)
    length = c_uint32(_INFO_BYTES)
    code = -int(library().bpf_obj_get_info_by_fd(fd, buffer, byref(length)))
    return code, buffer.raw


def map_info(fd: int) -> MapInfo:
    """Return what the kernel says about map `fd`."""
    code, octets = _info(fd)
    if code:
        raise DatapathError(function="bpf_map_get_info", subject=f"descriptor {fd}", code=code)
    return MapInfo._make(_MAP_INFO.unpack_from(octets))


def program_info(fd: int) -> ProgramInfo:
    """Return what the kernel says about program `fd`."""
    code, octets = _info(fd)
    if code:
        raise DatapathError(function="bpf_prog_get_info", subject=f"descriptor {fd}", code=code)
    return ProgramInfo._make(_PROGRAM_INFO.unpack_from(octets))


def link_info(fd: int) -> LinkInfo:
    """Return what the kernel says about link `fd`; ifindex 0: its device is gone."""
    code, octets = _info(fd)
    if code:
        raise DatapathError(function="bpf_link_get_info", subject=f"descriptor {fd}", code=code)
    kind, link, program, _hole, ifindex, attach_type = _LINK_INFO.unpack_from(octets)
    return LinkInfo(kind, link, program, ifindex, attach_type)


class CgroupLinkInfo(NamedTuple):
    """The head of struct bpf_link_info with the part for control groups."""

    program_id: int
    cgroup_id: int
    attach_type: int


def cgroup_link_info(fd: int) -> CgroupLinkInfo:
    """Return what the kernel says about link `fd` to a control group; number 0: it is gone."""
    code, octets = _info(fd)
    if code:
        raise DatapathError(function="bpf_link_get_info", subject=f"descriptor {fd}", code=code)
    _kind, _link, program, _hole, cgroup, attach_type = _CGROUP_LINK_INFO.unpack_from(octets)
    return CgroupLinkInfo(program, cgroup, attach_type)


def obj_get(path: str, *, flags: int = 0) -> int:
    """Return a descriptor of the object pinned at `path`, or a negative errno."""
    options = struct.pack("=QI4x", 16, flags)  # struct bpf_obj_get_opts
    return int(library().bpf_obj_get_opts(os.fsencode(path), options))


def obj_pin(fd: int, path: str) -> int:
    """Pin `fd` at `path`, which must be free; return 0 or a negative errno."""
    return int(library().bpf_obj_pin(fd, os.fsencode(path)))
