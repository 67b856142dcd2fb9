"""`identity/registry.py`: one number for one set of labels, however many nodes ask at once."""

from itertools import islice

import pytest
from tests.unit.identity.identity_api import (
    IdentityApi,
    identities_of,
    identity,
    publish,
    withdraw,
)

from ciliate.api.cilium_identity import CiliumIdentity
from ciliate.api.metadata import ObjectMeta
from ciliate.identity.numbers import candidates
from ciliate.identity.registry import IdentityRegistry
from ciliate.kube.errors import NotFoundError

WEB = {"k8s:app": "web"}
OTHER = {"k8s:app": "other"}
FIRST, SECOND = islice(candidates(WEB), 2)
MARK = "io.cilium.heartbeat"


async def test_new_labels_take_their_first_candidate() -> None:
    api = IdentityApi()

    number = await IdentityRegistry(api.as_client, identities_of(api)).allocate(WEB)

    assert number == FIRST
    created = api.held[str(FIRST)]
    assert created.security_labels == WEB
    assert created.metadata.labels == {"app": "web"}


async def test_labels_that_an_object_may_not_have_stay_in_the_security_labels_alone() -> None:
    """A ServiceAccount's name may be longer than a label, a namespace's label gets a prefix."""
    api = IdentityApi()
    namespace = "k8s:io.cilium.k8s.namespace.labels."
    labels = {
        **WEB,
        "k8s:io.cilium.k8s.policy.serviceaccount": "s" * 64,
        "k8s:io.cilium.k8s.policy.cluster": "arn:aws:eks",
        namespace + "a-quite-ordinary-namespace-label-key": "x",
        namespace + "example.com/team": "y",
        "k8s:empty": "",
    }

    number = await IdentityRegistry(api.as_client, identities_of(api)).allocate(labels)

    created = api.held[str(number)]
    assert created.security_labels == labels
    assert created.metadata.labels == {
        "app": "web",
        "io.cilium.k8s.namespace.labels.example.com/team": "y",
        "empty": "",
    }


async def test_number_that_the_watch_knows_is_used_without_asking() -> None:
    api = IdentityApi(identity(4711, WEB))
    registry = IdentityRegistry(api.as_client, identities_of(api))

    assert registry.find(WEB) == await registry.allocate(WEB) == 4711
    assert api.created == []


async def test_lower_of_two_numbers_is_used_by_every_node() -> None:
    api = IdentityApi(identity(4711, WEB), identity(300, WEB))

    assert IdentityRegistry(api.as_client, identities_of(api)).find(WEB) == 300


async def test_number_that_another_node_just_took_for_these_labels_is_shared() -> None:
    api = IdentityApi()
    registry = IdentityRegistry(api.as_client, identities_of(api))
    api.held[str(FIRST)] = identity(FIRST, WEB)  # The watch has not reported it yet.

    assert await registry.allocate(WEB) == FIRST
    assert api.created == []


async def test_number_that_other_labels_hold_is_passed_over() -> None:
    api = IdentityApi()
    registry = IdentityRegistry(api.as_client, identities_of(api))
    api.held[str(FIRST)] = identity(FIRST, OTHER)

    assert await registry.allocate(WEB) == SECOND
    assert api.held[str(FIRST)].security_labels == OTHER


async def test_number_that_the_watch_knows_for_other_labels_is_not_even_tried() -> None:
    api = IdentityApi(identity(FIRST, OTHER))
    api_knows = identities_of(api)
    api.held.clear()  # Were it tried, it could be taken.

    assert await IdentityRegistry(api.as_client, api_knows).allocate(WEB) == SECOND


async def test_object_that_goes_between_create_and_get_costs_a_candidate_only() -> None:
    api = IdentityApi()
    registry = IdentityRegistry(api.as_client, identities_of(api))
    api.held[str(FIRST)] = identity(FIRST, WEB)
    api.goes_before_get = True

    assert await registry.allocate(WEB) == SECOND


async def test_claim_removes_the_mark_of_the_operator() -> None:
    api = IdentityApi(identity(4711, WEB, io_cilium_heartbeat="2026-11-21T00:00:00Z"))

    await IdentityRegistry(api.as_client, identities_of(api)).claim(4711)

    assert api.patches == [("4711", {"metadata": {"annotations": {MARK: None}}})]


async def test_claim_of_an_unmarked_number_asks_nobody() -> None:
    api = IdentityApi(identity(4711, WEB))

    await IdentityRegistry(api.as_client, identities_of(api)).claim(4711)

    assert api.patches == []


async def test_claim_of_a_number_that_the_operator_deleted_says_so() -> None:
    api = IdentityApi(identity(4711, WEB, io_cilium_heartbeat="x"))
    registry = IdentityRegistry(api.as_client, identities_of(api))
    api.held.clear()

    with pytest.raises(NotFoundError):
        await registry.claim(4711)


def test_changed_and_deleted_objects_leave_the_table() -> None:
    api = IdentityApi(identity(4711, WEB))
    informer = identities_of(api)
    registry = IdentityRegistry(api.as_client, informer)

    publish(informer, identity(4711, OTHER))
    assert (registry.find(WEB), registry.find(OTHER)) == (None, 4711)
    withdraw(informer, "4711")
    assert registry.find(OTHER) is None
    assert registry._by_labels == {}


@pytest.mark.parametrize("name", ["255", "65536", "web", "²"])
def test_object_whose_name_is_no_number_of_a_cluster_is_passed_over(name: str) -> None:
    api = IdentityApi()
    informer = identities_of(api)
    registry = IdentityRegistry(api.as_client, informer)

    publish(informer, CiliumIdentity(metadata=ObjectMeta(name=name), security_labels=WEB))

    assert registry.find(WEB) is None
