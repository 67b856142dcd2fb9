"""Quantities: `500m`, `1.5Gi`, `1e3`; numbers of cores, octets and the like, and how they are stored.

kube-apiserver stores every quantity in its canonical form, so that equal ones are equal texts: no
fraction, the largest suffix that allows that, in the family the client chose (decimal, binary or
exponent). Source: k8s.io/apimachinery `pkg/api/resource`.
"""

import re
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import Any, Final

_PATTERN: Final = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_SHAPE: Final = re.compile(_PATTERN[1:-1])
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
_EXPONENT: Final = re.compile(r"[eE]([+-]?\d{1,3})")

_DECIMAL: Final = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_BINARY: Final = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL_SUFFIXES: Final = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIXES: Final = {power: suffix for suffix, power in _BINARY.items()}
#: What Kubernetes counts in at most: nano, and 64 bits.
_NANO: Final = 10**9
_VALUE_MAX: Final = 2**63 - 1
_KIBI: Final = 1024
#: Texts understood before: manifests repeat few of them.
_CACHED: Final = 1024


class QuantityError(ValueError):
    """A text that is no quantity."""


def canonical(value: Any) -> str:
    """Return the text a quantity is stored as; `value` is a text or a number.

    Raises:
        QuantityError: It is none.
    """
    return _canonical(_text(value))


def amount(value: Any) -> Fraction:
    """Return how much a quantity is.

    Raises:
        QuantityError: It is none.
    """
    return _parsed(_text(value))[0]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value).strip()


@lru_cache(maxsize=_CACHED)
def _parsed(text: str) -> tuple[Fraction, str]:
    """Return the amount and the family of the suffix: "decimal", "binary" or "exponent"."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise QuantityError(f"quantities must match the regular expression '{_PATTERN}'")
    number, suffix = shape.groups()
    if not _NUMBER.fullmatch(number):
        raise QuantityError("unable to parse numeric part of quantity")
    scale, family = _scale(suffix)
    nano = Fraction(number) * scale * _NANO
    # What is finer than nano is rounded away from zero.
    rounded = Fraction(ceil(nano) if nano > 0 else floor(nano), _NANO)
    return max(min(rounded, Fraction(_VALUE_MAX)), Fraction(-_VALUE_MAX)), family


def _scale(suffix: str) -> tuple[Fraction, str]:
    if suffix in _DECIMAL:
        return Fraction(10) ** _DECIMAL[suffix], "decimal"
    if suffix in _BINARY:
        return Fraction(_KIBI) ** _BINARY[suffix], "binary"
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent is None:
        raise QuantityError("unable to parse quantity's suffix")
    return Fraction(10) ** int(exponent[1]), "exponent"


@lru_cache(maxsize=_CACHED)
def _canonical(text: str) -> str:
    value, family = _parsed(text)
    if family == "binary" and value.denominator == 1 and abs(value) >= _KIBI:
        mantissa, power = int(value), 0
        while mantissa % _KIBI == 0 and power + 1 in _BINARY_SUFFIXES:
            mantissa, power = mantissa // _KIBI, power + 1
        return f"{mantissa}{_BINARY_SUFFIXES.get(power, '')}"
    mantissa, exponent = int(value * _NANO), -9
    while mantissa and mantissa % 1000 == 0 and exponent + 3 in _DECIMAL_SUFFIXES:
        mantissa, exponent = mantissa // 1000, exponent + 3
    if not mantissa:
        return "0"
    if family == "exponent":
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    return f"{mantissa}{_DECIMAL_SUFFIXES[exponent]}"
