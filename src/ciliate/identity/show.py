"""What the map of identities holds, as `dbg bpf ipcache list` shows it.

Pure: the entries are an argument.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from ciliate.datapath.layout import IpcacheEntry, IpcacheFlag, PrefixKey
from ciliate.net.address import address_text, from_octets

_HOST_BITS: Final = 128


def ipcache_rows(entries: Iterable[tuple[PrefixKey, IpcacheEntry]]) -> dict[str, list[str]]:
    """Return "<prefix>" -> identity and node, as `bpf ipcache list` prints and encodes it."""
    ordered = sorted(entries, key=lambda item: (item[0].address, item[0].prefix_length))
    return {_prefix(key): [_ipcache_text(entry)] for key, entry in ordered}


def tunnel_rows(entries: Iterable[tuple[PrefixKey, IpcacheEntry]]) -> dict[str, list[str]]:
    """Return "<network>:0" -> the node where the tunnel to a pod CIDR ends, as `bpf tunnel list`."""
    ordered = sorted(entries, key=lambda item: (item[0].address, item[0].prefix_length))
    return {
        f"{from_octets(key.address)}:0": [f"{address_text(entry.node)}:0"]
        for key, entry in ordered
        if entry.flags & IpcacheFlag.IPCACHE_TUNNEL and key.prefix_length < _HOST_BITS
    }


def _ipcache_text(entry: IpcacheEntry) -> str:
    node = address_text(entry.node) or "0.0.0.0"  # noqa: S104 - printed, never bound.
    flags = ",".join(_flags(entry)) or "<none>"
    return f"identity={entry.identity} encryptkey=0 tunnelendpoint={node} flags={flags}"


def _flags(entry: IpcacheEntry) -> Iterator[str]:
    if entry.flags & IpcacheFlag.IPCACHE_TUNNEL:
        yield "hastunnel"
        if from_octets(entry.node).version == 6:
            yield "ipv6tunnel"


def _prefix(key: PrefixKey) -> str:
    """Return the prefix as text; the key counts 128 bits, and IPv4 is mapped into them."""
    ip = from_octets(key.address)
    # ::/0 is shorter than the mapping and means both families.
    length = key.prefix_length - 96 if ip.version == 4 else key.prefix_length
    return f"{ip}/{length}"
