"""`flows/feed.py`: what the agent tells the flow server is read as it was told, an object a line."""

import msgspec
import pytest
from tests.unit.flows.server.sample_records import DB, WEB

from ciliate.flows.feed import (
    Begin,
    IdentityLabels,
    Line,
    PodGone,
    PodName,
    decode_line,
    encode_line,
)

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
    ],
    ids=lambda line: type(line).__name__,
)
def test_object_comes_back_out_of_its_line(line: Line) -> None:
    told = encode_line(line)

    assert told.endswith(b"\n")
    assert told.count(b"\n") == 1, "a reader of lines would take it for two"
    assert decode_line(told) == line


def test_what_is_usual_of_a_pod_is_not_told() -> None:
    assert b"workload" not in encode_line(DB)
    assert isinstance(decode_line(encode_line(DB)), PodName)


@pytest.mark.parametrize("text", [b"", b"\n", b"{}\n", b'{"type":"other"}\n', b'{"type":"gone"}'])
def test_what_is_none_of_these_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_line(text)
