"""Importing many modules at once, when a lab starts: its time is mostly this.

Without what imports cost beside themselves. The collector goes through all that was made so far
again and again, and finds next to nothing: a tenth of the time. And aiohttp, when it is imported,
makes a TLS context with all of the system's certificate authorities: 50 ms and 2 MiB, for nobody,
since each of our clients trusts its cluster's authority alone.
"""

import gc
import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

#: Where OpenSSL reads certificate authorities from in place of its own file.
_AUTHORITIES_VARIABLE: Final = "SSL_CERT_FILE"


def import_all(modules: Sequence[str]) -> None:
    """Import `modules` by their names."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        with _without_authorities():
            for module in modules:
                importlib.import_module(module)
    finally:
        if collecting:
            gc.enable()


@contextmanager
def _without_authorities() -> Iterator[None]:
    """Have nobody read the system's certificate authorities inside the block."""
    before = os.environ.get(_AUTHORITIES_VARIABLE)
    os.environ[_AUTHORITIES_VARIABLE] = os.devnull
    try:
        yield
    finally:
        if before is None:
            del os.environ[_AUTHORITIES_VARIABLE]
        else:
            os.environ[_AUTHORITIES_VARIABLE] = before
