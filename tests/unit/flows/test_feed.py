"""`flows/feed.py`: what the agent tells the flow server is read as it was told, an object a line."""

import msgspec
import pytest
from tests.unit.flows.server.sample_records import DB, WEB

from ciliate.config.hubble_metrics_settings import HubbleMetric
from ciliate.flows.feed import (
    Begin,
    FlowLogs,
    IdentityLabels,
    Line,
    ListenBegin,
    MetricsBegin,
    NodeAddresses,
    NodePeer,
    NodePeerGone,
    PodGone,
    PodName,
    ServiceNamed,
    ServicePlaces,
    TlsBegin,
    decode_line,
    encode_line,
    place_octets,
)

PLACE = place_octets(bytes(range(16)), 0x1234, 6)
BEGIN = Begin(
    node="k8s-w1",
    node_labels=("a=b",),
    cluster="default",
    version="1.19.4",
    listen="/run/h.sock",
    monitor="/run/m.sock",
    capacity=4095,
)


@pytest.mark.parametrize(
    "line",
    [
        BEGIN,
        WEB,
        DB,
        PodGone(key="endpoint 7", at_ns=5),
        IdentityLabels(number=1001, labels=("k8s:app=a\nb",)),
        ServiceNamed(
            since_ns=5,
            services=(ServicePlaces("shop", "web", (PLACE, PLACE)),),
            gone=(PLACE,),
        ),
        ServiceNamed(since_ns=5),
        NodeAddresses(node="k8s-w1", since_ns=5, addresses=(bytes(16),)),
        NodePeer(name="k8s-w1", address="192.0.2.1:4244", server_name="w1.example"),
        NodePeerGone(name="k8s-w1"),
    ],
    ids=lambda line: type(line).__name__,
)
def test_object_comes_back_out_of_its_line(line: Line) -> None:
    told = encode_line(line)

    assert told.endswith(b"\n")
    assert told.count(b"\n") == 1, "a reader of lines would take it for two"
    assert decode_line(told) == line


def test_place_is_an_address_a_port_as_on_the_wire_and_a_protocol() -> None:
    assert bytes(range(16)) + b"\x12\x34\x06" == PLACE


def test_metrics_come_back_out_of_their_line() -> None:
    metric = HubbleMetric("flow", {"sourceContext": ("pod", "ip")}, ("source_ip",), ("port",))
    metrics = MetricsBegin(address=":9965", open_metrics=True, metrics=(metric,))
    begin = msgspec.structs.replace(BEGIN, metrics=metrics)

    assert decode_line(encode_line(begin)) == begin


def test_flow_logs_come_back_out_of_their_line() -> None:
    logs = FlowLogs(path="/e.log", fieldmask=("time",), allowlist='{"uuid":["1"]}')

    found = decode_line(encode_line(msgspec.structs.replace(BEGIN, logs=logs)))

    assert isinstance(found, Begin)
    assert found.logs == logs


@pytest.mark.parametrize(
    "tls", [None, TlsBegin(certificate="/a", key="/b", client_authorities=("/c", "/d"))]
)
def test_listener_comes_back_out_of_its_line(tls: TlsBegin | None) -> None:
    listener = ListenBegin(address=":4244", tls=tls)

    found = decode_line(encode_line(msgspec.structs.replace(BEGIN, listener=listener)))

    assert isinstance(found, Begin)
    assert found.listener == listener


def test_what_is_usual_of_a_pod_is_not_told() -> None:
    assert b"workload" not in encode_line(DB)
    assert isinstance(decode_line(encode_line(DB)), PodName)


@pytest.mark.parametrize("text", [b"", b"\n", b"{}\n", b'{"type":"other"}\n', b'{"type":"gone"}'])
def test_what_is_none_of_these_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_line(text)
