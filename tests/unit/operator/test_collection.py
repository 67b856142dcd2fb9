from hypothesis import given
from hypothesis import strategies as st

from ciliate.api.cilium_identity import CiliumIdentity
from ciliate.api.cilium_node import CiliumNode
from ciliate.api.core import Node
from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.api.resource import ObjectKey
from ciliate.cluster.views import EndpointPresence, PodPhase, PodPresence
from ciliate.operator.collection import (
    MARK,
    IdentityLedger,
    IdentityVerdict,
    NodeLedger,
    endpoints_without_pod,
)

TIMEOUT_S = 1800.0


def endpoint(name: str) -> EndpointPresence:
    return EndpointPresence(metadata=ObjectMeta(name=name, namespace="shop"))


def pod(name: str, phase: str = "Running") -> PodPresence:
    meta = ObjectMeta(name=name, namespace="shop")
    return PodPresence(metadata=meta, status=PodPhase(phase))


def identity(number: int, *, marked: bool = False) -> CiliumIdentity:
    annotations = {MARK: "2025-07-01T12:00:00Z"} if marked else {}
    return CiliumIdentity(metadata=ObjectMeta(name=str(number), annotations=annotations))


def cilium_node(name: str, *, owned: bool = False) -> CiliumNode:
    owner = OwnerReference(api_version="v1", kind="Node", name=name, uid="u")
    meta = ObjectMeta(name=name, owner_references=(owner,) if owned else ())
    return CiliumNode(metadata=meta)


def leftovers_of(pods: list[PodPresence]) -> list[str]:
    endpoints = {("shop", name): endpoint(name) for name in ("web", "job")}
    found = endpoints_without_pod(endpoints, {("shop", p.metadata.name): p for p in pods})
    return [item.metadata.name for item in found]


def test_an_endpoint_with_its_pod_stays() -> None:
    assert leftovers_of([pod("web"), pod("job", "Pending")]) == []


def test_an_endpoint_without_its_pod_is_left_over() -> None:
    assert leftovers_of([pod("web")]) == ["job"]


def test_the_endpoint_of_a_finished_pod_is_left_over() -> None:
    assert leftovers_of([pod("web"), pod("job", "Succeeded")]) == ["job"]


def test_a_pod_of_that_name_in_another_namespace_does_not_count() -> None:
    pods: dict[ObjectKey, PodPresence] = {("elsewhere", "web"): pod("web")}

    assert endpoints_without_pod({("shop", "web"): endpoint("web")}, pods) == [endpoint("web")]


def test_a_cilium_node_is_left_over_after_its_node_was_missing_for_the_grace_time() -> None:
    ledger = NodeLedger(grace_s=300)

    assert ledger.leftovers([cilium_node("gone")], {}, now_s=0) == []
    assert ledger.leftovers([cilium_node("gone")], {}, now_s=299) == []
    assert ledger.leftovers([cilium_node("gone")], {}, now_s=300) == [cilium_node("gone")]


def test_a_node_that_comes_back_begins_anew() -> None:
    ledger = NodeLedger(grace_s=300)
    ledger.leftovers([cilium_node("w1")], {}, now_s=0)
    ledger.leftovers([cilium_node("w1")], {("", "w1"): Node()}, now_s=200)

    assert ledger.leftovers([cilium_node("w1")], {}, now_s=400) == []


def test_a_cilium_node_with_an_owner_is_left_to_kubernetes() -> None:
    ledger = NodeLedger(grace_s=0)

    assert ledger.leftovers([cilium_node("gone", owned=True)], {}, now_s=1000) == []


def test_an_unused_identity_is_marked_and_then_deleted() -> None:
    ledger = IdentityLedger(timeout_s=TIMEOUT_S, began_s=0)

    assert ledger.verdict(identity(1), TIMEOUT_S - 1) is IdentityVerdict.KEEP
    assert ledger.verdict(identity(1), TIMEOUT_S) is IdentityVerdict.MARK
    assert ledger.verdict(identity(1, marked=True), TIMEOUT_S) is IdentityVerdict.DELETE


def test_a_mark_found_at_start_is_not_believed_before_the_timeout() -> None:
    """Another operator may have marked it; agents may have used it since."""
    ledger = IdentityLedger(timeout_s=TIMEOUT_S, began_s=0)

    assert ledger.verdict(identity(1, marked=True), TIMEOUT_S - 1) is IdentityVerdict.UNMARK


def test_a_used_identity_loses_its_mark() -> None:
    ledger = IdentityLedger(timeout_s=TIMEOUT_S, began_s=0)
    ledger.use("1", now_s=5000)

    assert ledger.verdict(identity(1, marked=True), 5001) is IdentityVerdict.UNMARK
    assert ledger.verdict(identity(1), 5001) is IdentityVerdict.KEEP


def test_what_is_remembered_is_bounded_by_what_exists() -> None:
    ledger = IdentityLedger(timeout_s=TIMEOUT_S, began_s=0)
    for number in range(100):
        ledger.use(str(number), now_s=1)

    ledger.forget({("", "7"): identity(7)})

    assert set(ledger.used_at) == {"7"}


@given(
    uses=st.lists(st.floats(0, 10_000), max_size=20),
    now_s=st.floats(0, 20_000),
    marked=st.booleans(),
)
def test_no_identity_used_within_the_timeout_is_deleted(
    uses: list[float], now_s: float, *, marked: bool
) -> None:
    ledger = IdentityLedger(timeout_s=TIMEOUT_S, began_s=0)
    for at_s in sorted(at for at in uses if at <= now_s):
        ledger.use("1", at_s)

    verdict = ledger.verdict(identity(1, marked=marked), now_s)

    last_s = max((at for at in uses if at <= now_s), default=0.0)
    if verdict is IdentityVerdict.DELETE:
        assert now_s - last_s >= TIMEOUT_S
        assert marked
