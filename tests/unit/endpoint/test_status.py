"""`endpoint/status.py`: the CNI configuration's lines of `dbg status`."""

from ciliate.api.agent_status import ComponentStatus, FeatureMode
from ciliate.endpoint.status import lines


def test_each_line_is_there_when_its_part_is() -> None:
    chaining = FeatureMode(mode="portmap")
    file = ComponentStatus(state="Ok", msg="successfully wrote CNI configuration file")

    assert list(lines(None, None)) == []
    assert list(lines(chaining, None)) == ["CNI Chaining:\tportmap"]
    assert list(lines(chaining, file)) == [
        "CNI Chaining:\tportmap",
        f"CNI Config file:\t{file.msg}",
    ]
