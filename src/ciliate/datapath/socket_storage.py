"""Reads what programs keep with sockets, in a map of kind SK_STORAGE.

bpf(2) tells such a value only to who holds the socket. sock_diag tells it of TCP alone: of other
protocols it leaves out its last attributes, this one among them. So the kernel's iterators of
sockets are asked, by a program that writes down each socket's cookie and value. They know the
network namespace of who asks.
"""

import os
import struct
from collections.abc import Iterator
from typing import Final

from ciliate.datapath import libbpf
from ciliate.datapath.errors import DatapathError, SocketStorageUnsupportedError, refused

_TRACING: Final = 26  # BPF_PROG_TYPE_TRACING
_TRACE_ITER: Final = 28
_TARGETS: Final = {6: b"tcp", 17: b"udp"}
_GET_SOCKET_COOKIE: Final = 46
_SK_STORAGE_GET: Final = 107
_SEQ_WRITE: Final = 127
_PSEUDO_MAP_FD: Final = 1

#: struct bpf_insn: opcode, registers (destination in the low half), offset, immediate.
_INSTRUCTION: Final = struct.Struct("=BBhi")
#: struct bpf_prog_load_opts up to attach_btf_id, with four in between that stay zero.
_LOAD_OPTIONS: Final = struct.Struct("@NII4II")
_COOKIE: Final = struct.Struct("=Q")
_READ_BYTES: Final = 1 << 16


class SocketStorage:
    """Reads one map, which stays its owner's."""

    def __init__(self, map_fd: int) -> None:
        self._map_fd = map_fd
        self._value_bytes = libbpf.map_info(map_fd).value_bytes

    def items(self, protocol: int) -> Iterator[tuple[int, bytes]]:
        """Yield cookie and value of every TCP or UDP socket of this namespace that has one. Blocking.

        Raises:
            SocketStorageUnsupportedError: The kernel has no such iterator.
            DatapathError: It failed.
        """
        program = self._loaded(protocol)
        try:
            link = _checked("bpf_link_create", program, 0, _TRACE_ITER, None)
            try:
                iterator = _checked("bpf_iter_create", link)
                try:
                    yield from self._read(iterator)
                finally:
                    os.close(iterator)
            finally:
                os.close(link)
        finally:
            os.close(program)

    def _loaded(self, protocol: int) -> int:
        code = _program(self._map_fd, self._value_bytes)
        count = len(code) // _INSTRUCTION.size
        try:
            target = _checked("libbpf_find_vmlinux_btf_id", _TARGETS[protocol], _TRACE_ITER)
            options = _LOAD_OPTIONS.pack(_LOAD_OPTIONS.size, 0, _TRACE_ITER, 0, 0, 0, 0, target)
            return _checked(
                "bpf_prog_load", _TRACING, b"list_sockets", b"GPL", code, count, options
            )
        except DatapathError as error:
            raise SocketStorageUnsupportedError(error) from error

    def _read(self, iterator: int) -> Iterator[tuple[int, bytes]]:
        """Yield entries; a read may end amid one."""
        entry_bytes, rest = _COOKIE.size + self._value_bytes, b""
        while octets := _octets(iterator):
            rest += octets
            whole = len(rest) - len(rest) % entry_bytes
            for at in range(0, whole, entry_bytes):
                (cookie,) = _COOKIE.unpack_from(rest, at)
                yield cookie, rest[at + _COOKIE.size : at + entry_bytes]
            rest = rest[whole:]


def _octets(iterator: int) -> bytes:
    while True:
        try:
            return os.read(iterator, _READ_BYTES)
        except BlockingIOError:  # It has passed a million sockets, and wants to be asked again.
            continue
        except OSError as error:
            code = error.errno or 0
            raise refused(function="read", subject="iterator of sockets", code=code) from error


def _checked(function: str, *arguments: object) -> int:
    """Return what a function of libbpf returned, a descriptor or a number of BTF."""
    found: int = getattr(libbpf.library(), function)(*arguments)
    if found < 0:
        raise refused(function=function, subject="iterator of sockets", code=-found)
    return found


def _program(map_fd: int, value_bytes: int) -> bytes:
    """Return what is run for each socket, and at the end without one.

    With ctx as {meta, sk, ...} and seq as ctx->meta->seq:

        value = ctx->sk ? bpf_sk_storage_get(map, ctx->sk, NULL, 0) : NULL;
        if (value) {
            cookie = bpf_get_socket_cookie(ctx->sk);
            bpf_seq_write(seq, &cookie, 8);
            bpf_seq_write(seq, value, value_bytes);
        }
        return 0;
    """
    one, two, three, four, context, sk, value, frame = 1, 2, 3, 4, 6, 7, 8, 10
    load, store, copy, add, set_to = 0x79, 0x7B, 0xBF, 0x07, 0xB7
    load_map, if_zero, call, leave = 0x18, 0x15, 0x85, 0x95
    steps = (
        (copy, context | one << 4, 0, 0),
        (load, sk | context << 4, 8, 0),
        (if_zero, sk, 22, 0),
        (load_map, one | _PSEUDO_MAP_FD << 4, 0, map_fd),
        (0, 0, 0, 0),  # Its second half.
        (copy, two | sk << 4, 0, 0),
        (set_to, three, 0, 0),
        (set_to, four, 0, 0),
        (call, 0, 0, _SK_STORAGE_GET),
        (if_zero, 0, 15, 0),
        (copy, value, 0, 0),
        (copy, one | sk << 4, 0, 0),
        (call, 0, 0, _GET_SOCKET_COOKIE),
        (store, frame, -8, 0),
        (load, one | context << 4, 0, 0),
        (load, one | one << 4, 0, 0),
        (copy, two | frame << 4, 0, 0),
        (add, two, 0, -8),
        (set_to, three, 0, _COOKIE.size),
        (call, 0, 0, _SEQ_WRITE),
        (load, one | context << 4, 0, 0),
        (load, one | one << 4, 0, 0),
        (copy, two | value << 4, 0, 0),
        (set_to, three, 0, value_bytes),
        (call, 0, 0, _SEQ_WRITE),
        (set_to, 0, 0, 0),
        (leave, 0, 0, 0),
    )
    return b"".join(_INSTRUCTION.pack(*step) for step in steps)
