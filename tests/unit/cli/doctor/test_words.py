"""`cli/doctor/words.py`: names in sentences."""

from ciliate.cli.doctor.words import counted, listed


def test_many_names_are_cut_off_and_counted() -> None:
    assert listed(("a",)) == "a"
    assert listed(("a", "b", "c")) == "a, b and c"
    assert listed(tuple("abcdef")) == "a, b, c, d, e and f"
    assert listed(tuple("abcdefghij")) == "a, b, c, d, e and 5 more"


def test_one_is_no_plural() -> None:
    assert (counted(1, "pair"), counted(2, "pair")) == ("1 pair", "2 pairs")
