"""MurmurHash3, the variant of 128 bits for 64-bit machines (Austin Appleby, public domain). Pure.

Maglev tables are made with it, so it has to give what every other node computes.
"""

import struct
from typing import Final

_MASK: Final = (1 << 64) - 1
_C1: Final = 0x87C37B91114253D5
_C2: Final = 0x4CF5AD432745937F
_BLOCK: Final = struct.Struct("<QQ")


def hash128(octets: bytes, seed: int) -> tuple[int, int]:
    """Return the two halves of the hash, each of 64 bits."""
    h1 = h2 = seed
    whole = len(octets) // 16 * 16
    for k1, k2 in _BLOCK.iter_unpack(octets[:whole]):
        h1 ^= _mix_first(k1)
        h1 = (_rotate(h1, 27) + h2) * 5 + 0x52DCE729 & _MASK
        h2 ^= _mix_second(k2)
        h2 = (_rotate(h2, 31) + h1) * 5 + 0x38495AB5 & _MASK
    k1, k2 = _BLOCK.unpack(octets[whole:].ljust(16, b"\0"))
    h1 ^= _mix_first(k1)
    h2 ^= _mix_second(k2)
    h1 ^= len(octets)
    h2 ^= len(octets)
    h1 = h1 + h2 & _MASK
    h2 = h2 + h1 & _MASK
    h1, h2 = _finish(h1), _finish(h2)
    h1 = h1 + h2 & _MASK
    return h1, h2 + h1 & _MASK


def _mix_first(k1: int) -> int:
    return _rotate(k1 * _C1 & _MASK, 31) * _C2 & _MASK


def _mix_second(k2: int) -> int:
    return _rotate(k2 * _C2 & _MASK, 33) * _C1 & _MASK


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & _MASK


def _finish(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33
