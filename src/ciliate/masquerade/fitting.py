"""Which classes of pods have room in the tables, and which have not. Pure.

Who labels a pod must not decide whether others get their rules: a class that no table holds is left
out alone, and its pods stay in the class in which they were.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ciliate.errors import CiliateError
from ciliate.masquerade.compile import (
    PREFIXES_MAX,
    RuleTables,
    TooManyChoicesError,
    TooManyPrefixesError,
    check_choices,
    compile_rules,
)
from ciliate.masquerade.prefix_search import MARKERS_MAX, markers
from ciliate.masquerade.rules import UNSELECTED, Rule, Selection
from ciliate.masquerade.table_entries import check_room
from ciliate.net.address import IPAddress

Selections = Mapping[int, Selection]


class Fitted(NamedTuple):
    """Tables, the classes they are of, and why others have none."""

    tables: RuleTables
    classes: Mapping[Selection, int]
    refused: Mapping[Selection, CiliateError]


def fitted(
    rules: Sequence[Rule],
    wanted: Selections,
    before: Selections,
    held: Collection[IPAddress] | None,
) -> Fitted:
    """Return the tables of `rules` for the pods of `wanted`, by endpoint, and as many as there is room for.

    `before` are their classes of now, by the same rules: those come first, and are kept by pods whose
    wanted one is refused.

    Raises:
        TooManyPrefixesError: The rules that are for all pods do not fit.
        TooManyChoicesError: Likewise.
    """
    found = _of_classes(rules, _in_order(wanted, before), held)
    if not found.refused:
        return found
    kept = {
        endpoint: before.get(endpoint, UNSELECTED) if each in found.refused else each
        for endpoint, each in wanted.items()
    }
    again = _of_classes(rules, _in_order(kept, before), held)
    return again._replace(refused={**found.refused, **again.refused})


def settled(wanted: Selections, before: Selections, classes: Collection[Selection]) -> Selections:
    """Return the classes that pods are in: what is wanted, else what was, else none."""
    there = {UNSELECTED, *classes}
    found = {}
    for endpoint, each in wanted.items():
        former = before.get(endpoint, UNSELECTED)
        found[endpoint] = each if each in there else former if former in there else UNSELECTED
    return found


def _in_order(wanted: Selections, before: Selections) -> list[Selection]:
    standing = set(before.values())
    return sorted(
        set(wanted.values()) - {UNSELECTED},
        key=lambda each: (each not in standing, sorted(each.ipv4), sorted(each.ipv6)),
    )


def _of_classes(
    rules: Sequence[Rule], classes: Sequence[Selection], held: Collection[IPAddress] | None
) -> Fitted:
    refused: dict[Selection, CiliateError] = {}
    try:
        return Fitted(_tables(rules, classes, held), _numbered(classes), refused)
    except (TooManyChoicesError, TooManyPrefixesError) as error:
        reason: CiliateError = error
    possible = []
    for each in classes:
        try:
            check_choices(rules, each, held)
        except TooManyChoicesError as error:
            refused[each] = error
        else:
            possible.append(each)
    tables = _tables(rules, (), held)
    fit, end = 0, len(possible)  # The most that fit are found by halves: each costs tables.
    while fit < end:
        middle = (fit + end + 1) // 2
        try:
            tables = _tables(rules, possible[:middle], held)
        except TooManyPrefixesError as error:
            end, reason = middle - 1, error
        else:
            fit = middle
    refused |= dict.fromkeys(possible[fit:], reason)
    return Fitted(tables, _numbered(possible[:fit]), refused)


def _numbered(classes: Sequence[Selection]) -> Mapping[Selection, int]:
    return {each: number for number, each in enumerate(classes, start=1)}


def _tables(
    rules: Sequence[Rule], classes: Sequence[Selection], held: Collection[IPAddress] | None
) -> RuleTables:
    tables = compile_rules(rules, classes=classes, held=held)
    if len(tables.outcomes) > PREFIXES_MAX // MARKERS_MAX:
        check_room(tables.outcomes, markers(tables.outcomes))
    return tables
