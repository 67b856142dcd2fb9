"""Records of named fields as text: one below the other (`dict`), and as a table. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from ciliate.console.table import align

#: Field -> its text; the names stand in capitals.
Record = Mapping[str, str]

#: Between two records.
SEPARATOR: Final = "-" * 12


def render_record(record: Record) -> str:
    """Return a field a line, names ending in one column."""
    width = max(map(len, record))
    return "".join(f"{name:>{width}}: {text}\n" for name, text in record.items())


def render_table(records: Sequence[Record], names: Sequence[str] = ()) -> str:
    """Return a row for each record, below a header; `names` is the header where there are none."""
    header = list(records[0]) if records else list(names)
    rows = [header, *(list(record.values()) for record in records)]
    return align(["\t".join(row) for row in rows], width_min=2, padding=3)
