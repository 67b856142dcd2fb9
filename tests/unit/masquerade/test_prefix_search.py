"""The search by halves of lengths finds the longest prefix, with the markers it is given."""

from hypothesis import given
from hypothesis import strategies as st

from ciliate.datapath.layout import MasqueradeBound
from ciliate.masquerade.compile import CLASS_ALL, Choice, Outcome, Prefix
from ciliate.masquerade.prefix_search import lengths_of, markers, search_looks
from ciliate.masquerade.rules import Action

IPV4 = 0xFFFF << 32


def _prefix(number: int, bits: int, *, is_v4: bool) -> Prefix:
    """A prefix whose bits below the length are zero; 12 bits vary at the address's upper end."""
    if is_v4:
        begin, bits = IPV4 | (number & 0xFFF) << 20, 96 + min(bits, 32)
    else:
        begin = (number & 0xFFF) << 116
    return Prefix(CLASS_ALL, begin >> 128 - bits << 128 - bits if bits else 0, bits)


_prefixes = st.builds(
    _prefix, st.integers(0, 4095), st.integers(0, 128), is_v4=st.booleans()
).filter(lambda each: each.version == 4 or each.bits == 0 or each.begin >> 32 != 0xFFFF)
_stands = st.dictionaries(
    _prefixes, st.integers(0, 3).map(lambda place: Outcome((Choice(place, Action.KEEP),)))
)


def _searched(
    stands: dict[Prefix, Outcome], address: int, version: int
) -> tuple[Outcome | None, int]:
    """Search as the program does; return what was found, and the number of looks."""
    entries = {**markers(stands), **stands}
    looks = search_looks(lengths_of(stands)[version])
    longest, count = None, 0
    number = 0 if looks else None
    while number is not None:
        look, count = looks[number], count + 1
        bits = look.length
        found = entries.get(Prefix(CLASS_ALL, address >> 128 - bits << 128 - bits, bits))
        longest, number = (found, look.longer) if found else (longest, look.shorter)
    return longest, count


@given(_stands, st.integers(0, 4095), st.sampled_from((4, 6)))
def test_search_finds_what_stands_at_the_longest_prefix(
    stands: dict[Prefix, Outcome], number: int, version: int
) -> None:
    address = IPV4 | number << 20 if version == 4 else number << 116
    covering = [
        each
        for each in stands
        if each.version == version and address >> 128 - each.bits == each.begin >> 128 - each.bits
    ]
    expected = stands[max(covering, key=lambda each: each.bits)] if covering else Outcome(())

    found, looks = _searched(stands, address, version)

    assert (found or Outcome(())).choices == expected.choices
    assert looks <= MasqueradeBound.MASQUERADE_LOOKS_MAX


def test_usual_lists_need_no_marker_and_two_looks() -> None:
    """Many prefixes of one length and a wider one."""
    stands = {
        Prefix(CLASS_ALL, IPV4 | 0x0A000000 | number << 8, 120): Outcome(())
        for number in range(100)
    }
    stands[Prefix(CLASS_ALL, IPV4 | 0xA9FE0000, 112)] = Outcome(())

    assert markers(stands) == {}
    assert lengths_of(stands) == {4: (112, 120), 6: ()}


def test_every_length_is_found_within_as_many_looks_as_the_program_takes() -> None:
    def depth(number: int | None) -> int:
        return 0 if number is None else 1 + max(map(depth, looks[number][1:]))

    looks = search_looks(tuple(range(MasqueradeBound.MASQUERADE_LENGTH_MAX + 1)))

    assert depth(0) == MasqueradeBound.MASQUERADE_LOOKS_MAX
    assert len(looks) < MasqueradeBound.MASQUERADE_NO_LOOK
    assert search_looks(()) == ()
