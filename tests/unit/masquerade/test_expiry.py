"""`masquerade/expiry.py`: which flows are over."""

from dataclasses import dataclass

from ciliate.masquerade.expiry import expired


@dataclass(frozen=True)
class Flow:
    expires_ns: int


def test_flow_is_over_once_its_time_has_passed_and_not_at_that_moment() -> None:
    flows = [("over", Flow(999)), ("now", Flow(1000)), ("alive", Flow(1001))]

    assert list(expired(flows, now_ns=1000)) == ["over"]
