from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.api.core import NODES, PODS, Container, Node
from ciliate.api.metadata import ObjectMeta
from ciliate.kube.errors import GoneError, UnavailableError
from ciliate.kube.watch import LINE_BYTES_MAX, EventDecoder, EventType, WatchEvent


def line(kind: str, name: str, version: int) -> bytes:
    node = {"metadata": {"name": name, "resourceVersion": str(version)}, "novelty": {"a": [1]}}
    return msgspec.json.encode({"type": kind, "object": node}) + b"\n"


@given(st.lists(st.integers(0, 400), max_size=8))
def test_events_are_the_same_however_the_stream_is_cut(cuts: list[int]) -> None:
    text = b"".join(line("ADDED", f"n{i}", i) for i in range(5))
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    decoder = EventDecoder(NODES)

    events: list[WatchEvent[Node]] = []
    for start, end in pairwise(places):
        events += decoder.feed(text[start:end])

    assert [event.object.metadata.name for event in events] == ["n0", "n1", "n2", "n3", "n4"]


def test_a_bookmark_carries_only_a_version() -> None:
    (event,) = EventDecoder(NODES).feed(
        b'{"type":"BOOKMARK","object":{"kind":"Node","metadata":{"resourceVersion":"7",'
        b'"creationTimestamp":null}}}\n'
    )

    assert event.type is EventType.BOOKMARK
    assert event.object.metadata == ObjectMeta(resource_version="7")


POD_BOOKMARK = (
    b'{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":'
    b'{"resourceVersion":"12","creationTimestamp":null},"spec":{"containers":null},"status":{}}}\n'
)


def test_a_bookmark_of_zero_values_keeps_the_version_and_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What kube-apiserver sends each minute for pods: lists are null."""
    (event,) = EventDecoder(PODS).feed(POD_BOOKMARK)

    assert event.type is EventType.BOOKMARK
    assert event.object.metadata == ObjectMeta(resource_version="12")
    assert not caplog.records


def test_a_bookmark_of_values_that_fit_nothing_keeps_the_version(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (event,) = EventDecoder(PODS).feed(POD_BOOKMARK.replace(b'"status":{}', b'"status":7'))

    assert (event.type, event.object.metadata.resource_version) == (EventType.BOOKMARK, "12")
    assert not caplog.records


def test_an_object_with_null_lists_is_read_and_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = (
        b'{"type":"ADDED","object":{"metadata":{"name":"a","labels":null,"finalizers":null},'
        b'"spec":{"nodeName":"w1","containers":[{"name":"c","ports":null}]}}}\n'
    )

    (event,) = EventDecoder(PODS).feed(text)

    assert event.type is EventType.ADDED
    assert event.object.spec.node_name == "w1"
    assert event.object.spec.containers == (Container("c"),)
    assert not caplog.records


def test_an_error_event_becomes_the_error_it_describes() -> None:
    text = (
        b'{"type":"ERROR","object":{"kind":"Status","status":"Failure","code":410,'
        b'"reason":"Expired","message":"too old resource version"}}\n'
    )

    with pytest.raises(GoneError, match="too old"):
        EventDecoder(NODES).feed(text)


def test_an_unreadable_object_is_left_out_and_the_rest_is_read() -> None:
    odd = (
        b'{"type":"MODIFIED","object":{"metadata":{"name":"odd","resourceVersion":"2"},'
        b'"spec":{"taints":5}}}\n'
    )

    events = EventDecoder(NODES).feed(line("ADDED", "a", 1) + odd + line("ADDED", "b", 3))

    assert [(event.type, event.object.metadata.name) for event in events] == [
        (EventType.ADDED, "a"),
        (EventType.UNREADABLE, "odd"),
        (EventType.ADDED, "b"),
    ]
    assert events[1].object.metadata.resource_version == "2", "the watch has come so far"


def test_the_deletion_of_an_unreadable_object_is_not_missed() -> None:
    odd = b'{"type":"DELETED","object":{"metadata":{"name":"odd"},"spec":{"taints":5}}}\n'

    (event,) = EventDecoder(NODES).feed(odd)

    assert (event.type, event.object.metadata.name) == (EventType.DELETED, "odd")


@pytest.mark.parametrize("text", [b"<html>\n", b'{"type":"LUNCH","object":{}}\n', b"[]\n"])
def test_what_is_no_watch_is_refused(text: bytes) -> None:
    with pytest.raises(UnavailableError, match="no watch of the Kubernetes API"):
        EventDecoder(NODES).feed(text)


def test_a_line_without_end_is_refused() -> None:
    decoder = EventDecoder(NODES)
    decoder.feed(b"x" * LINE_BYTES_MAX)

    with pytest.raises(UnavailableError, match="a line of more than"):
        decoder.feed(b"x")
