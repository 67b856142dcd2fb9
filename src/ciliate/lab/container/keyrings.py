"""Keeping a container from the machine's keyrings: they know users, not namespaces.

The user 0 of a container is the machine's user 0 to keyctl(2), and no capability is asked for. So
the three calls answer EPERM, as in the default profile of container runtimes, by a seccomp filter
that lets everything else pass.
"""

import ctypes
import struct
from typing import Final

from ciliate.lab.errors import KernelCallError
from ciliate.lab.mounts import last_error

_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1  # SECCOMP_RET_ERRNO, EPERM

_INSTRUCTION: Final = struct.Struct("HBBI")
_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

#: struct seccomp_data: the call's number, then AUDIT_ARCH_* of its calling convention.
_NUMBER_OFFSET: Final = 0
_ARCHITECTURE_OFFSET: Final = 4

#: Without the bit by which x86-64 marks its calls of 32-bit pointers.
_NUMBER_BITS: Final = 0xBFFFFFFF

#: Calling convention -> add_key, request_key, keyctl (asm/unistd.h).
_CALLS: Final = {
    0xC000003E: (248, 249, 250),  # x86-64
    0x40000003: (286, 287, 288),  # i386
    0xC00000B7: (217, 218, 219),  # arm64
    0x40000028: (309, 310, 311),  # arm
    0xC00000F3: (217, 218, 219),  # riscv64
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_keyrings() -> None:
    """Have the calling process, and what it executes, answered EPERM by the three calls.

    Raises:
        KernelCallError: The kernel has no seccomp filters, or the caller not CAP_SYS_ADMIN.
    """
    code = b"".join(_INSTRUCTION.pack(*line) for line in _filter())
    program = _Program(len(code) // _INSTRUCTION.size, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise KernelCallError(action="refuse", target="keyrings", error=last_error())


def _filter() -> list[tuple[int, int, int, int]]:
    """The filter's instructions: code, jump if true, jump if false, constant."""
    lines = []
    for architecture, calls in _CALLS.items():
        lines += [
            (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
            (_JUMP_EQUAL, 0, len(calls) + 4, architecture),  # To the next architecture.
            (_LOAD, 0, 0, _NUMBER_OFFSET),
            (_AND, 0, 0, _NUMBER_BITS),
            *((_JUMP_EQUAL, len(calls) - place, 0, call) for place, call in enumerate(calls)),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _REFUSE),
        ]
    return [*lines, (_RETURN, 0, 0, _ALLOW)]
