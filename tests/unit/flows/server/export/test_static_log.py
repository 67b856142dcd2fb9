"""`flows/server/export/static_log.py`: what settings name, and what is wrong with it by key."""

import pytest

from ciliate.errors import SettingError
from ciliate.flows.feed import FlowLogs
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.export.flow_log import MIB, FlowLog, Keeping
from ciliate.flows.server.export.static_log import static_log


def test_without_a_path_there_is_none() -> None:
    assert static_log(FlowLogs(allowlist="nope")) is None


def test_filters_stand_behind_each_other_with_commas_or_without() -> None:
    found = static_log(
        FlowLogs(
            path="/e.log",
            size_mb=2,
            allowlist='{"verdict":["DROPPED"]},{"source_pod":["shop/"]} {"uuid":["1"]}',
            denylist='{"destination_port":["53"]}',
            fieldmask=("time", "IP.source"),
        )
    )

    assert found == FlowLog(
        name="",
        path="/e.log",
        fields=("time", "IP.source"),
        allowed=[
            flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED]),
            flow_pb2.FlowFilter(source_pod=["shop/"]),
            flow_pb2.FlowFilter(uuid=["1"]),
        ],
        denied=[flow_pb2.FlowFilter(destination_port=["53"])],
        keeping=Keeping(size_bytes=2 * MIB),
    )


@pytest.mark.parametrize(
    ("key", "told", "words"),
    [
        ("hubble-export-allowlist", FlowLogs(path="/e", allowlist='{"pod":["a"]}'), "no filter"),
        ("hubble-export-allowlist", FlowLogs(path="/e", allowlist="{"), "is no JSON"),
        (
            "hubble-export-denylist",
            FlowLogs(path="/e", denylist='{"source_port":["x"]}'),
            "refused",
        ),
        ("hubble-export-fieldmask", FlowLogs(path="/e", fieldmask=("time", "pod")), '"pod" is no'),
    ],
)
def test_wrong_value_is_refused_naming_its_key(key: str, told: FlowLogs, words: str) -> None:
    with pytest.raises(SettingError, match=words) as refused:
        static_log(told)

    assert refused.value.key == key
    assert refused.value.remedy
