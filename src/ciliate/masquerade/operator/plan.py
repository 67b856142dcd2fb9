"""What the status of a MasqueradePolicy should say. Pure.

The operator reads objects as the nodes do, so what it finds holds for all of them. It says so of
the version that it read; what one node lacks (an address) that node says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ciliate.api.conditions import condition_of, written
from ciliate.api.masquerade_policy import ACCEPTED, MasqueradePolicy
from ciliate.masquerade.policy.book import PolicyBook

_TAKEN: Final = "nodes use this version"
#: Nodes whose agent has started since the object is wrong have no former rules of it.
_KEPT: Final = "nodes that know its former rules keep them"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether nodes use a version of an object, and how many rules it has for them."""

    generation: int
    is_accepted: bool
    reason: str
    message: str
    rules: int


def verdicts(policies: Iterable[MasqueradePolicy], book: PolicyBook) -> Mapping[str, Verdict]:
    """Return what holds for each object; `book` has read all of them."""
    return {each.metadata.name: _verdict(each, book) for each in policies}


def _verdict(policy: MasqueradePolicy, book: PolicyBook) -> Verdict:
    name, generation = policy.metadata.name, policy.metadata.generation
    problem, read = book.problems.get(name), book.policy(name)
    if problem is None:
        rules = len(read.rules) if read is not None else 0
        return Verdict(generation, is_accepted=True, reason=ACCEPTED, message=_TAKEN, rules=rules)
    message = f"{problem.said}; {_KEPT}" if problem.keeps_former else problem.said
    return Verdict(generation, is_accepted=False, reason=problem.reason, message=message, rules=0)


def shown_verdict(policy: MasqueradePolicy) -> Verdict | None:
    """Return what an object's status says now; None: nothing yet."""
    found = condition_of(policy.status.conditions, ACCEPTED)
    if found is None:
        return None
    return Verdict(
        generation=found.observed_generation,
        is_accepted=found.status == "True",
        reason=found.reason,
        message=found.message,
        rules=policy.status.rules,
    )


def status_patch(policy: MasqueradePolicy, verdict: Verdict, now: datetime) -> dict[str, Any]:
    """Return the merge patch that has `policy`, as it is now, say `verdict`."""
    words = (
        ACCEPTED,
        "True" if verdict.is_accepted else "False",
        verdict.reason,
        verdict.message,
    )
    return {
        "metadata": {"resourceVersion": policy.metadata.resource_version},
        "status": {
            "rules": verdict.rules,
            "conditions": written(policy.status.conditions, [words], verdict.generation, now),
        },
    }
