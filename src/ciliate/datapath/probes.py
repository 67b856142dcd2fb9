"""What this kernel can do, found out by asking it for the thing itself, never by its version."""

import ctypes
import errno
import os
import struct
from ctypes import byref, c_size_t, c_uint32, c_void_p
from enum import Enum
from typing import Final

from ciliate.datapath import libbpf, test_run
from ciliate.datapath.errors import DatapathError

_LOOPBACK_IFINDEX: Final = 1  # In every network namespace.
_TCX_INGRESS: Final = 46
_SCHED_CLS: Final = 3
_CGROUP_SOCK_ADDR: Final = 18
_FIB_LOOKUP: Final = 69
_KTIME_GET_COARSE_NS: Final = 160
_LOOP: Final = 181
_SET_RETVAL: Final = 187
_NO_PREALLOC: Final = 1

#: Flag of bpf_fib_lookup: find the next hop without asking for its link-layer address (6.3).
FIB_SKIP_NEIGH: Final = 1 << 3

#: struct bpf_insn: opcode, registers (destination in the low half), offset, immediate.
_INSTRUCTION: Final = struct.Struct("=BBhi")


class Support(Enum):
    """A probe's answer; INCONCLUSIVE: something else failed, such as missing rights."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    INCONCLUSIVE = "inconclusive"


class _QueryOptions(ctypes.Structure):
    """struct bpf_prog_query_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("query_flags", c_uint32),
        ("attach_flags", c_uint32),
        ("prog_ids", c_void_p),
        ("prog_cnt", c_uint32),
        ("prog_attach_flags", c_void_p),
    )


def tcx() -> Support:
    """Whether programs can be attached to a device by TCX (6.6): query the loopback's programs."""
    options = _QueryOptions(sz=ctypes.sizeof(_QueryOptions))
    code = -libbpf.library().bpf_prog_query_opts(_LOOPBACK_IFINDEX, _TCX_INGRESS, byref(options))
    if code in {0, errno.ENOENT}:
        return Support.SUPPORTED
    return Support.UNSUPPORTED if code == errno.EINVAL else Support.INCONCLUSIVE


def _fib_program() -> bytes:
    """Return `return bpf_fib_lookup(skb, zeroes on the stack, 64, SKIP_NEIGH)`."""
    frame, two, three, four = 10, 2, 3, 4  # Registers; 1 holds the skb and is passed on.
    store_zero, copy, add, load, call, leave = 0x7A, 0xBF, 0x07, 0xB7, 0x85, 0x95
    code = [_INSTRUCTION.pack(store_zero, frame, -64 + at, 0) for at in range(0, 64, 8)]
    code += [
        _INSTRUCTION.pack(copy, two | frame << 4, 0, 0),
        _INSTRUCTION.pack(add, two, 0, -64),
        _INSTRUCTION.pack(load, three, 0, 64),
        _INSTRUCTION.pack(load, four, 0, FIB_SKIP_NEIGH),
        _INSTRUCTION.pack(call, 0, 0, _FIB_LOOKUP),
        _INSTRUCTION.pack(leave, 0, 0, 0),
    ]
    return b"".join(code)


def coarse_clock() -> Support:
    """Whether programs can call bpf_ktime_get_coarse_ns (5.11): have one verified that does."""
    call, leave = 0x85, 0x95
    code = [_INSTRUCTION.pack(call, 0, 0, _KTIME_GET_COARSE_NS), _INSTRUCTION.pack(leave, 0, 0, 0)]
    return _verified(b"".join(code))


def atomics() -> Support:
    """Whether programs can use atomic instructions that return what was there (5.12)."""
    frame, one, load, store, atomic, leave = 10, 1, 0xB7, 0x7B, 0xDB, 0x95
    add_and_fetch = 0x01
    code = [
        _INSTRUCTION.pack(load, one, 0, 0),
        _INSTRUCTION.pack(store, frame | one << 4, -8, 0),
        _INSTRUCTION.pack(atomic, frame | one << 4, -8, add_and_fetch),
        _INSTRUCTION.pack(load, 0, 0, 0),
        _INSTRUCTION.pack(leave, 0, 0, 0),
    ]
    return _verified(b"".join(code))


def loop() -> Support:
    """Whether programs can call bpf_loop (5.17)."""
    probe = libbpf.library().libbpf_probe_bpf_helper
    answer = probe(_SCHED_CLS, _LOOP, None)
    if answer < 0:
        return Support.INCONCLUSIVE
    return Support.SUPPORTED if answer else Support.UNSUPPORTED


def set_retval() -> Support:
    """Whether programs of sockets can call bpf_set_retval (5.18)."""
    probe = libbpf.library().libbpf_probe_bpf_helper
    answer = probe(_CGROUP_SOCK_ADDR, _SET_RETVAL, None)
    if answer < 0:
        return Support.INCONCLUSIVE
    return Support.SUPPORTED if answer else Support.UNSUPPORTED


def _verified(code: bytes) -> Support:
    """Whether the verifier takes a program."""
    fd = _load(code)
    if fd >= 0:
        os.close(fd)
        return Support.SUPPORTED
    return Support.UNSUPPORTED if -fd == errno.EINVAL else Support.INCONCLUSIVE


def _load(code: bytes) -> int:
    """Return a descriptor of a program, or the error's number, negative."""
    loaded: int = libbpf.library().bpf_prog_load(
        _SCHED_CLS, b"probe", b"GPL", code, len(code) // _INSTRUCTION.size, None
    )
    return loaded


def fib_skip_neigh() -> Support:
    """Whether bpf_fib_lookup knows SKIP_NEIGH: run a program that asks with this flag.

    The kernel judges the flags before the family, and family 0 exists nowhere: EINVAL means an
    unknown flag, EAFNOSUPPORT a known one.
    """
    fd = _load(_fib_program())
    if fd < 0:
        return Support.INCONCLUSIVE
    try:
        verdict = test_run.run(fd, bytes(64)).verdict
    except DatapathError:
        return Support.INCONCLUSIVE
    finally:
        os.close(fd)
    refusal = 2**32 - verdict
    if refusal == errno.EINVAL:
        return Support.UNSUPPORTED
    return Support.SUPPORTED if refusal == errno.EAFNOSUPPORT else Support.INCONCLUSIVE
