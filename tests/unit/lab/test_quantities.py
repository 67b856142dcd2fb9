from decimal import Decimal

import pytest

from ciliate.lab.quantities import in_units, quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100m", "0.1"),
        ("2", "2"),
        (2, "2"),
        ("1.5Gi", "1610612736"),
        ("64Mi", "67108864"),
        ("1k", "1000"),
        ("1e3", "1000"),
        ("2E", "2000000000000000000"),
        ("-1", "-1"),
        (".5", "0.5"),
    ],
)
def test_quantity_is_a_number_and_its_power(text: object, value: str) -> None:
    assert quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "Mi", "1 Gi", "1ki", "1e", "two", "1MB"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        quantity(text)


def test_part_of_a_unit_counts_as_a_whole_one() -> None:
    assert in_units(quantity("100m"), quantity("1")) == "1"
    assert in_units(quantity("64Mi"), quantity("1Mi")) == "64"
