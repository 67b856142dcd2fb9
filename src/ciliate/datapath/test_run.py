"""Run a loaded program on one packet without a device (BPF_PROG_TEST_RUN).

Probes ask the kernel questions this way, and the packet tests of tests/datapath are made of it.
A redirect is only a verdict here: nothing is sent.
"""

import ctypes
from ctypes import c_int, c_size_t, c_uint32, c_void_p
from typing import Final, NamedTuple

from ciliate.datapath import libbpf
from ciliate.datapath.errors import refused

#: What a program may add in front of a packet or behind it.
_ROOM_BYTES: Final = 512


class _Options(ctypes.Structure):
    """struct bpf_test_run_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("data_in", c_void_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    )


class SkBuff(ctypes.Structure):
    """struct __sk_buff, of which the kernel takes mark, priority, cb, ifindex and GSO sizes."""

    _fields_ = (
        ("len", c_uint32),
        ("pkt_type", c_uint32),
        ("mark", c_uint32),
        ("queue_mapping", c_uint32),
        ("protocol", c_uint32),
        ("vlan_present", c_uint32),
        ("vlan_tci", c_uint32),
        ("vlan_proto", c_uint32),
        ("priority", c_uint32),
        ("ingress_ifindex", c_uint32),
        ("ifindex", c_uint32),
    )


class Run(NamedTuple):
    """What a program answered, and the packet as it left it."""

    verdict: int
    packet: bytes
    duration_ns: int


#: Let the packet be one that a device has summed up; a program that leaves another sum than the
#: packet has makes the run fail with EBADMSG (Linux 6.17).
_CHECKSUM_COMPLETE: Final = 1 << 2


def run(
    program_fd: int,
    packet: bytes,
    *,
    ifindex: int = 0,
    repeat: int = 1,
    checksum_complete: bool = False,
) -> Run:
    """Run a program on `packet`, which begins with its Ethernet header.

    Args:
        program_fd: A loaded program for tc.
        packet: At least 14 bytes.
        ifindex: The device of the calling thread's network namespace that the packet seems to
            be at; 0 is the loopback.
        repeat: How often; the packet is not restored in between.
        checksum_complete: Whether a device has summed up the packet (CHECKSUM_COMPLETE).

    Raises:
        DatapathError: The kernel does not take such a packet, or knows no such device; or the
            program left another sum than the packet has.
    """
    source = ctypes.create_string_buffer(packet, len(packet))
    target = ctypes.create_string_buffer(len(packet) + _ROOM_BYTES)
    context = SkBuff(ifindex=ifindex)
    options = _Options(
        sz=ctypes.sizeof(_Options),
        data_in=ctypes.addressof(source),
        data_out=ctypes.addressof(target),
        data_size_in=len(packet),
        data_size_out=len(target),
        ctx_in=ctypes.addressof(context),
        ctx_size_in=ctypes.sizeof(context),
        repeat=repeat,
        flags=_CHECKSUM_COMPLETE if checksum_complete else 0,
    )
    code = -libbpf.library().bpf_prog_test_run_opts(program_fd, ctypes.byref(options))
    if code:
        raise refused(
            function="bpf_prog_test_run",
            subject=f"packet of {len(packet)} bytes at ifindex {ifindex}",
            code=code,
        )
    return Run(options.retval, target.raw[: options.data_size_out], options.duration)
