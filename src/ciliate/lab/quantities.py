"""Quantities of resources, as `100m`, `64Mi` or `1e3`. Pure.

The form is Kubernetes' (`k8s.io/apimachinery/pkg/api/resource`): a number, then a power of 1024, of
1000, or of ten.
"""

import math
import re
from decimal import Decimal
from typing import Final

_BINARY: Final = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL: Final = {
    suffix: Decimal(1000) ** power
    for power, suffix in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
}
_SUFFIXES: Final = _BINARY | _DECIMAL
_FORM: Final = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([eE][+-]?[0-9]{1,3}|[A-Za-z]{0,2})"
)


def quantity(text: object) -> Decimal:
    """Return a quantity as a number.

    Raises:
        ValueError: It is none.
    """
    found = _FORM.fullmatch(str(text))
    if found is None:
        raise ValueError(f"{text!r} is no quantity: write it as 100m, 64Mi or 2")
    number, suffix = Decimal(found.group(1)), found.group(2)
    if suffix not in _SUFFIXES:
        if len(suffix) > 1 and suffix[0] in "eE" and suffix[1:].lstrip("+-").isdecimal():
            return number * Decimal(10) ** int(suffix[1:])
        raise ValueError(f"{text!r} is no quantity: {suffix!r} is no suffix")
    return number * _SUFFIXES[suffix]


def in_units(amount: Decimal, divisor: Decimal) -> str:
    """Return how many of `divisor` there are in an amount, a part of one as a whole one."""
    return str(math.ceil(amount / (divisor or Decimal(1))))
