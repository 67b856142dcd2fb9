import re
import subprocess
import sys

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from tools.flow_tables import ROOTS, UnknownTypeError, render_tables
from tools.generate_flow_api import ROOT, TABLES

from ciliate.flows.pb.batch import batch_pb2
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.relay import relay_pb2


def described() -> FileDescriptorSet:
    """Return the files of the flow API, and those that they import."""
    files, found = FileDescriptorSet(), set[str]()
    waiting = [each.DESCRIPTOR for each in (flow_pb2, observer_pb2, relay_pb2, batch_pb2)]
    while waiting:
        file = waiting.pop()
        if file.name not in found:
            found.add(file.name)
            file.CopyToProto(files.file.add())
            waiting += file.dependencies
    return files


def test_the_page_has_the_tables_of_the_api_as_it_is() -> None:
    assert TABLES.read_text() == render_tables(described())


def test_only_what_the_page_asks_for_is_in_a_table() -> None:
    text = render_tables(described(), ["observer.GetNodesResponse"])

    named = re.findall(r'^  "([\w.]+)": \{$', text, re.MULTILINE)
    assert named == [
        "observer.GetNodesResponse",
        "observer.Node",
        "observer.TLS",
        "relay.NodeState",
    ]


def test_a_field_has_its_number_name_and_type() -> None:
    text = render_tables(described())

    assert '    6: ["workloads", "flow.Workload", true],' in text
    assert '    150000: ["extensions", "google.protobuf.Any"],' in text
    assert '    101: "TO_ENDPOINT",' in text


def test_a_type_that_the_page_cannot_read_is_told_with_its_field() -> None:
    files = FileDescriptorSet()
    file = files.file.add(name="odd.proto", package="odd")
    message = file.message_type.add(name="Message")
    message.field.add(name="angle", number=1, type="TYPE_FLOAT", label="LABEL_OPTIONAL")

    with pytest.raises(UnknownTypeError, match=r"odd\.Message\.angle is TYPE_FLOAT"):
        render_tables(files, ["odd.Message"])


def test_the_roots_are_messages_of_the_api() -> None:
    names = {
        f"{file.package}.{each.name}" for file in described().file for each in file.message_type
    }

    assert set(ROOTS) <= names


def test_the_generator_says_that_nothing_is_stale() -> None:
    command = [sys.executable, "-m", "tools.generate_flow_api", "--check"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
