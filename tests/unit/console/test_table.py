"""Elastic tab stops: what Go's text/tabwriter makes of the same text."""

import click
from hypothesis import given
from hypothesis import strategies as st

from ciliate.console.table import align

CELLS = st.text(alphabet="abc ", max_size=5)


def test_column_is_as_wide_as_its_widest_cell_and_the_padding() -> None:
    assert align(["a\tb", "long\tb"], width_min=2, padding=3) == "a      b\nlong   b\n"


def test_column_ends_where_a_line_lacks_it() -> None:
    text = align(["a\tlonger\tx", "b\ty", "c\td\tz"], width_min=2, padding=3)

    assert text == "a   longer   x\nb   y\nc   d   z\n"


def test_minimum_width_holds_for_empty_cells() -> None:
    assert align(["\tx"], width_min=5, padding=3) == "     x\n"


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=6))
def test_every_text_stays_in_its_order(rows: list[list[str]]) -> None:
    text = align(["\t".join(row) for row in rows], width_min=2, padding=3)

    assert text.count("\n") == len(rows)
    for row, line in zip(rows, text.splitlines(), strict=True):
        assert "".join(row).replace(" ", "") == line.replace(" ", "")


def test_colours_take_no_room() -> None:
    lines = ["STATE\tUSED", f"{click.style('draining', fg='yellow')}\t3"]

    shown = click.unstyle(align(lines, width_min=0, padding=3))

    assert shown == "STATE      USED\ndraining   3\n"
