"""`node/service_names.py`: who serves Services tells, and who names flows is told."""

from collections.abc import Sequence

from ciliate.net.address import ip_address, to_octets
from ciliate.net.protocol import TCP
from ciliate.node.service_names import Change, Place, ServiceNames

WEB = Place(to_octets(ip_address("10.96.0.7")), 80, TCP)


def test_nobody_serves_anything_until_somebody_says_so() -> None:
    names = ServiceNames()

    before = [*names.all()]
    names.provide(lambda: iter([(WEB, ("shop", "web"))]))

    assert before == []
    assert [*names.all()] == [(WEB, ("shop", "web"))]
    assert [*names.all()] == [(WEB, ("shop", "web"))], "asked anew each time"


def test_changes_reach_who_listens_and_are_wanted_from_then_on() -> None:
    names = ServiceNames()
    told: list[Sequence[Change]] = []

    before = names.is_followed
    names.listen(told.append)
    names.tell([(WEB, ("shop", "web"))])
    names.tell([(WEB, None)])

    assert (before, names.is_followed) == (False, True)
    assert told == [[(WEB, ("shop", "web"))], [(WEB, None)]]
