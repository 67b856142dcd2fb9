"""How a runtime called our plugin; other plugins are called with the same on its behalf. Pure.

A delegated IPAM plugin gets our own environment and stdin (CNI 1.1.0, section 4, "Delegated
plugins"); a chained entry names the plugin before it there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ciliate.cni.errors import CniCode, CniError

#: A plugin's type is the name of a file in one of CNI_PATH's directories, and no path.
_PLUGIN_TYPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}")

CHAINED_MODE: Final = "generic-veth"
#: Modes in which our plugin is the first, or the only one.
_UNCHAINED_MODES: Final = frozenset({"", "none", "portmap"})


@dataclass(frozen=True, slots=True)
class Call:
    """Environment (CNI_* alone) and stdin of one call. Never logged: stdin may hold secrets."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    stdin: bytes = field(default=b"", repr=False)
    ipam_type: str = ""  # The plugin that `ipam` names; empty: none.


def ipam_type(config: Mapping[str, Any]) -> str:
    """Return the plugin that the configuration's `ipam` names, or an empty text.

    Raises:
        CniError: It is no plain file name: a path could lead to any program.
    """
    ipam = config.get("ipam")
    if ipam is None:
        return ""
    kind = ipam.get("type", "") if isinstance(ipam, dict) else None
    if kind == "":
        return ""
    if not isinstance(kind, str) or not _PLUGIN_TYPE.fullmatch(kind):
        raise CniError(CniCode.INVALID_CONFIG, "ipam.type is not the name of a plugin")
    return kind


def is_chained(config: Mapping[str, Any], mode: str) -> bool:
    """Whether our entry follows the plugin that makes the interface.

    The list's own `chaining-mode` wins over `mode`, the agent's setting.

    Raises:
        CniError: The list asks for a mode that we do not have.
    """
    asked = config.get("chaining-mode", mode)
    if asked == CHAINED_MODE:
        return True
    if isinstance(asked, str) and asked in _UNCHAINED_MODES:
        return False
    shown = asked if isinstance(asked, str) and asked.isprintable() else "?"
    raise CniError(
        CniCode.INVALID_CONFIG,
        f"invalid chaining-mode {shown[:40]}",
        f"supported: {CHAINED_MODE}, portmap, none",
    )
