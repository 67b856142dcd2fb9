"""`lab/controllers/slice_plan.py`: a change touches as few slices as can be."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from ciliate.api.core import ObjectReference
from ciliate.api.endpoint_slice import (
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
)
from ciliate.lab.controllers.slice_plan import (
    SLICE_ENDPOINTS_MAX,
    Changes,
    Ports,
    SliceBook,
    Wanted,
    plan_all,
    plan_some,
    uid_of,
)

HTTP: Ports = (EndpointPort("", "TCP", 80),)
OTHER: Ports = (EndpointPort("", "TCP", 8080),)


def endpoint(uid: str, *, ready: bool = True) -> Endpoint:
    return Endpoint(
        addresses=(f"address of {uid}",),
        conditions=EndpointConditions(ready=ready),
        target_ref=ObjectReference(uid=uid),
    )


def wanted(uids: Iterable[str], ports: Ports = HTTP) -> dict[str, Wanted | None]:
    return {uid: Wanted(ports, endpoint(uid)) for uid in uids}


def uids(first: int, last: int) -> list[str]:
    return [f"u{number:04}" for number in range(first, last)]


class Service:
    """Slices as a server would keep them."""

    def __init__(self) -> None:
        self.book = SliceBook()
        self.writes = 0
        self._names = iter(range(10**6))

    def carry_out(self, changes: Changes) -> None:
        self.writes = len(changes.updates) + len(changes.creations) + len(changes.deletions)
        for ports, endpoints in changes.creations:
            name = f"s{next(self._names)}"
            self.book.note(name, EndpointSlice(endpoints=endpoints, ports=ports))
        for name, (ports, endpoints) in changes.updates.items():
            self.book.note(name, EndpointSlice(endpoints=endpoints, ports=ports))
        for name in changes.deletions:
            self.book.note(name, None)

    @property
    def sizes(self) -> list[int]:
        return sorted(len(each.endpoints) for each in self.book.slices.values())

    def held(self) -> dict[str, Wanted]:
        return {
            uid_of(each): Wanted(found.ports, each)
            for found in self.book.slices.values()
            for each in found.endpoints
        }


def test_new_endpoints_come_by_hundreds() -> None:
    service = Service()

    service.carry_out(plan_all(service.book, wanted(uids(0, 250))))

    assert service.sizes == [50, 100, 100]


def test_one_of_five_thousand_costs_one_slice() -> None:
    service = Service()
    service.carry_out(plan_all(service.book, wanted(uids(0, 5000))))

    unready = {"u2500": Wanted(HTTP, endpoint("u2500", ready=False))}
    changes = plan_some(service.book, unready)

    assert len(changes.updates) == 1
    assert not changes.creations
    assert not changes.deletions
    service.carry_out(changes)
    assert not service.held()["u2500"].endpoint.is_ready
    assert len(service.held()) == 5000


def test_a_pod_that_another_replaces_costs_one_slice() -> None:
    service = Service()
    service.carry_out(plan_all(service.book, wanted(uids(0, 1000))))

    service.carry_out(plan_some(service.book, {"u0001": None, **wanted(["new"])}))

    assert service.writes == 1
    assert set(service.held()) == {*uids(0, 1000), "new"} - {"u0001"}


def test_a_new_pod_comes_into_the_fullest_slice_with_room() -> None:
    service = Service()
    service.carry_out(plan_all(service.book, wanted(uids(0, 300))))
    service.carry_out(plan_some(service.book, dict.fromkeys(uids(0, 50))))
    service.carry_out(plan_some(service.book, dict.fromkeys(uids(100, 110))))

    service.carry_out(plan_some(service.book, wanted(["new"])))

    assert service.writes == 1
    assert service.sizes == [50, 91, 100]


def test_pods_with_other_ports_are_kept_apart() -> None:
    service = Service()

    service.carry_out(plan_all(service.book, wanted(["a"]) | wanted(["b"], OTHER)))
    assert {each.ports for each in service.book.slices.values()} == {HTTP, OTHER}

    service.carry_out(plan_some(service.book, wanted(["a"], OTHER)))
    assert service.held() == wanted(["a", "b"], OTHER)


def test_a_service_without_endpoints_has_one_slice_that_says_so() -> None:
    service = Service()
    service.carry_out(plan_all(service.book, {}))
    (empty,) = service.book.slices.values()
    assert (empty.ports, empty.endpoints) == ((), ())
    assert plan_all(service.book, {}) == Changes()

    service.carry_out(plan_some(service.book, wanted(["a"])))
    assert (service.writes, service.sizes) == (1, [1]), "it becomes the first real one"

    service.carry_out(plan_some(service.book, {"a": None}))
    assert (service.writes, service.sizes) == (1, [0])


def test_what_nobody_wants_is_taken_out() -> None:
    book = SliceBook()
    by_hand = Endpoint(addresses=("192.0.2.1",))
    book.note("one", EndpointSlice(endpoints=(endpoint("a"), by_hand), ports=HTTP))
    book.note("two", EndpointSlice(endpoints=(endpoint("a"), endpoint("b")), ports=HTTP))

    changes = plan_all(book, wanted(["a", "b"]))

    assert changes.updates == {
        "one": (HTTP, (endpoint("a"),)),
        "two": (HTTP, (endpoint("b"),)),
    }


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(uids(0, 400)), st.sampled_from(["gone", "ready", "unready", "other"])
        ),
        max_size=6,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_sequence_of_changes_ends_as_if_all_were_looked_at(
    rounds: list[dict[str, str]],
) -> None:
    service = Service()
    service.carry_out(plan_all(service.book, wanted(uids(0, 230))))
    expected: dict[str, Wanted | None] = wanted(uids(0, 230))
    for states in rounds:
        some = {
            uid: None
            if state == "gone"
            else Wanted(OTHER if state == "other" else HTTP, endpoint(uid, ready=state == "ready"))
            for uid, state in states.items()
        }
        expected.update(some)
        service.carry_out(plan_some(service.book, some))

        assert service.held() == {uid: each for uid, each in expected.items() if each is not None}
        assert max(service.sizes) <= SLICE_ENDPOINTS_MAX
        assert plan_all(service.book, expected) == Changes(), "a second plan is empty"
