"""Numbers for sets of labels: every node computes the same candidates, so replicas share one.

A number is taken by creating the CiliumIdentity of that name, which only one node can. Because
the candidates follow from the labels, two nodes that meet the same labels at once try the same
number first: one creates it, the other finds it with its own labels inside.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final

#: Numbers a cluster gives out, both inclusive; below are the reserved ones.
IDENTITY_MIN: Final = 256
IDENTITY_MAX: Final = 65535

#: Candidates tried before giving up: with 60,000 numbers taken one in twelve is still free.
CANDIDATES_MAX: Final = 1024


def candidates(labels: Mapping[str, str]) -> Iterator[int]:
    """Yield the numbers to try for `labels`, the same on every node, at most CANDIDATES_MAX."""
    text = "\0".join(f"{key}={labels[key]}" for key in sorted(labels))
    span = IDENTITY_MAX - IDENTITY_MIN + 1
    for attempt in range(CANDIDATES_MAX):
        digest = sha256(f"{attempt}\0{text}".encode()).digest()
        yield IDENTITY_MIN + int.from_bytes(digest[:8], "big") % span
