"""Tables that every node computes alike, and that change little."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.services.service_objects import octets

from ciliate.services.maglev import TABLE_SIZES, Maglev, lookup_table
from ciliate.services.murmur3 import hash128

SEED = 0x24B7EF82
CELLS = 1021


def backend(number: int) -> bytes:
    return octets(f"10.0.{number >> 8}.{number & 255}") + (8080).to_bytes(2, "big") + b"\x06"


def owners(numbers: list[int], cells: int = CELLS) -> list[int]:
    """Return the backend, not the slot, of each cell."""
    return [numbers[slot - 1] for slot in lookup_table(list(map(backend, numbers)), cells, SEED)]


def by_permutations(numbers: list[int], cells: int) -> list[int]:
    """Fill a table as the paper writes it, by the permutation of every backend in full."""
    names = {f"[10.0.{n >> 8}.{n & 255}:8080/TCP,State:active]": n for n in numbers}
    order = sorted(names)
    ways = []
    for name in order:
        first, second = hash128(name.encode(), SEED)
        offset, skip = first % cells, second % (cells - 1) + 1
        ways.append([(offset + at * skip) % cells for at in range(cells)])
    table: list[int | None] = [None] * cells
    following = [0] * len(order)
    for turn in range(cells):
        each = turn % len(order)
        while table[ways[each][following[each]]] is not None:
            following[each] += 1
        table[ways[each][following[each]]] = names[order[each]]
    return [each for each in table if each is not None]


@given(st.lists(st.integers(1, 999), unique=True, min_size=1, max_size=12))
@settings(max_examples=30, deadline=None)
def test_the_table_is_that_of_the_paper(numbers: list[int]) -> None:
    assert owners(numbers, 251) == by_permutations(numbers, 251)


@given(st.lists(st.integers(1, 999), unique=True, min_size=1, max_size=12), st.randoms())
@settings(max_examples=30, deadline=None)
def test_slots_do_not_matter(numbers: list[int], random: st.DataObject) -> None:
    mixed = list(numbers)
    random.shuffle(mixed)  # type: ignore[attr-defined]

    assert owners(mixed, 251) == owners(numbers, 251)


@given(st.integers(2, 10), st.data())
@settings(max_examples=30, deadline=None)
def test_one_that_goes_moves_few_flows_of_others(count: int, data: st.DataObject) -> None:
    numbers = list(range(1, count + 1))
    gone = data.draw(st.sampled_from(numbers))
    before, after = owners(numbers), owners([each for each in numbers if each != gone])

    moved = sum(1 for one, other in zip(before, after, strict=True) if one not in (other, gone))
    assert moved <= CELLS // 20
    assert gone not in after


@pytest.mark.parametrize("cells", TABLE_SIZES[:4])
def test_all_have_the_same_share(cells: int) -> None:
    shares = Counter(owners(list(range(1, 8)), cells)).values()

    assert sum(shares) == cells
    assert max(shares) - min(shares) <= 1


def test_weights_are_shares() -> None:
    table = lookup_table([backend(1), backend(2), backend(3)], CELLS, SEED, [2, 1, 0])
    shares = Counter(table)

    assert shares[1] == pytest.approx(2 * shares[2], abs=3)
    assert 3 not in shares
    alike = lookup_table([backend(1), backend(2)], CELLS, SEED, [5, 5])
    assert alike == lookup_table([backend(1), backend(2)], CELLS, SEED)


def test_both_families_and_protocols_differ() -> None:
    v4, v6 = octets("10.0.0.1"), octets("fd00::1")
    keys = [
        address + b"\x1f\x90" + protocol for address in (v4, v6) for protocol in (b"\x06", b"\x11")
    ]

    assert len({tuple(lookup_table([key, backend(9)], 251, SEED)) for key in keys}) == 4


def test_without_backends_every_cell_is_empty() -> None:
    assert set(lookup_table([], 251, SEED)) == {0}


def test_the_seed_is_the_first_word_of_the_setting() -> None:
    settings_ = Maglev.seeded(251, bytes.fromhex("24b7ef82") + bytes(8))

    assert settings_ == Maglev(251, SEED)
    assert settings_.chunks == 1
    assert Maglev(16381).chunks == 64
    assert settings_.table([backend(1)]) == lookup_table([backend(1)], 251, SEED)
