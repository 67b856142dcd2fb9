"""What agents and operator would refuse of a ConfigMap, found by their own rules beforehand. Pure.

A setting that one of them refuses stops each of them at its next start, on one node after the other:
whoever changes settings asks here first.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ciliate.config.settings import parse_agent_settings
from ciliate.errors import CiliateError
from ciliate.operator.settings import parse_operator_settings


def check_change(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Return if agents and operator start with `after`, or already did not start with `before`.

    Raises:
        CiliateError: One would start no more; it says which, and why.
    """
    parsers: dict[str, Callable[[Mapping[str, str]], Any]] = {
        "agents": parse_agent_settings,
        "the operator": parse_operator_settings,
    }
    for who, parse in parsers.items():
        refusal = _refusal(parse, after)
        if refusal is not None and str(refusal) != str(_refusal(parse, before)):
            raise RefusedSettingsError(who, refusal) from refusal


class RefusedSettingsError(CiliateError):
    """The settings as they would be stop a process from starting."""

    def __init__(self, who: str, refusal: CiliateError) -> None:
        self.who = who
        self.refusal = refusal
        super().__init__(f"{who} would not start with that: {refusal}")


def _refusal(
    parse: Callable[[Mapping[str, str]], Any], config: Mapping[str, str]
) -> CiliateError | None:
    try:
        parse(config)
    except CiliateError as error:
        return error
    return None
