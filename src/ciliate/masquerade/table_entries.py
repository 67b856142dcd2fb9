"""The rules' tables as entries of the maps that the programs ask, and back. Pure."""

from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Final

from ciliate.datapath.layout import (
    MasqueradeAction,
    MasqueradeBound,
    MasqueradeChoice,
    MasqueradeGeneration,
    MasqueradeGenerationFlag,
    MasqueradeLook,
    MasqueradeRule,
    MasqueradeRuleFlag,
    MasqueradeRuleKey,
)
from ciliate.masquerade.compile import (
    CHOICES_MAX,
    PREFIXES_MAX,
    Choice,
    Outcome,
    Prefix,
    RuleTables,
    TooManyPrefixesError,
)
from ciliate.masquerade.prefix_search import Look, lengths_of, markers, search_looks
from ciliate.masquerade.rules import Action
from ciliate.net.address import IPAddress, from_octets, to_octets

_ACTIONS: Final = {
    Action.KEEP: MasqueradeAction.MASQUERADE_KEEP,
    Action.DEVICE: MasqueradeAction.MASQUERADE_DEVICE,
    Action.ADDRESS: MasqueradeAction.MASQUERADE_ADDRESS,
}
_ACTIONS_READ: Final = {int(number): action for action, number in _ACTIONS.items()}
_BY_CHOICE: Final = MasqueradeRuleFlag.MASQUERADE_BY_CHOICE
_AGENT_PREFIX: Final = MasqueradeRuleFlag.MASQUERADE_AGENT_PREFIX
_MARKER: Final = MasqueradeRuleFlag.MASQUERADE_MARKER

_NO_ADDRESS: Final = bytes(16)

#: A key of `masquerade_looks` is family and generation, then these many bits of a number.
LOOK_BITS: Final = int(MasqueradeBound.MASQUERADE_LOOKS_BITS)
_FAMILIES: Final = {4: 0, 6: 2}
_NONE: Final = int(MasqueradeBound.MASQUERADE_NO_LOOK)
_NO_LOOK: Final = MasqueradeLook(bytes(16), _NONE, _NONE, _NONE)

Rules = Mapping[MasqueradeRuleKey, MasqueradeRule]
Choices = Mapping[int, MasqueradeChoice]
Looks = Mapping[int, MasqueradeLook]
Classes = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class TableEntries:
    """What the maps hold of one generation."""

    rules: Rules
    choices: Choices
    looks: Looks
    classes: Classes


def is_of(generation: int, key: MasqueradeRuleKey | int) -> bool:
    """Whether a key of one of the maps is one of this generation."""
    table = key if isinstance(key, int) else key.table
    return table & 1 == generation & 1


def table_entries(tables: RuleTables, generation: int) -> TableEntries:
    """Return what the maps hold for `tables` as this generation; the same for the same tables.

    Raises:
        TooManyPrefixesError: With their markers, the prefixes do not fit.
    """
    lowest = generation & 1
    marks = markers(tables.outcomes)
    check_room(tables.outcomes, marks)
    choices: dict[int, MasqueradeChoice] = {}
    rules: dict[MasqueradeRuleKey, MasqueradeRule] = {}
    for stand, mark in ((tables.outcomes, 0), (marks, _MARKER)):
        # Prefixes share outcomes: there are few, and none is looked at twice.
        some = {id(outcome): outcome for outcome in stand.values()}
        known: dict[Outcome, MasqueradeRule] = {}
        for outcome in sorted(set(some.values()), key=_choice_order):
            first = 2 + len(choices) * 2 + lowest  # 0 is no choice.
            rule = known[outcome] = _rule(outcome, first, mark)
            if rule.flags & _BY_CHOICE:
                choices |= _choices(outcome, first)
        values = {number: known[outcome] for number, outcome in some.items()}
        for (pods, begin, bits), outcome in stand.items():
            key = MasqueradeRuleKey(bits, pods << 1 | lowest, begin.to_bytes(16, "big"))
            rules[key] = values[id(outcome)]
    return TableEntries(
        rules, choices, _looks(tables, lowest), class_entries(tables.pods, generation)
    )


def class_entries(pods: Mapping[int, int], generation: int) -> Classes:
    """Return what the map of classes holds for these endpoints in a generation."""
    return {endpoint << 1 | generation & 1: number for endpoint, number in pods.items()}


def check_room(outcomes: Sized, marks: Sized) -> None:
    """Check that a generation's prefixes and markers fit.

    Raises:
        TooManyPrefixesError: They do not.
    """
    if (count := len(outcomes) + len(marks)) > PREFIXES_MAX:
        raise TooManyPrefixesError(count)


