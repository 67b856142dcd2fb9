"""`flows/server/name_table.py`: a flow gets the name of its time, and never another pod's."""

from itertools import pairwise

import pytest
from msgspec.structs import replace
from tests.unit.flows.server.sample_records import (
    DB,
    DB_IDENTITY,
    DB_IP,
    DB_IP6,
    WEB,
    WEB_IDENTITY,
    WEB_IP,
    WEB_IP6,
    WORLD,
    name_table,
    octets,
)

from ciliate.flows.feed import IdentityLabels, PodGone, PodName
from ciliate.flows.server.name_table import FORMER_MAX, LATE_NS, NameTable
from ciliate.net.identity import ReservedIdentity

ADDRESS = octets("10.244.1.50")
INIT = ReservedIdentity.INIT


def remote(pod: str, identity: int, since_ns: int, *, address: bytes = ADDRESS) -> PodName:
    return PodName(
        key=f"pod default/{pod}",
        since_ns=since_ns,
        addresses=(address,),
        namespace="default",
        pod=pod,
        identity=identity,
    )


def local(pod: str, identity: int, since_ns: int, *, number: int = 12) -> PodName:
    return replace(
        remote(pod, identity, since_ns),
        key=f"endpoint {number}",
        endpoint=number,
        uid=f"uid-{pod}",
        labels=(f"k8s:pod={pod}",),
    )


def gone(name: PodName, at_ns: int) -> PodGone:
    return PodGone(key=name.key, at_ns=at_ns)


def pod_at(names: NameTable, time_ns: int, identity: int = 0, address: bytes = ADDRESS) -> str:
    """Return who had an address, by name; empty: nobody."""
    found = names.at(address, time_ns, identity)
    return found.pod if found is not None else ""


@pytest.mark.parametrize(
    ("address", "identity", "pod"),
    [
        (WEB_IP, WEB_IDENTITY, "web-0"),
        (WEB_IP6, WEB_IDENTITY, "web-0"),
        (DB_IP, DB_IDENTITY, "db-0"),
        (DB_IP6, 0, "db-0"),
        ("10.244.1.10", 0, ""),
    ],
)
def test_address_of_either_family_names_its_pod(address: str, identity: int, pod: str) -> None:
    assert pod_at(name_table(), 5, identity, octets(address)) == pod


def test_address_that_was_given_again_names_who_had_it_at_that_time() -> None:
    old, new = remote("old", 501, since_ns=0), remote("new", 502, since_ns=300)
    names = name_table(old, gone(old, 200), new)

    assert pod_at(names, 199, 501) == "old"
    assert pod_at(names, 300, 502) == "new"


def test_two_pods_of_one_identity_are_told_apart_by_time() -> None:
    old, new = remote("old", 501, since_ns=0), remote("new", 501, since_ns=300)
    names = name_table(old, gone(old, 200), new)

    assert [pod_at(names, when, 501) for when in (100, 400)] == ["old", "new"]


def test_events_of_one_who_is_gone_name_none_who_came_with_another_identity() -> None:
    old, new = remote("old", 501, since_ns=0), remote("new", 502, since_ns=300)
    names = name_table(old, gone(old, 200), new)

    assert pod_at(names, 250, 501) == ""


def test_of_two_that_claim_an_address_the_identity_decides_and_then_the_later_one() -> None:
    names = name_table(remote("old", 501, since_ns=0), remote("new", 502, since_ns=100))

    assert pod_at(names, 150, 501) == "old"
    assert pod_at(names, 150, 502) == "new"
    assert pod_at(names, 150, 0) == "new"
    assert pod_at(names, 150, 777) == "", "its identity says that it is neither"


@pytest.mark.parametrize("identity", [502, 0])
def test_name_that_comes_soon_after_an_event_is_its(identity: int) -> None:
    names = name_table(remote("new", 502, since_ns=LATE_NS))

    assert pod_at(names, 0, identity) == "new"


def test_name_that_comes_long_after_an_event_is_not_its() -> None:
    names = name_table(remote("new", 502, since_ns=LATE_NS + 1))

    assert pod_at(names, 0, 502) == ""


