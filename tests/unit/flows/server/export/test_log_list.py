"""`flows/server/export/log_list.py`: a wrong entry is refused by name, and the others are taken."""

import pytest

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.export.errors import LogListError
from ciliate.flows.server.export.flow_log import MIB, FlowLog, Keeping
from ciliate.flows.server.export.log_list import LogList, read_log_list

KEEPING = Keeping(size_bytes=10 * MIB, backups=5, compress=True)


def read(text: str, **taken: str) -> LogList:
    return read_log_list(
        text.encode(),
        keeping=KEEPING,
        place=lambda path: path.replace("/var/run/cilium", "/lab"),
        taken={path: holder for holder, path in taken.items()},
    )


def test_entry_is_read_with_everything_it_says() -> None:
    found = read(
        """
flowLogs:
- name: dropped
  filePath: /var/run/cilium/hubble/dropped.log
  fieldMask: [time, source.pod_name]
  includeFilters:
  - verdict: [DROPPED]
    source_pod: ["shop/"]
  - eventType: [{type: 1}]
  excludeFilters:
  - destination_port: ["53"]
  end: "2023-10-09T23:59:59.5-07:00"
  fileMaxSizeMb: 1
  fileMaxBackups: 0
  fileCompress: false
- {name: all, filePath: stdout, end: null, fieldMask: null}
"""
    )

    assert found.logs == {
        "dropped": FlowLog(
            name="dropped",
            path="/lab/hubble/dropped.log",
            fields=("time", "source.pod_name"),
            allowed=(
                flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED], source_pod=["shop/"]),
                flow_pb2.FlowFilter(event_type=[flow_pb2.EventTypeFilter(type=1)]),
            ),
            denied=(flow_pb2.FlowFilter(destination_port=["53"]),),
            end_ns=1_696_921_199_500_000_000,
            keeping=Keeping(size_bytes=MIB, backups=0, compress=False),
        ),
        "all": FlowLog(name="all", path="stdout", keeping=KEEPING),
    }
    assert found.refused == {}


@pytest.mark.parametrize(
    ("end", "seconds"),
    [
        ("2026-01-02T15:04:05Z", 1_767_366_245),
        ('"2026-01-02T15:04:05Z"', 1_767_366_245),
        ("2026-01-02T15:04:05+01:00", 1_767_362_645),
    ],
)
def test_end_is_the_same_whether_yaml_reads_it_or_not(end: str, seconds: int) -> None:
    found = read(f"flowLogs: [{{name: a, filePath: /a.log, end: {end}}}]")

    assert found.logs["a"].end_ns == seconds * 10**9


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("{}", "flow log 'b': filePath: is missing"),
        ("{filePath: b.log}", "filePath: 'b.log' is no absolute path"),
        ("{filePath: /var/run/../b.log}", "goes up by"),
        ("{filePath: /b/}", "names a folder"),
        ("{filePath: /b.log, includeFilter: []}", "includeFilter: is no field: there are name"),
        ("{filePath: /b.log, fieldMask: [pod]}", 'path "pod" is no field of flow.Flow'),
        ("{filePath: /b.log, fieldMask: time}", "fieldMask: is no list"),
        ("{filePath: /b.log, fieldMask: [1]}", "fieldMask: holds what is no text"),
        ("{filePath: /b.log, includeFilters: [{pod: [x]}]}", "includeFilters: .*pod"),
        ("{filePath: /b.log, includeFilters: [x]}", "includeFilters: holds what is no object"),
        ("{filePath: /b.log, excludeFilters: [{source_port: [x]}]}", "invalid source port filter"),
        ("{filePath: /b.log, end: tomorrow}", "end: 'tomorrow' is no time such as"),
        ("{filePath: /b.log, end: '2026-01-02T15:04:05'}", "says no time zone"),
        ("{filePath: /b.log, end: 5}", "end: 5 is no time"),
        ("{filePath: /b.log, fileMaxSizeMb: 0}", "fileMaxSizeMb: 0 is no number from 1 to"),
        ("{filePath: /b.log, fileMaxBackups: true}", "fileMaxBackups: True is no number"),
        ("{filePath: /b.log, fileCompress: 1}", "fileCompress: 1 is neither true nor false"),
        ("{filePath: /a.log}", "/a.log is written by flow log 'a'"),
        ("{filePath: /static.log}", "/static.log is written by static"),
    ],
)
def test_wrong_entry_is_refused_and_the_others_are_taken(fields: str, words: str) -> None:
    entry = "{name: b, " + fields[1:] if fields != "{}" else "{name: b}"

    found = read(
        f"flowLogs: [{{name: a, filePath: /a.log}}, {entry}, {{name: c, filePath: /c.log}}]",
        static="/static.log",
    )

    assert list(found.logs) == ["a", "c"]
    assert list(found.refused) == ["b"]
    with pytest.raises(type(found.refused["b"]), match=words):
        raise found.refused["b"]


def test_entry_without_a_name_or_with_that_of_another_is_refused_by_its_place() -> None:
    found = read(
        "flowLogs: [{name: a, filePath: /a.log}, {filePath: /b.log}, text,"
        " {name: a, filePath: /c.log}]"
    )

    assert [each.path for each in found.logs.values()] == ["/a.log"]
    assert {name: error.problem for name, error in found.refused.items()} == {
        "entry 2": "has no name",
        "entry 3": "has no name",
        "entry 4": "is another one of the name 'a'",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no list `flowLogs`"),
        ("[]", "holds no list `flowLogs`"),
        ("flowLogs: {}", "holds no list `flowLogs`"),
        ("flowLogs: [", "is no YAML"),
        ("\x01", "is no YAML"),
        (f"flowLogs: [{'a, ' * 65}]", "lists 65 flow logs, more than 64"),
        (f"#{' ' * (1 << 20)}", "has more than 1,048,576 octets"),
    ],
)
def test_text_that_is_no_list_is_an_error(text: str, words: str) -> None:
    with pytest.raises(LogListError, match=words):
        read(text)


def test_empty_list_is_a_list() -> None:
    assert read("flowLogs: []") == LogList()
