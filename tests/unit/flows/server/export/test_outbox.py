"""`flows/server/export/outbox.py`: lines reach a sink once, in their order, whatever it does."""

import pytest
from tests.unit.flows.server.export.sinks import MemorySink

from ciliate.flows.server.export.outbox import Outbox


def test_lines_are_held_until_the_sink_has_them() -> None:
    sink = MemorySink()
    outbox = Outbox(sink)
    for number in range(5):
        outbox.add(b"%d\n" % number)
    assert outbox.held_bytes == 10

    outbox.drain()

    assert sink.octets == b"0\n1\n2\n3\n4\n"
    assert outbox.held_bytes == 0


def test_sink_that_takes_a_part_or_nothing_gets_the_rest_later() -> None:
    sink = MemorySink(lines_at_once=1, fails_after=2)
    outbox = Outbox(sink)
    for number in range(4):
        outbox.add(b"%d\n" % number)

    with pytest.raises(OSError, match="No space"):
        outbox.drain()
    outbox.add(b"4\n")
    assert (sink.octets, outbox.held_bytes) == (b"0\n1\n", 6)
    sink.fails_after = None
    outbox.end()

    assert sink.octets == b"0\n1\n2\n3\n4\n"
    assert sink.is_closed
