"""The kubectl on this machine: what it is too old for is skipped by name.

Debian 12's is of 2021 (1.20). It speaks exec over SPDY only, which the embedded API server does not
have; in a lab `ciliate lab exec` serves, as README.md says.
"""

import json
import re
import subprocess
from functools import cache
from typing import Final

import pytest

#: The first with exec over WebSocket (KEP-4006), and with `--subresource` and all columns.
_EXEC_MINOR: Final = 29
_MODERN_MINOR: Final = 25


@cache
def client_minor() -> int:
    """Return the N of kubectl's version 1.N."""
    command = ["kubectl", "version", "--client", "-o", "json"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(re.sub(r"\D", "", json.loads(printed)["clientVersion"]["minor"]))


def has_exec() -> bool:
    """Whether `kubectl exec` reaches the embedded API server."""
    return client_minor() >= _EXEC_MINOR


def _skip_below(minor: int) -> pytest.MarkDecorator:
    have = client_minor()
    return pytest.mark.skipif(have < minor, reason=f"kubectl 1.{have}: needs 1.{minor}")


needs_exec = _skip_below(_EXEC_MINOR)
needs_modern = _skip_below(_MODERN_MINOR)
