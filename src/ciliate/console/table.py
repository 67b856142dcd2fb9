"""Columns as Cilium's commands print them: the elastic tab stops of Go's text/tabwriter.

People and programs that read Cilium's output know its spacing, so the same text comes out here. A
column is a run of consecutive lines that have a cell there, and a cell is text that a tab ends:
the last piece of a line belongs to no column. Pure: text in, text out.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import click


def align(lines: Iterable[str], *, width_min: int, padding: int) -> str:
    """Return `lines`, whose cells tabs end, with every cell padded to its column's width.

    A column is at least `width_min` wide and `padding` wider than its widest cell.
    """
    rows = [line.split("\t") for line in lines]
    padded = [list(row) for row in rows]
    _align_columns(rows, padded, width_min=width_min, padding=padding)
    return "".join("".join(row) + "\n" for row in padded)


def _align_columns(
    rows: Sequence[list[str]], padded: list[list[str]], *, width_min: int, padding: int
) -> None:
    """Pad each column block: the lines between two that lack the column."""
    columns = max((len(row) - 1 for row in rows), default=0)
    for column in range(columns):
        ends = [-1, *(i for i, row in enumerate(rows) if len(row) - 1 <= column), len(rows)]
        for before, after in pairwise(ends):
            block = range(before + 1, after)
            width = max([width_min, *(_width(rows[i][column]) + padding for i in block)])
            for i in block:
                padded[i][column] = rows[i][column] + " " * (width - _width(rows[i][column]))


def _width(cell: str) -> int:
    """Return the characters of a cell that show: colours take no room."""
    return len(click.unstyle(cell))
