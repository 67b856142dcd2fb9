"""Memory that was needed for a moment goes back to the system.

A start reads what the cluster and the kernel hold as a whole; the C library keeps what is freed
behind that, in pieces between what stays, for who may want as much again.
"""

import ctypes


def give_back() -> None:
    """Have the C library return what it has free (malloc_trim(3)); one that cannot, need not."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
