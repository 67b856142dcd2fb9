"""What the kernel holds of the rules' tables is read back as it was written."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from ciliate.datapath.layout import MasqueradeGeneration, MasqueradeGenerationFlag
from ciliate.masquerade.compile import (
    PREFIXES_MAX,
    RuleTables,
    TooManyPrefixesError,
    compile_rules,
)
from ciliate.masquerade.rules import (
    Action,
    Destination,
    Origin,
    PortRange,
    Rule,
    Selection,
    decision_order,
)
from ciliate.masquerade.table_entries import (
    LOOK_BITS,
    check_room,
    is_of,
    read_tables,
    table_entries,
)

TCP, UDP = 6, 17


def _tables() -> RuleTables:
    """Every kind of outcome: a rule, none, ports, an address, a prefix of ip-masq-agent's."""
    policies = [
        Rule(
            name="web",
            origin=Origin.POLICY,
            action=Action.DEVICE,
            destinations=(Destination(ip_network("10.0.0.0/8"), (ip_network("10.2.0.0/16"),)),),
            ports=(PortRange(TCP, 80, 81), PortRange(UDP)),
        ),
        Rule(
            name="vip",
            origin=Origin.POLICY,
            action=Action.ADDRESS,
            addresses=(ip_address("2001:db8::9"),),
            destinations=(Destination(ip_network("2001:db8:1::/48")),),
        ),
    ]
    excluded = [ip_network("10.1.0.0/16"), ip_network("2001:db8::/32"), ip_network("::/0")]
    rules = decision_order(native=[], policies=policies, excluded=excluded)
    return replace(
        compile_rules(rules, classes=[Selection(frozenset({1}), frozenset())]),
        pods={7: 1, 65535: 1},
    )


def _generation(number: int) -> MasqueradeGeneration:
    return MasqueradeGeneration(number, MasqueradeGenerationFlag.MASQUERADE_AGENT_ON)


@pytest.mark.parametrize("number", [1, 2])
def test_tables_are_read_back_as_they_were(number: int) -> None:
    tables = _tables()

    held = table_entries(tables, number)

    assert read_tables(_generation(number), held.rules, held.choices, held.classes) == tables
    assert all(is_of(number, key) for key in held.rules)
    assert all(is_of(number, key) for key in held.choices)
    assert all(is_of(number, key) for key in held.classes)
    assert all(is_of(number, key >> LOOK_BITS) for key in held.looks)


def test_entries_of_two_generations_share_no_key_and_one_hides_the_other() -> None:
    tables = _tables()

    one, two = table_entries(tables, 7), table_entries(tables, 8)

    assert one.rules.keys().isdisjoint(two.rules)
    assert one.choices.keys().isdisjoint(two.choices)
    assert one.looks.keys().isdisjoint(two.looks)
    assert one.classes.keys().isdisjoint(two.classes)
    hidden = read_tables(_generation(8), one.rules, one.choices, one.classes)
    assert not hidden.outcomes
    assert not hidden.pods


def test_entries_do_not_depend_on_the_order_in_which_the_kernel_shows_prefixes() -> None:
    tables = _tables()
    turned = RuleTables(
        dict(reversed(list(tables.outcomes.items()))), tables.has_agent, tables.pods
    )

    assert table_entries(turned, 1) == table_entries(tables, 1)


def test_choices_that_somebody_removed_end_the_list() -> None:
    tables = _tables()
    held = table_entries(tables, 1)

    left = {key: value for key, value in held.choices.items() if value.is_last}

    assert read_tables(_generation(1), held.rules, left, held.classes) != tables


def test_prefixes_that_do_not_fit_with_their_markers_are_refused() -> None:
    with pytest.raises(TooManyPrefixesError, match=str(PREFIXES_MAX + 2)):
        check_room(range(PREFIXES_MAX), range(2))
