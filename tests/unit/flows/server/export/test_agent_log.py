"""`flows/server/export/agent_log.py`: lines in the agent's log, none within another."""

import os
import select

from ciliate.flows.server.export.agent_log import AgentLog


def test_lines_are_written_whole_and_as_many_as_a_pipe_takes_at_once() -> None:
    reading, writing = os.pipe()
    line = b"x" * 1500 + b"\n"

    count = AgentLog(writing).append(line * 10)

    assert count == 2 * len(line) < select.PIPE_BUF
    assert os.read(reading, 1 << 16) == line * 2


def test_line_longer_than_that_is_written_too() -> None:
    reading, writing = os.pipe()
    line = b"x" * 5000 + b"\n"

    assert AgentLog(writing).append(line + b"y\n") == len(line)
    assert os.read(reading, 1 << 16) == line