@pytest.mark.parametrize("late", [remote, local])
@pytest.mark.parametrize("first", [INIT, 502])
def test_late_name_is_not_given_to_an_event_of_somebody_else(late: object, first: int) -> None:
    """A packet to an address that nobody has is no packet to the pod that gets it soon after."""
    assert callable(late)
    names = name_table(late("new", first, since_ns=100), late("new", 502, since_ns=200))

    assert pod_at(names, 50, WORLD) == ""
    assert pod_at(names, 50, 502) == "new"
    assert pod_at(names, 50, INIT) == "new"


def test_own_pod_is_known_whatever_the_datapath_took_it_for() -> None:
    names = name_table(local("mine", INIT, since_ns=0))

    assert pod_at(names, 10, WORLD) == "mine"


def test_pod_that_changes_its_identity_stays_who_it_is_under_both() -> None:
    names = name_table(remote("web", 501, since_ns=0), remote("web", 502, since_ns=300))

    assert [pod_at(names, when, who) for when in (100, 400) for who in (501, 502)] == ["web"] * 4
    assert len(names.pods()) == 1, "nobody went"


def test_own_pod_s_new_labels_are_those_it_is_shown_with() -> None:
    changed = replace(local("mine", 502, since_ns=50), labels=("k8s:new=yes",))
    names = name_table(local("mine", 501, since_ns=0), changed)

    found = names.at(ADDRESS, 10, 501)

    assert found == changed
    assert names.of_uid("uid-mine") == changed


def test_pod_with_other_addresses_gives_the_former_back() -> None:
    moved = remote("web", 501, since_ns=300, address=octets("10.244.1.51"))
    names = name_table(remote("web", 501, since_ns=0), moved)

    assert pod_at(names, 299) == "web"
    assert pod_at(names, 300) == ""
    assert pod_at(names, 300, 501, octets("10.244.1.51")) == "web"


def test_names_of_the_gone_remain_for_the_time_that_they_were_there() -> None:
    mine = local("mine", 501, since_ns=100)
    names = name_table(mine, gone(mine, 200))

    assert pod_at(names, 150, 501) == "mine"
    assert pod_at(names, 200, 501) == ""
    assert names.of_uid("uid-mine") == mine
    assert names.pods() == (mine,)
    assert names.addresses_of(names.pods()) == {ADDRESS}


def test_former_names_are_bounded_and_the_oldest_goes_whole() -> None:
    pods = [
        replace(
            local(f"p{number}", 501, since_ns=number, number=number),
            addresses=(number.to_bytes(16, "big"),),
        )
        for number in range(1, FORMER_MAX + 2)
    ]
    names = NameTable()
    for pod in pods:
        names.take(pod)
        names.take(gone(pod, pod.since_ns + 1))

    first, second = pods[:2]
    assert pod_at(names, 1, 501, first.addresses[0]) == ""
    assert names.of_uid(first.uid) is None
    assert pod_at(names, 2, 501, second.addresses[0]) == "p2"
    assert len(names.pods()) == FORMER_MAX


def test_an_end_of_nobody_s_is_passed_over() -> None:
    names = name_table(gone(DB, 5), WEB, gone(WEB, 10), gone(WEB, 20))

    assert pod_at(names, 15, address=octets(WEB_IP)) == ""


def test_labels_are_those_told_else_the_reserved_ones() -> None:
    names = name_table(
        IdentityLabels(number=1002, labels=("k8s:app=db",)),
        IdentityLabels(number=1, labels=("reserved:host", "reserved:kube-apiserver")),
    )

    assert names.labels(1002) == ("k8s:app=db",)
    assert names.labels(1) == ("reserved:host", "reserved:kube-apiserver")
    assert names.labels(WORLD) == ("reserved:world",)
    assert names.labels(6) == ("reserved:remote-node",)
    assert names.labels(70000) == ()


def test_labels_of_an_identity_are_the_same_object_each_time() -> None:
    """What reads labels keeps what it read by them."""
    names = name_table()

    assert names.labels(1002) is names.labels(1002)


def test_an_address_s_pods_may_be_many_one_after_another() -> None:
    names = NameTable()
    pods = [remote(f"p{number}", 501, since_ns=number * 100) for number in range(50)]
    for before, after in pairwise(pods):
        names.take(before)
        names.take(gone(before, after.since_ns))

    assert [pod_at(names, number * 100 + 50, 501) for number in range(49)] == [
        f"p{number}" for number in range(49)
    ]
