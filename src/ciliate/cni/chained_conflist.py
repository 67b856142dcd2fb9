"""Our entry in another network's configuration list (`cni-chaining-target`).

The list of the plugin that makes pods' interfaces is searched for beside ours, also where
`cni-exclusive` has put it aside, and written with our entry behind its plugins.
"""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ciliate.cni.call import CHAINED_MODE
from ciliate.cni.conflist import BACKUP_SUFFIX, CONFIG_SUFFIXES, PLUGIN_TYPE, plugin_entry
from ciliate.system.regular_file import read_regular

#: Names the first valid list.
ANY_NETWORK: Final = "*"
#: What stands for it in `dbg status` and the log, in Cilium's words.
NOT_FOUND: Final = "no matching CNI configurations found (will retry)"

#: Our plugin under both its names: an entry that a list has already is replaced.
_OUR_TYPES: Final = frozenset({PLUGIN_TYPE, "cilium-cni"})
_FILE_BYTES_MAX: Final = 1 << 20
#: What belongs to a list and not to its plugins.
_LIST_KEYS: Final = ("cniVersion", "name")


def render_chained(path: str, target: str, *, debug: bool, log_file: str) -> bytes | None:
    """Return the list of network `target` with our entry, out of the directory of `path`.

    None: there is no such network (yet). Files in use come before those put aside, each in the
    order of names; what cannot be read or is no configuration is passed over.
    """
    entry = {**plugin_entry(debug=debug, log_file=log_file), "chaining-mode": CHAINED_MODE}
    for document in _documents(path):
        found = as_list(document)
        if found is not None and target in (ANY_NETWORK, found["name"]):
            return json.dumps(inject(found, entry), indent=2).encode() + b"\n"
    return None


def as_list(document: object) -> dict[str, Any] | None:
    """Return a configuration as a list of plugins that are not ours alone, or None.

    A lone plugin's configuration becomes a list of one.
    """
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        return None
    if isinstance(document.get("type"), str) and "plugins" not in document:
        outer = {key: document[key] for key in _LIST_KEYS if key in document}
        inner = {key: value for key, value in document.items() if key not in _LIST_KEYS}
        found = {**outer, "plugins": [inner]}
    else:
        found = document
    if not _are_plugins(found.get("plugins")):
        return None
    others = [plugin for plugin in found["plugins"] if plugin["type"] not in _OUR_TYPES]
    return found if others else None


def inject(found: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the list with `entry` in place of ours, or behind all others."""
    plugins = list(found["plugins"])
    for place, plugin in enumerate(plugins):
        if plugin["type"] in _OUR_TYPES:
            plugins[place] = dict(entry)
            break
    else:
        plugins.append(dict(entry))
    return {**found, "plugins": plugins}


def _are_plugins(plugins: object) -> bool:
    return isinstance(plugins, list) and all(
        isinstance(each, dict) and isinstance(each.get("type"), str) for each in plugins
    )


def _documents(path: str) -> Iterator[object]:
    directory, own = os.path.split(path)
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    in_use = [name for name in names if name.endswith(CONFIG_SUFFIXES) and name != own]
    aside = [
        name
        for name in names
        if name.endswith(BACKUP_SUFFIX)
        and name.removesuffix(BACKUP_SUFFIX).endswith(CONFIG_SUFFIXES)
    ]
    for name in (*in_use, *aside):
        try:
            yield json.loads(read_regular(os.path.join(directory, name), _FILE_BYTES_MAX))
        except (OSError, ValueError, RecursionError):
            continue
