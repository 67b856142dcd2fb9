"""The network configuration list by which a kubelet takes the node for ready: 05-cilium.conflist.

It is there when the agent is ready, and only then.
Written in one step, and not at all when nothing changed: runtimes watch the directory.
"""

import contextlib
import json
import os
from typing import Any, Final

from ciliate.cni.version import CniVersion
from ciliate.errors import CiliateError
from ciliate.system.atomic_file import replace_file
from ciliate.system.regular_file import read_regular

PLUGIN_TYPE: Final = "ciliate-cni"
#: Cilium's own value: every runtime there is reads it, CNI 0.x ones too.
DECLARED_VERSION: Final = CniVersion("0.3.1")

CONFIG_SUFFIXES: Final = (".conf", ".conflist", ".json")
#: What `cni-exclusive` adds to the names of other configurations.
BACKUP_SUFFIX: Final = ".cilium_bak"
_MODE: Final = 0o644


class ConflistError(CiliateError):
    """The file, or its directory, could not be changed."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"CNI configuration {path}: {problem}: check mount and permissions")


def plugin_entry(*, debug: bool, log_file: str) -> dict[str, Any]:
    """Return our plugin's entry of a list."""
    entry: dict[str, Any] = {"type": PLUGIN_TYPE, "enable-debug": debug}
    if log_file:
        entry["log-file"] = log_file
    return entry


def render_conflist(
    *,
    version: CniVersion = DECLARED_VERSION,
    debug: bool = False,
    log_file: str = "",
    portmap: bool = False,
) -> bytes:
    """Return the list with our plugin; `version` is the CNI version runtimes will speak.

    `portmap`: the standard plugin of that name follows, for containers' host ports.
    """
    plugins = [plugin_entry(debug=debug, log_file=log_file)]
    if portmap:
        plugins.append({"type": "portmap", "capabilities": {"portMappings": True}})
    name = "portmap" if portmap else "cilium"
    document = {"cniVersion": version, "name": name, "plugins": plugins}
    return json.dumps(document, indent=2).encode() + b"\n"


def write_conflist(path: str, content: bytes, *, exclusive: bool) -> bool:
    """Put `content` at `path`; return whether anything changed.

    `exclusive` (cni-exclusive) renames every other configuration of the directory to
    `<name>.cilium_bak`, so that no runtime takes it instead.

    Raises:
        ConflistError: The directory is missing or not writable.
    """
    try:
        changed = _write(path, content)
        if exclusive:
            changed = bool(_set_aside(path)) or changed
    except OSError as error:
        raise ConflistError(path, error.strerror or str(error)) from error
    return changed


def is_exclusive_intact(path: str) -> bool:
    """Whether `path` is there and no other configuration beside it."""
    return os.path.exists(path) and not _others(path)


def remove_conflist(path: str) -> None:
    """Remove the file, for an agent that goes for good; an absent one is a success.

    Raises:
        ConflistError: It is there and stays.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    except OSError as error:
        raise ConflistError(path, error.strerror or str(error)) from error


def _write(path: str, content: bytes) -> bool:
    with contextlib.suppress(FileNotFoundError):
        if read_regular(path, len(content) + 1) == content:
            return False
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    # The directory outlives the machine's crashes, and a runtime reads the file before we start.
    replace_file(path, content, mode=_MODE, durable=True)
    return True


def _others(path: str) -> list[str]:
    directory, own = os.path.split(path)
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return [
        os.path.join(directory, name)
        for name in sorted(names)
        if name != own and name.endswith(CONFIG_SUFFIXES)
    ]


def _set_aside(path: str) -> list[str]:
    others = _others(path)
    for other in others:
        os.rename(other, other + BACKUP_SUFFIX)
    return others
