"""The map of the tunnel; bpf/maps.h states the rest about it."""

from typing import Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.codec import U32
from ciliate.datapath.layout import TunnelDevice

#: 0 -> the tunnel's device. Written by the agent.
TUNNEL_DEVICES: Final = BpfMap("tunnel_devices", key=U32, value=TunnelDevice)
