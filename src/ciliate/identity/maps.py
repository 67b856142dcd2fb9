"""The map of identities; bpf/maps.h states the rest about it."""

from typing import Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.layout import IpcacheEntry, PrefixKey

#: Prefix -> identity and node, cluster-wide. Written by the agent.
IPCACHE: Final = BpfMap("ipcache", key=PrefixKey, value=IpcacheEntry)
