"""A new pod's ADD waits until the rules that select it decide for its packets."""

import asyncio
from dataclasses import replace

import pytest
from tests.unit.masquerade.policy.places import Place
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.metadata import LabelSelector
from ciliate.cni.errors import CniCode, CniError
from ciliate.masquerade.compile import CHOICES_MAX
from ciliate.masquerade.policy import admission, local_pods
from ciliate.masquerade.policy.admission import Admission
from ciliate.masquerade.rule_list import RuleList
from ciliate.masquerade.rules import Action, Origin, PodSelector, PortRange, Rule
from ciliate.node.endpoint import Endpoint

WEB = Rule(
    name="policy/a/0",
    origin=Origin.POLICY,
    action=Action.KEEP,
    pods=PodSelector(pods=LabelSelector({"app": "web"})),
)
ALL = Rule(name="policy/a/0", origin=Origin.POLICY, action=Action.KEEP)


class Gate:
    """A place with a list of rules, and a kernel that has a pod when the test lets it."""

    def __init__(self) -> None:
        self.place = Place()
        self.place.namespace()
        self.list = RuleList((), selections=self.place.pods.selections)
        self.kernel = asyncio.Event()
        self.kernel.set()
        self.asked: list[int] = []
        self.admission = Admission(self.list, self.place.pods, self._placed)

    async def _placed(self, new: Endpoint) -> None:
        self.asked.append(self.list.tables.pods.get(new.id, 0))
        await self.kernel.wait()

    def add(self, number: int = 1) -> "asyncio.Future[None]":
        new = endpoint(number, pod_uid=f"uid-{number}")
        self.place.endpoints.put(new)
        return asyncio.ensure_future(self.admission.admit(new))


async def _others_turn() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_pod_is_in_its_class_before_the_kernel_is_asked() -> None:
    gate = Gate()
    await gate.list.follow((WEB,))
    gate.place.pod(1, app="web")

    await gate.add()

    assert gate.asked == [1]


async def test_add_waits_for_labels_and_for_the_kernel() -> None:
    gate = Gate()
    await gate.list.follow((WEB,))
    gate.kernel.clear()

    adding = gate.add()
    await _others_turn()
    assert gate.asked == []

    gate.place.pod(1, app="web")
    async with asyncio.timeout(5):
        while not gate.asked:
            await asyncio.sleep(0.001)
    assert not adding.done()

    gate.kernel.set()
    await adding


async def test_rules_that_are_for_all_pods_make_no_add_wait() -> None:
    gate = Gate()
    await gate.list.follow((ALL,))

    await gate.add()

    assert gate.asked == []


async def test_pod_that_the_api_server_does_not_show_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local_pods, "WAIT_S", 0.01)
    gate = Gate()
    await gate.list.follow((WEB,))

    with pytest.raises(CniError, match="pod default/pod-1: masquerade policies select") as refused:
        await gate.add()

    assert refused.value.code is CniCode.TRY_AGAIN_LATER


async def test_pod_that_the_kernel_does_not_take_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "PLACED_S", 0.01)
    gate = Gate()
    await gate.list.follow((WEB,))
    gate.place.pod(1, app="web")
    gate.kernel.clear()

    with pytest.raises(CniError, match="the kernel has not got this one's rules") as refused:
        await gate.add()

    assert refused.value.code is CniCode.TRY_AGAIN_LATER


async def test_pod_whose_rules_do_not_fit_is_refused_and_the_next_one_is_not() -> None:
    gate = Gate()
    ports = [
        tuple(PortRange(6, first + at) for at in range(0, 2 * CHOICES_MAX, 2))
        for first in (100, 300)
    ]
    more = Rule(
        name="policy/b/0",
        origin=Origin.POLICY,
        action=Action.KEEP,
        pods=PodSelector(pods=LabelSelector({"tier": "front"})),
        ports=ports[1],
    )
    await gate.list.follow((replace(WEB, ports=ports[0]), more))
    gate.place.pod(1, app="web", tier="front")
    gate.place.pod(2, app="web")

    with pytest.raises(CniError, match=f"more than {CHOICES_MAX} port ranges") as refused:
        await gate.add()
    await gate.add(2)

    assert refused.value.code is CniCode.TRY_AGAIN_LATER
    assert gate.asked == [1]
