"""`node/stack_routing.py`: which pods the host's stack carries, and who is told."""

from ipaddress import ip_address

import pytest
from tests.unit.node.endpoint_samples import endpoint

from ciliate.net.address import to_octets
from ciliate.node.stack_routing import StackRouting

ONE, TWO = endpoint(1), endpoint(2, ifindex=13)
OCTETS_OF_ONE = to_octets(ip_address("10.244.0.1"))


@pytest.mark.parametrize("always", [True, False])
def test_setting_decides_for_all_at_first(*, always: bool) -> None:
    stack = StackRouting(always=always)

    assert (stack.carries(ONE), stack.carries(TWO), stack.is_in_use) == (always,) * 3


def test_held_pods_stay_until_they_are_released_one_by_one() -> None:
    stack = StackRouting(always=False)
    told: list[bool] = []
    stack.listen(lambda: told.append(stack.is_in_use))

    stack.hold()
    assert (stack.carries(ONE), stack.carries(TWO)) == (True, True)
    stack.release(but=frozenset({OCTETS_OF_ONE}))
    assert (stack.carries(ONE), stack.carries(TWO)) == (True, False)
    stack.release(but=frozenset({OCTETS_OF_ONE}))
    stack.release(but=frozenset())

    assert not stack.carries(ONE)
    assert told == [True, False]


def test_release_takes_nobody_out_where_others_rules_need_all() -> None:
    stack = StackRouting(always=True)

    stack.hold()
    stack.release(but=frozenset())

    assert stack.carries(ONE)
