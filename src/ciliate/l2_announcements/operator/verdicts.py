"""What a policy says of itself. Pure."""

from typing import Final

from ciliate.api.conditions import Verdict
from ciliate.api.l2_announcement_policy import CiliumL2AnnouncementPolicy
from ciliate.l2_announcements.plan import policy_problem

#: Whether nodes cannot act on it.
CONFLICT: Final = "cilium.io/PolicyConflict"
KINDS: Final = (CONFLICT,)


def policy_verdict(policy: CiliumL2AnnouncementPolicy) -> Verdict:
    """Return what the policy should say."""
    problem = policy_problem(policy.spec)
    words = (
        CONFLICT,
        "True" if problem else "False",
        "Invalid" if problem else "Valid",
        problem,
    )
    return Verdict((words,), policy.metadata.generation)
