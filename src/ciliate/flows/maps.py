"""The maps of events; bpf/maps.h states the rest about them."""

from typing import Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.codec import U32, Octets
from ciliate.datapath.layout import EventCounts, EventSettings, FlowTrace

#: 0 -> what is told. Written by the agent.
EVENT_SETTINGS: Final = BpfMap("event_settings", key=U32, value=EventSettings)

#: 0 -> how many events there were, and how many found no room. Written by programs.
EVENT_COUNTS: Final = BpfMap("event_counts", key=U32, value=EventCounts)

#: 0 -> until when events are paid for, where they are limited: for programs alone.
EVENT_BUDGET: Final = BpfMap("event_budget", key=U32, value=Octets(8))

#: A place that the name of a flow says -> what was told of it. Written by programs.
FLOW_TRACES: Final = BpfMap("flow_traces", key=U32, value=FlowTrace)
