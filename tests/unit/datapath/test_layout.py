"""src/ciliate/datapath/layout.py, which is generated: sizes, byte order, what numpy sees."""

import re
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.datapath.all_maps import ALL
from tools import generate_layout

from ciliate.datapath import layout
from ciliate.datapath.codec import IP_ADDRESS, U32
from ciliate.datapath.layout import (
    DROP_TEXT,
    MAP_SHAPES,
    Connection,
    ConnectionRef,
    DropReason,
    Endpoint,
    FragmentKey,
    Tuple,
)

ROOT = Path(__file__).parents[3]

RECORDS = [
    each
    for name in layout.__all__
    if isinstance(each := getattr(layout, name), type) and hasattr(each, "FORMAT")
]


def values_of(record: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values of one generated class, field by field from its DTYPE."""
    widths = dict(record.DTYPE)
    fields: list[st.SearchStrategy[Any]] = []
    for name, kind in get_type_hints(record.__mro__[1]).items():
        size = int(widths[name].lstrip("V=>u"))
        if kind is bytes:
            fields.append(st.binary(min_size=size, max_size=size))
        else:
            fields.append(st.integers(0, (1 << 8 * size) - 1))
    return st.tuples(*fields).map(record._make)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
@given(data=st.data())
def test_values_survive_the_kernels_form(record: Any, data: st.DataObject) -> None:
    many = data.draw(st.lists(values_of(record), min_size=1, max_size=4))

    packed = b"".join(each.pack() for each in many)

    assert len(packed) == record.SIZE * len(many)
    assert record.unpack_many(packed) == many
    assert record.unpack(packed[: record.SIZE]) == many[0]
    assert hash(record.unpack(packed[: record.SIZE])) == hash(many[0])


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_numpy_reads_the_same_fields(record: Any) -> None:
    dtype = np.dtype(record.DTYPE)
    assert dtype.itemsize == record.SIZE

    value = record.unpack(bytes(at % 256 for at in range(record.SIZE)))
    seen = np.frombuffer(value.pack(), dtype=dtype)[0]
    for name in value._fields:
        expected = getattr(value, name)
        found = seen[name]
        assert (found.tobytes() if isinstance(expected, bytes) else int(found)) == expected


def test_wire_fields_are_in_network_order_and_padding_is_zero() -> None:
    flow = Tuple(bytes(16), bytes(16), 0x1234, 80, 6, 1)
    assert flow.pack()[32:] == bytes.fromhex("12340050 06 01 0000")
    assert FragmentKey(bytes(16), bytes(16), 0x01020304, 17).pack()[32:] == bytes.fromhex(
        "01020304 11 000000"
    )


def test_every_map_has_a_name_here_and_types_of_its_size() -> None:
    assert {which.name for which in ALL} == set(MAP_SHAPES)
    for which in ALL:
        assert which.shape[1:3] == (which.key.SIZE, which.value.SIZE)


REASONS = [each for each in DropReason if each is not DropReason.DROP_REASON_COUNT]


def test_every_reason_has_words_and_no_words_are_without_a_reason() -> None:
    assert set(DROP_TEXT) == set(REASONS)
    assert set(generate_layout.DROP_TEXT) == {each.name for each in REASONS}
    assert DROP_TEXT[132] == "Invalid source ip"


def test_every_reason_is_used_by_some_program() -> None:
    """A reason that no C file but the enum names is never counted."""
    sources = [*(ROOT / "bpf").glob("*.bpf.c"), *(ROOT / "bpf/lib").glob("*.h")]
    used = set(
        re.findall(r"\b(?:DROP_[A-Z0-9_]+|FORWARDED)\b", "".join(map(Path.read_text, sources)))
    )
    assert used == {each.name for each in REASONS}


def test_the_documents_table_of_drops_is_that_of_the_enum() -> None:
    section = (ROOT / "docs/DATAPATH.md").read_text().partition("\n## Drops\n")[2]
    rows = re.findall(r"^\| (\d+) \| (.+?) \| .+ \|$", section, re.MULTILINE)
    drops = {each: DROP_TEXT[each] for each in REASONS if each is not DropReason.FORWARDED}
    assert [(int(number), words) for number, words in rows] == list(drops.items())


def test_a_record_is_shown_with_its_fields() -> None:
    shown = repr(Endpoint(1, 2, 3, 0, bytes(6), bytes(6)))
    assert shown.startswith("Endpoint(ifindex=1, identity=2, endpoint_id=3, flags=0")
    assert ConnectionRef._fields == ("place", "state")
    assert "bytes" in Connection._fields


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_numbers_are_the_hosts(numbers: list[int]) -> None:
    packed = b"".join(U32.pack(number) for number in numbers)
    assert U32.unpack_many(packed) == numbers
    assert [U32.unpack(packed[at : at + 4]) for at in range(0, len(packed), 4)] == numbers


def test_an_address_of_another_length_is_a_bug() -> None:
    assert IP_ADDRESS.unpack_many(bytes(range(32))) == [bytes(range(16)), bytes(range(16, 32))]
    with pytest.raises(ValueError, match="16 octets are wanted, not 4"):
        IP_ADDRESS.pack(bytes(4))