def _choice_order(outcome: Outcome) -> tuple[bool, list[tuple[int, int, int]]]:
    choices = [(each.place, each.protocol, each.port_first) for each in outcome.choices]
    return outcome.is_agent_prefix, choices


def _looks(tables: RuleTables, lowest: int) -> Looks:
    """Return the looks of both families; those that no search reaches are there as well."""
    found: dict[int, MasqueradeLook] = {}
    for version, lengths in lengths_of(tables.outcomes).items():
        first = (_FAMILIES[version] | lowest) << LOOK_BITS
        looks = [_look(each) for each in search_looks(lengths)]
        rest = [_NO_LOOK] * ((1 << LOOK_BITS) - len(looks))
        found |= {first + number: look for number, look in enumerate(looks + rest)}
    return found


def _look(look: Look) -> MasqueradeLook:
    mask = (1 << 128) - (1 << 128 - look.length)
    return MasqueradeLook(
        mask.to_bytes(16, "big"),
        look.length,
        _NONE if look.longer is None else look.longer,
        _NONE if look.shorter is None else look.shorter,
    )


def _rule(outcome: Outcome, first: int, mark: int) -> MasqueradeRule:
    """Return the value of a prefix; `first` is the key of its first choice, where it needs any."""
    flags = mark or (_AGENT_PREFIX if outcome.is_agent_prefix else 0)
    if not outcome.choices:
        return MasqueradeRule(0, MasqueradeAction.MASQUERADE_NO_RULE, flags)
    only = outcome.choices[0]
    if only == Choice(only.place, only.action):  # For every packet.
        return MasqueradeRule(only.place, _ACTIONS[only.action], flags)
    return MasqueradeRule(first, MasqueradeAction.MASQUERADE_NO_RULE, flags | _BY_CHOICE)


def _choices(outcome: Outcome, first: int) -> Choices:
    last = len(outcome.choices) - 1
    return {
        first + 2 * at: _choice(each, is_last=at == last)
        for at, each in enumerate(outcome.choices)
    }


def _choice(choice: Choice, *, is_last: bool) -> MasqueradeChoice:
    return MasqueradeChoice(
        address=_NO_ADDRESS if choice.address is None else to_octets(choice.address),
        rule=choice.place,
        port_first=choice.port_first,
        port_last=choice.port_last,
        action=_ACTIONS[choice.action],
        protocol=choice.protocol,
        is_last=is_last,
    )


def read_tables(
    generation: MasqueradeGeneration, rules: Rules, choices: Choices, classes: Classes
) -> RuleTables:
    """Return the tables of the generation in force, out of the maps' entries."""
    known: dict[MasqueradeRule, Outcome] = {}
    outcomes: dict[Prefix, Outcome] = {}
    for key, rule in rules.items():
        if rule.flags & _MARKER or not is_of(generation.number, key):
            continue
        outcome = known.get(rule)
        if outcome is None:
            outcome = known[rule] = _outcome(rule, choices)
        begin = int.from_bytes(key.address, "big")
        outcomes[Prefix(key.table >> 1, begin, key.prefix_length)] = outcome
    has_agent = bool(generation.flags & MasqueradeGenerationFlag.MASQUERADE_AGENT_ON)
    pods = {key >> 1: number for key, number in classes.items() if is_of(generation.number, key)}
    return RuleTables(outcomes, has_agent, pods)


def _outcome(rule: MasqueradeRule, choices: Choices) -> Outcome:
    is_agent_prefix = bool(rule.flags & _AGENT_PREFIX)
    if rule.flags & _BY_CHOICE:
        return Outcome(tuple(_chosen(rule.rule, choices)), is_agent_prefix)
    action = _ACTIONS_READ.get(rule.action)
    return Outcome(() if action is None else (Choice(rule.rule, action),), is_agent_prefix)


def _chosen(number: int, choices: Choices) -> Iterator[Choice]:
    """Yield the choices from key `number` on; what somebody removed or broke ends them."""
    for key in range(number, number + 2 * CHOICES_MAX, 2):
        entry = choices.get(key)
        action = _ACTIONS_READ.get(entry.action) if entry is not None else None
        if entry is None or action is None:
            return
        yield Choice(
            entry.rule,
            action,
            _address(entry.address),
            entry.protocol,
            entry.port_first,
            entry.port_last,
        )
        if entry.is_last:
            return


def _address(octets: bytes) -> IPAddress | None:
    return from_octets(octets) if any(octets) else None
