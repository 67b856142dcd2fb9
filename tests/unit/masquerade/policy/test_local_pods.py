"""Whose labels rules are compared with: the pods of this node, as the agent's tables have them."""

import asyncio

from msgspec import structs
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.masquerade.policy.places import Place
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.metadata import LabelSelector
from ciliate.masquerade.policy.classes import LocalPod
from ciliate.masquerade.policy.local_pods import LocalPods
from ciliate.masquerade.rules import Action, Origin, PodSelector, Rule


def test_labels_of_pod_and_namespace_are_those_of_now() -> None:
    place = Place()
    place.namespace(team="a")
    place.pod(1, app="web")

    place.endpoints.put(endpoint(1, pod_uid="uid-1"))
    assert place.pods.current == {1: LocalPod({"team": "a"}, {"app": "web"}, {4: "default"})}

    place.pod(1, app="db")
    place.namespace(team="b")
    assert place.pods.current == {1: LocalPod({"team": "b"}, {"app": "db"}, {4: "default"})}

    place.endpoints.remove(1)
    assert place.pods.current == {}
    assert place.changes == 4


def test_what_was_there_before_is_known() -> None:
    place = Place()
    place.namespace()
    place.pod(1, app="web")
    place.endpoints.put(endpoint(1))

    later = LocalPods(place.cluster, place.endpoints, lambda _: "default")

    assert later.current == place.pods.current


def test_pod_of_the_same_name_and_another_uid_is_another_pod() -> None:
    place = Place()
    place.namespace()
    place.pod(1, uid="before", app="web")

    place.endpoints.put(endpoint(1, pod_uid="uid-1"))
    assert place.pods.current == {}

    place.pod(1, app="db")
    assert place.pods.current[1].labels == {"app": "db"}


def test_labels_are_kept_as_long_as_the_sandbox_outlives_its_pod() -> None:
    place = Place()
    place.namespace()
    place.pod(1, app="web")
    place.endpoints.put(endpoint(1, pod_uid="uid-1"))

    withdraw(place.cluster.pods, "pod-1", "default")
    place.pod(1, uid="next", app="db")
    place.endpoints.put(endpoint(1, pod_uid="uid-1", identity=9))

    assert place.pods.current[1].labels == {"app": "web"}


def test_change_that_rules_do_not_ask_for_wakes_nobody() -> None:
    place = Place()
    place.namespace()
    pod = place.pod(1, app="web")
    place.endpoints.put(endpoint(1))

    publish(
        place.cluster.pods,
        structs.replace(pod, status=structs.replace(pod.status, phase="Running")),
    )
    place.endpoints.put(endpoint(1, identity=9))

    assert place.changes == 1


def test_every_interface_of_a_pod_has_its_labels() -> None:
    place = Place()
    place.namespace()
    for number, name in ((1, "eth0"), (2, "net1")):
        place.endpoints.put(endpoint(number, pod="pod-1", pod_name=name))

    place.pod(1, app="web")

    assert {number: each.labels for number, each in place.pods.current.items()} == {
        1: {"app": "web"},
        2: {"app": "web"},
    }


def test_pools_are_looked_at_again() -> None:
    place = Place()
    place.namespace()
    place.pod(1)
    place.endpoints.put(endpoint(1))
    place.pool = "green"

    place.pods.look()

    assert place.pods.current[1].pools == {4: "green"}


def test_selections_are_of_the_rules_that_are_asked_for() -> None:
    place = Place()
    place.namespace()
    place.pod(1, app="web")
    place.pod(2, app="db")
    for number in (1, 2):
        place.endpoints.put(endpoint(number))
    web = PodSelector(pods=LabelSelector({"app": "web"}))
    rules = [
        Rule(name=name, origin=Origin.POLICY, action=Action.KEEP, pods=pods)
        for name, pods in (("all", None), ("web", web), ("default", PodSelector(pool="default")))
    ]

    found = place.pods.selections(rules)

    assert {number: each.ipv4 for number, each in found.items()} == {1: {1, 2}, 2: {2}}
    assert place.pods.selections(rules[:1]) == {}


async def test_add_waits_for_a_watch_that_is_behind() -> None:
    place = Place()
    place.namespace()
    new = endpoint(1, pod_uid="uid-1")
    place.endpoints.put(new)

    waiting = asyncio.ensure_future(place.pods.known(new))
    await asyncio.sleep(0)
    place.pod(2)
    assert not waiting.done()
    place.pod(1, app="web")

    assert await waiting
    assert await place.pods.known(new)
