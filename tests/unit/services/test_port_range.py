"""Lists of ports as the kernel writes them, and whether they hold a range."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.services.port_range import PortRange, are_covered, read_ranges

PORTS = st.integers(0, 40)
RANGES = st.tuples(PORTS, PORTS).map(lambda pair: PortRange(min(pair), max(pair)))


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("", ()),
        ("\n", ()),
        ("8080", (PortRange(8080, 8080),)),
        ("8080,9000-9010\n", (PortRange(8080, 8080), PortRange(9000, 9010))),
    ],
)
def test_list_of_the_kernel_is_read(text: str, ranges: tuple[PortRange, ...]) -> None:
    assert read_ranges(text) == ranges


def test_range_is_written_as_the_kernel_writes_it() -> None:
    assert str(PortRange(30000, 32767)) == "30000-32767"
    assert str(PortRange(8080, 8080)) == "8080"


@given(RANGES, st.lists(RANGES, max_size=6))
def test_range_is_covered_when_each_of_its_ports_is_in_some_range(
    ports: PortRange, by: list[PortRange]
) -> None:
    each = all(
        any(one.first <= port <= one.last for one in by)
        for port in range(ports.first, ports.last + 1)
    )

    assert are_covered(ports, by) == each


@given(RANGES, RANGES)
def test_ranges_overlap_when_they_share_a_port(one: PortRange, other: PortRange) -> None:
    shared = set(range(one.first, one.last + 1)) & set(range(other.first, other.last + 1))

    assert one.overlaps(other) == bool(shared)
    if shared:
        assert one.overlap(other) == PortRange(min(shared), max(shared))
