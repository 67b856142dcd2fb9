"""The maps by which programs answer for announced addresses; bpf/maps.h states the rest."""

from typing import Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.codec import U32, Octets
from ciliate.datapath.layout import L2Responder, L2ResponderKey

#: Address and device -> whose MAC is answered, and how often it was.
L2_RESPONDERS: Final = BpfMap("l2_responders", key=L2ResponderKey, value=L2Responder)

#: 0 -> until when (CLOCK_MONOTONIC, nanoseconds).
L2_ALIVE: Final = BpfMap("l2_alive", key=U32, value=Octets(8))
