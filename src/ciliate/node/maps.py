"""The maps that say which pod is where on this node; bpf/maps.h states the rest about them."""

from typing import Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.codec import IP_ADDRESS, U32
from ciliate.datapath.layout import Endpoint, Interface

#: Ifindex of a pod's host side -> its endpoint. Written by the agent; from_pod, to_pod read it.
INTERFACES: Final = BpfMap("interfaces", key=U32, value=Interface)

#: Address -> local endpoint or the host itself. Written by the agent, read by all programs.
ENDPOINTS: Final = BpfMap("endpoints", key=IP_ADDRESS, value=Endpoint)
