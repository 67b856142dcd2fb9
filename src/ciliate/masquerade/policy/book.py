"""All MasqueradePolicies, and the rules they make together. Pure.

An object that is refused changes nothing of what it said before: its former rules stay in force,
while it exists. Who starts after it was made wrong knows no former ones, and goes without.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from ciliate.api.masquerade_policy import MasqueradePolicy
from ciliate.masquerade.policy.errors import PolicyError, TooManyRulesError
from ciliate.masquerade.policy.read import Policy, read_policy
from ciliate.masquerade.rules import Rule

#: Most rules of all objects together.
POLICY_RULES_MAX: Final = 1024


@dataclass(slots=True)
class _Entry:
    """What is known of one object: the policy in force, and why its latest version is none."""

    policy: Policy | None = None
    error: PolicyError | None = None


class _Arranged(NamedTuple):
    """What all objects say together."""

    rules: Mapping[str, tuple[Rule, ...]]
    problems: Mapping[str, PolicyError]


class PolicyBook:
    """The policies in force."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._arranged: _Arranged | None = None  # As long as nothing changes.

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of origin POLICY, in their order."""
        return tuple(rule for rules in self.rules_by_name.values() for rule in rules)

    @property
    def rules_by_name(self) -> Mapping[str, tuple[Rule, ...]]:
        """The same, by object."""
        return self._as_arranged().rules

    @property
    def problems(self) -> Mapping[str, PolicyError]:
        """Why objects are refused, by their name."""
        return self._as_arranged().problems

    def put(self, found: MasqueradePolicy) -> None:
        """Take the latest version of an object."""
        entry = self._entries.setdefault(found.metadata.name, _Entry())
        try:
            entry.policy, entry.error = read_policy(found), None
        except PolicyError as error:
            entry.error = error
        self._arranged = None

    def remove(self, name: str) -> None:
        """Forget an object that is gone."""
        if self._entries.pop(name, None) is not None:
            self._arranged = None

    def policy(self, name: str) -> Policy | None:
        """Return what an object says: its latest version that could be read."""
        entry = self._entries.get(name)
        return entry.policy if entry is not None else None

    def keeps_former(self, name: str) -> bool:
        """Whether an object is refused and what it said before is in force."""
        entry = self._entries.get(name)
        return entry is not None and entry.error is not None and entry.policy is not None

    def _as_arranged(self) -> "_Arranged":
        if self._arranged is None:
            self._arranged = self._arrange()
        return self._arranged

    def _arrange(self) -> "_Arranged":
        problems = {name: each.error for name, each in self._entries.items() if each.error}
        policies = [each.policy for each in self._entries.values() if each.policy]
        rules: dict[str, tuple[Rule, ...]] = {}
        count = 0
        for policy in sorted(policies, key=lambda each: (each.priority, each.name)):
            if count + len(policy.rules) > POLICY_RULES_MAX:
                problems[policy.name] = _too_many(policy, count)
            else:
                rules[policy.name] = tuple(policy.rules)
                count += len(policy.rules)
        return _Arranged(rules, problems)


def _too_many(policy: Policy, before: int) -> TooManyRulesError:
    return TooManyRulesError(
        policy.name,
        path="spec.rules",
        value=len(policy.rules),
        problem=(
            f"rules do not fit behind the {before} of policies before this one: all together may"
            f" be {POLICY_RULES_MAX}"
        ),
        remedy="join rules, or delete policies that are not needed",
    )
