"""Label selectors as filters write them, of labels that have a source. Pure.

The syntax is Kubernetes' for selectors in text ("app=web, tier in (a, b), !old"); a key may name a
source before a colon, `k8s:app`. Without one, or with `any:`, labels of every source are meant; of
several with that key the first counts. Labels are "source:key=value", those of nodes "key=value".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ciliate.flows.server.errors import quoted

_TOKEN: Final = re.compile(r"\s*(==|!=|[=!,()]|[^\s=!,()]+)")
_KEY: Final = re.compile(r"(?:[A-Za-z0-9._-]+:)?[A-Za-z0-9][A-Za-z0-9._/-]*")
_VALUE: Final = re.compile(r"[A-Za-z0-9._-]*")
_PUNCTUATION: Final = frozenset({"==", "!=", "=", "!", ",", "(", ")", ""})
_SYNTAX: Final = "key, !key, key=value, key!=value, key in (a, b) or key notin (a, b) is needed"
#: Sets of labels that are kept as they were read: as many as a node sees identities at a time.
_READ_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Label:
    """One label; no source where there is no colon."""

    source: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition of a selector: what a label's value may be."""

    #: Empty: any.
    source: str
    key: str
    #: None: any value.
    values: frozenset[str] | None
    #: The label must not be so, or not be there.
    negated: bool

    def holds(self, labels: tuple[Label, ...]) -> bool:
        """Whether labels meet it; an absent label meets a negated one."""
        for label in labels:
            if label.key == self.key and self.source in {"", label.source}:
                return (self.values is None or label.value in self.values) is not self.negated
        return self.negated


def compile_selectors(selectors: list[str]) -> Callable[[tuple[str, ...]], bool]:
    """Return whether any of the selectors selects labels.

    Raises:
        ValueError: One cannot be read.
    """
    read = [read_selector(each) for each in selectors]

    def selects(texts: tuple[str, ...]) -> bool:
        labels = read_labels(texts)
        return any(all(each.holds(labels) for each in requirements) for requirements in read)

    return selects


@lru_cache(_READ_MAX)
def read_labels(texts: tuple[str, ...]) -> tuple[Label, ...]:
    """Return labels as they are written in flows."""
    return tuple(_label(text) for text in texts)


def _label(text: str) -> Label:
    name, _, value = text.partition("=")
    source, colon, key = name.partition(":")
    return Label(source, key, value) if colon else Label("", name, value)


def read_selector(selector: str) -> tuple[Requirement, ...]:
    """Return the requirements of a selector; one without any selects everything.

    Raises:
        ValueError: It cannot be read.
    """
    tokens = _tokens(selector)
    if tokens == [""]:
        return ()
    requirements = []
    try:
        requirements.append(_requirement(tokens))
        while _is_continued(tokens):
            requirements.append(_requirement(tokens))
    except ValueError as error:
        raise ValueError(f"{quoted(selector)}: {error}: {_SYNTAX}") from error
    return tuple(requirements)


def _tokens(selector: str) -> list[str]:
    """Return the tokens, an empty one at the end."""
    return [*_TOKEN.findall(selector.strip()), ""]


def _is_continued(tokens: list[str]) -> bool:
    """Take what follows a requirement off the tokens."""
    found = tokens.pop(0)
    if found not in {",", ""}:
        raise ValueError(f"found {quoted(found)}")
    return found == ","


def _requirement(tokens: list[str]) -> Requirement:
    """Take one requirement off the tokens."""
    absent = tokens[0] == "!"
    if absent:
        tokens.pop(0)
    source, key = _key(tokens.pop(0))
    if absent or tokens[0] in {",", ""}:
        return Requirement(source, key, None, negated=absent)
    match tokens.pop(0):
        case "=" | "==":
            return Requirement(source, key, frozenset({_value(tokens)}), negated=False)
        case "!=":
            return Requirement(source, key, frozenset({_value(tokens)}), negated=True)
        case "in" | "notin" as operator:
            return Requirement(source, key, _value_set(tokens), negated=operator == "notin")
        case other:
            raise ValueError(f"found {quoted(other)} after {key}")


def _key(token: str) -> tuple[str, str]:
    if _KEY.fullmatch(token) is None:
        raise ValueError(f"{quoted(token)} is no key" if token else "a key is missing")
    source, colon, key = token.partition(":")
    if not colon:
        return "", token
    return ("" if source == "any" else source), key


def _value(tokens: list[str]) -> str:
    """Take one value off the tokens, which may be empty."""
    if tokens[0] in _PUNCTUATION:
        return ""
    value = tokens.pop(0)
    if _VALUE.fullmatch(value) is None:
        raise ValueError(f"{quoted(value)} is no value of a label")
    return value


def _value_set(tokens: list[str]) -> frozenset[str]:
    """Take values in parentheses off the tokens."""
    if tokens.pop(0) != "(":
        raise ValueError("values in parentheses are missing")
    values = {_value(tokens)}
    while (found := tokens.pop(0)) == ",":
        values.add(_value(tokens))
    if found != ")":
        raise ValueError("a closing parenthesis is missing")
    return frozenset(values)
