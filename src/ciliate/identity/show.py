"""What the map of identities holds, as `dbg bpf ipcache list` shows it.

Pure: the entries are an argument.
"""

from collections.abc import Iterable

from ciliate.datapath.layout import IpcacheEntry, PrefixKey
from ciliate.net.address import address_text, from_octets


def ipcache_rows(entries: Iterable[tuple[PrefixKey, IpcacheEntry]]) -> dict[str, list[str]]:
    """Return "<prefix>" -> identity and node, as `bpf ipcache list` prints and encodes it."""
    ordered = sorted(entries, key=lambda item: (item[0].address, item[0].prefix_length))
    return {_prefix(key): [_ipcache_text(entry)] for key, entry in ordered}


def _ipcache_text(entry: IpcacheEntry) -> str:
    node = address_text(entry.node) or "0.0.0.0"  # noqa: S104 - printed, never bound.
    return f"identity={entry.identity} encryptkey=0 tunnelendpoint={node} flags=<none>"


def _prefix(key: PrefixKey) -> str:
    """Return the prefix as text; the key counts 128 bits, and IPv4 is mapped into them."""
    ip = from_octets(key.address)
    # ::/0 is shorter than the mapping and means both families.
    length = key.prefix_length - 96 if ip.version == 4 else key.prefix_length
    return f"{ip}/{length}"
