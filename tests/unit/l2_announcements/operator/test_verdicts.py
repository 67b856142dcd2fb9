"""src/ciliate/l2_announcements/operator/verdicts.py: what a policy says of itself."""

from tests.unit.l2_announcements.objects import policy

from ciliate.l2_announcements.operator.verdicts import CONFLICT, policy_verdict


def test_a_sound_policy_has_no_conflict() -> None:
    assert policy_verdict(policy()).conditions == ((CONFLICT, "False", "Valid", ""),)


def test_a_wrong_one_says_field_and_remedy() -> None:
    ((kind, status, reason, message),) = policy_verdict(policy(interfaces=("(",))).conditions

    assert (kind, status, reason) == (CONFLICT, "True", "Invalid")
    assert message.startswith("spec.interfaces[0]: '('")
