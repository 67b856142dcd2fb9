"""Flows of an imagined cluster, and what a server says beside them."""

from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.timestamp_pb2 import Timestamp

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2

#: 2025-08-02 07:11:40 UTC.
SECONDS = 1754118700

CURL = {"identity": 13646, "namespace": "default", "pod_name": "curl-pod"}
WEB = {"identity": 54559, "namespace": "default", "pod_name": "webpod-697b545f57-cxr5t"}
WORLD = {"identity": 2}


def at(millis: int, *, nanos: int = 123456) -> Timestamp:
    """A moment of that second."""
    return Timestamp(seconds=SECONDS, nanos=millis * 1_000_000 + nanos)


def tcp(source: int, destination: int) -> dict[str, Any]:
    """Layer 4 of TCP."""
    return {"TCP": {"source_port": source, "destination_port": destination}}


def flow(millis: int, **fields: Any) -> observer_pb2.GetFlowsResponse:
    """A flow from curl-pod to the web pod, with other fields as JSON has them."""
    usual = {
        "IP": {"source": "10.244.1.5", "destination": "10.244.0.7", "ipVersion": "IPv4"},
        "source": CURL,
        "destination": WEB,
        "node_name": "k8s-w1",
        "verdict": "FORWARDED",
        "Summary": "TCP Flags: SYN",
        "event_type": {"type": 4},
    }
    found = ParseDict(usual | fields, flow_pb2.Flow())
    found.time.CopyFrom(at(millis))
    return observer_pb2.GetFlowsResponse(flow=found, node_name="k8s-w1", time=found.time)


def lost(millis: int, **fields: Any) -> observer_pb2.GetFlowsResponse:
    """A message about lost events."""
    event = ParseDict(fields, flow_pb2.LostEvent())
    return observer_pb2.GetFlowsResponse(lost_events=event, node_name="k8s-w1", time=at(millis))


def node_status(
    state: str, names: list[str], *, message: str = ""
) -> observer_pb2.GetFlowsResponse:
    """What a relay says of nodes."""
    value = {"node_status": {"state_change": state, "node_names": names, "message": message}}
    found = ParseDict(value, observer_pb2.GetFlowsResponse())
    found.node_name = "hubble-relay-x"
    found.time.CopyFrom(at(0))
    return found


SOCKET = flow(
    494,
    IP={"source": "10.244.1.5", "destination": "10.96.195.112", "ipVersion": "IPv4"},
    l4={"TCP": {"destination_port": 80}},
    destination=WORLD,
    event_type={"type": 7, "sub_type": 1},
    sock_xlate_point="SOCK_XLATE_POINT_PRE_DIRECTION_FWD",
    verdict="TRACED",
    Summary="TCP",
)
SYN = flow(496, l4=tcp(41394, 80), is_reply=False)
SYN_ACK = flow(
    497,
    IP={"source": "10.244.0.7", "destination": "10.244.1.5", "ipVersion": "IPv4"},
    source=WEB,
    destination=CURL,
    l4=tcp(80, 41394),
    is_reply=True,
    Summary="TCP Flags: SYN, ACK",
)
DROP = flow(
    510,
    l4=tcp(41400, 80),
    verdict="DROPPED",
    drop_reason=133,
    drop_reason_desc="POLICY_DENIED",
    event_type={"type": 1, "sub_type": 133},
    file={"name": "bpf_lxc.c", "line": 2127},
)
VERDICT = flow(
    511,
    l4=tcp(41402, 80),
    is_reply=False,
    event_type={"type": 5},
    policy_match_type=2,
    traffic_direction="INGRESS",
    ingress_allowed_by=[{"name": "allow-web", "namespace": "default", "kind": "NetworkPolicy"}],
)
