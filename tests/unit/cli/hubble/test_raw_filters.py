"""Filters as JSON, read and written."""

import pytest

from ciliate.cli.hubble.errors import FlagError
from ciliate.cli.hubble.flow_filters import Filters
from ciliate.cli.hubble.raw_filters import read_filters, render_filters
from ciliate.flows.pb.flow import flow_pb2


def test_filters_stand_behind_each_other_in_one_text_or_several() -> None:
    found = read_filters(
        "allowlist", ['{"uuid":["1"]} {"uuid":', '["2"]}\n', '{"verdict":["AUDIT"]}']
    )

    assert found == [
        flow_pb2.FlowFilter(uuid=["1"]),
        flow_pb2.FlowFilter(uuid=["2"]),
        flow_pb2.FlowFilter(verdict=[flow_pb2.AUDIT]),
    ]
    assert read_filters("allowlist", []) == []


@pytest.mark.parametrize(
    "text", ["nope", "[]", "1", '{"pod":["x"]}', '{"uuid":1}', '{"uuid":["1"]']
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(FlagError, match=r"--denylist: .* is no filter"):
        read_filters("denylist", [text])


def test_lists_are_written_as_an_exporter_reads_them() -> None:
    filters = Filters(
        allowed=(flow_pb2.FlowFilter(source_pod=["kube-system/"]),),
        denied=(flow_pb2.FlowFilter(http_path=["it's"]),),
    )

    assert render_filters(filters) == (
        'allowlist:\n    - \'{"source_pod":["kube-system/"]}\'\n'
        "denylist:\n    - '{\"http_path\":[\"it''s\"]}'\n"
    )
    assert render_filters(Filters()) == ""
