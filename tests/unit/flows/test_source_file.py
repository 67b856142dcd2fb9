"""`flows/source_file.py`: a number out of an event is the name of a file below bpf/."""

from pathlib import Path

import pytest

from ciliate.datapath.layout import SourceFile
from ciliate.flows.source_file import file_name

BPF = Path(__file__).parents[3] / "bpf"


@pytest.mark.parametrize(
    "number", [each for each in SourceFile if each], ids=lambda number: number.name
)
def test_each_number_names_a_file_that_there_is(number: SourceFile) -> None:
    assert [*BPF.rglob(file_name(number))] != []


def test_names_are_written_as_the_file_s() -> None:
    assert file_name(SourceFile.SOURCE_FROM_POD_BPF_C) == "from_pod.bpf.c"
    assert file_name(SourceFile.SOURCE_NEXT_HOP_H) == "next_hop.h"


def test_number_of_no_file_is_unknown() -> None:
    assert file_name(0) == "unknown"
    assert file_name(255) == "unknown"
