import pytest

from ciliate.config.map_sizes import connections_by_memory, connections_max

GIB = 1 << 30


@pytest.mark.parametrize(
    ("share", "memory_bytes", "connections"),
    [
        (0.0025, 4 * GIB, 65_536),  # As many as Cilium's smallest map of translations has.
        (0.0025, 8 * GIB, 65_536),
        (0.0025, 30 * GIB, 209_715),
        (0.0025, 120 * GIB, 838_860),
        (0.01, 30 * GIB, 838_860),
        (1.0, 120 * GIB, 1 << 24),  # What the kernel's maps hold.
        (0.0, 30 * GIB, 65_536),
        (0.0025, 0, 65_536),  # Nobody knows how much there is.
    ],
)
def test_connections_take_their_share_of_the_memory_within_bounds(
    share: float, memory_bytes: int, connections: int
) -> None:
    assert connections_by_memory(share, memory_bytes) == connections


def test_number_that_a_setting_names_stands_and_memory_decides_for_the_other() -> None:
    assert connections_max(nat_entries=0, tracked=0, by_memory=70_000) == 70_000
    assert connections_max(nat_entries=200_000, tracked=0, by_memory=70_000) == 100_000
    assert connections_max(nat_entries=8_192, tracked=0, by_memory=70_000) == 70_000
    assert connections_max(nat_entries=8_192, tracked=2_048, by_memory=70_000) == 4_096
