"""The kubectl on this machine: what it is too old for is skipped by name. Debian 12's is of 2021 (1.20)."""

import json
import re
import subprocess
from functools import cache
from typing import Final

import pytest

#: The first that speaks WebSocket without being told to (KEP-4006); before, it is SPDY.
WEBSOCKET_MINOR: Final = 31
#: The first with `--subresource` and all columns.
_MODERN_MINOR: Final = 25


@cache
def client_minor() -> int:
    """Return the N of kubectl's version 1.N."""
    command = ["kubectl", "version", "--client", "-o", "json"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(re.sub(r"\D", "", json.loads(printed)["clientVersion"]["minor"]))


def _skip_below(minor: int) -> pytest.MarkDecorator:
    have = client_minor()
    return pytest.mark.skipif(have < minor, reason=f"kubectl 1.{have}: needs 1.{minor}")


needs_websocket = _skip_below(WEBSOCKET_MINOR)
needs_modern = _skip_below(_MODERN_MINOR)
