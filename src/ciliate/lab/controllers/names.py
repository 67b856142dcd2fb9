"""Names and hashes in Kubernetes' own alphabet: no vowels, so that no words come out. Pure."""

import random
from typing import Any, Final

import msgspec

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_FNV_OFFSET: Final = 0x811C9DC5
_FNV_PRIME: Final = 0x01000193


def random_suffix(length: int = 5) -> str:
    """Return what generateName appends."""
    return "".join(random.choices(_ALPHABET, k=length))


def hash_of(value: Any) -> str:
    """Return a short hash of plain JSON, written as pod-template-hash is: 9 or 10 letters."""
    text = msgspec.json.encode(value, order="deterministic")
    state = _FNV_OFFSET
    for octet in text:
        state = ((state ^ octet) * _FNV_PRIME) & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(state))
