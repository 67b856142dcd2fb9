"""An agent follows the MasqueradePolicies of a real API server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.unit.kube.conftest import FakeApi, api, eventually
from tests.unit.kube.embedded_server import embedded_server
from tests.unit.masquerade.policy.policies import policy

from ciliate.api.definitions import custom_resource_definitions
from ciliate.api.masquerade_policy import MASQUERADE_POLICIES, MasqueradePolicy
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.kube.credentials import Credentials
from ciliate.masquerade.policy.watch import PolicyWatch
from ciliate.masquerade.rules import Rule
from ciliate.node.progress import Progress
from ciliate.operator.definitions import install

__all__ = ["api"]

KEEP, DEVICE, WRONG = {"source": "Pod"}, {"source": "Device"}, {"source": "Pod", "ports": [{"protocol": "ICMP", "port": 8}]}  # fmt: skip


class InForce:
    """The rules that were accepted last; there is room for `room`, and for none while `refusing`."""

    def __init__(self) -> None:
        self.rules: tuple[Rule, ...] = ()
        self.times = 0
        self.refusing = ""
        self.room = 1024

    async def check(self, rules: tuple[Rule, ...]) -> None:
        if self.refusing or len(rules) > self.room:
            raise CiliateError(self.refusing or f"masquerade rules: {len(rules)} prefixes")

    async def accept(self, rules: tuple[Rule, ...]) -> None:
        await self.check(rules)
        self.rules = rules
        self.times += 1

    @property
    def names(self) -> list[str]:
        return [rule.name for rule in self.rules]


@asynccontextmanager
async def following(client: ApiClient, in_force: InForce) -> AsyncIterator[PolicyWatch]:
    """A watch from its start on."""
    watch = PolicyWatch(client, accept=in_force.accept, check=in_force.check)
    watching = asyncio.ensure_future(watch.watch())
    await watch.start(Progress())
    running = asyncio.ensure_future(watch.run())
    try:
        yield watch
    finally:
        watching.cancel()
        running.cancel()
        await asyncio.wait([watching, running])


async def _change(client: ApiClient, changed: MasqueradePolicy) -> None:
    body = {"spec": changed.spec}
    await client.patch(MASQUERADE_POLICIES, changed.metadata.name, body)


async def test_policies_of_before_are_in_force_when_the_start_is_over(client: ApiClient) -> None:
    await client.create(MASQUERADE_POLICIES, policy(KEEP, DEVICE, name="b", priority=1))
    await client.create(MASQUERADE_POLICIES, policy(KEEP, name="a", priority=2))
    in_force = InForce()

    async with following(client, in_force) as watch:
        assert in_force.names == ["policy/b/0", "policy/b/1", "policy/a/0"]
        assert watch.status.last_failure == ""


async def test_policies_that_come_change_and_go_are_followed(client: ApiClient) -> None:
    in_force = InForce()
    async with following(client, in_force):
        await client.create(MASQUERADE_POLICIES, policy(KEEP, name="a"))
        await eventually(lambda: in_force.names == ["policy/a/0"])

        await _change(client, policy(KEEP | {"name": "first"}, DEVICE, name="a"))
        await eventually(lambda: in_force.names == ["policy/a/first", "policy/a/1"])

        await client.delete(MASQUERADE_POLICIES, "a")
        await eventually(lambda: in_force.names == [])


async def test_wrong_change_leaves_the_former_rules_and_is_told(client: ApiClient) -> None:
    await client.create(MASQUERADE_POLICIES, policy(KEEP, name="a"))
    in_force = InForce()
    async with following(client, in_force) as watch:
        await _change(client, policy(DEVICE, WRONG, name="a"))
        await eventually(lambda: watch.status.last_failure != "")

        assert in_force.names == ["policy/a/0"]
        assert watch.status.last_failure == (
            "MasqueradePolicy a: spec.rules[1].ports[0].port: 8 stands beside protocol ICMP, which"
            " has no ports: remove it; its former rules stay in force"
        )

        await _change(client, policy(DEVICE, name="a"))
        await eventually(lambda: watch.status.last_failure == "")
        assert [rule.action.value for rule in in_force.rules] == ["device"]


async def test_policy_that_was_wrong_before_the_start_has_no_rules(client: ApiClient) -> None:
    await client.create(MASQUERADE_POLICIES, policy(WRONG, name="a"))
    await client.create(MASQUERADE_POLICIES, policy(KEEP, name="b"))
    in_force = InForce()

    async with following(client, in_force) as watch:
        assert in_force.names == ["policy/b/0"]
        assert watch.status.last_failure.endswith("none of its rules is in force")


async def test_status_alone_changes_nothing(client: ApiClient) -> None:
    await client.create(MASQUERADE_POLICIES, policy(KEEP, name="a"))
    in_force = InForce()
    async with following(client, in_force):
        body = {"status": {"rules": 1}}
        await client.patch(MASQUERADE_POLICIES, "a", body, subresource="status")
        await client.create(MASQUERADE_POLICIES, policy(KEEP, name="b"))
        await eventually(lambda: len(in_force.names) == 2)

        assert in_force.times == 2


async def test_rules_that_no_table_holds_leave_those_before(client: ApiClient) -> None:
    in_force = InForce()
    async with following(client, in_force) as watch:
        in_force.refusing = "masquerade rules: 200000 prefixes"
        await client.create(MASQUERADE_POLICIES, policy(KEEP, name="a"))
        await eventually(lambda: watch.status.last_failure != "")

        assert watch.status.last_failure == (
            "masquerade rules: 200000 prefixes; the policies before stay in force"
        )
        in_force.refusing = ""
        await client.create(MASQUERADE_POLICIES, policy(KEEP, name="b"))
        await eventually(lambda: in_force.names == ["policy/a/0", "policy/b/0"])


async def test_api_server_without_the_kind_hurts_nobody(tmp_path: Path) -> None:
    in_force = InForce()
    async with (
        embedded_server(tmp_path) as server,
        ApiClient.from_kubeconfig(server.kubeconfig) as client,
        following(client, in_force) as watch,
    ):
        assert watch.status.last_failure == ""

        await install(client, custom_resource_definitions())
        await client.create(MASQUERADE_POLICIES, policy(KEEP, name="a"))
        await eventually(lambda: in_force.names == ["policy/a/0"])


async def test_agent_that_may_not_read_policies_says_so_and_goes_on(api: FakeApi) -> None:
    refusal = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}
    api.faults = [(403, refusal)] * 100
    in_force = InForce()
    async with ApiClient(Credentials(api.url)) as client, following(client, in_force) as watch:
        assert in_force.names == []
        assert watch.status.last_failure.startswith("list masqueradepolicies: no (HTTP 403")
        assert "let the agents' role list and watch" in watch.status.last_failure


async def test_object_that_no_table_holds_is_left_out_alone(client: ApiClient) -> None:
    for name, rules in (("a", 1), ("b", 3), ("c", 1), ("d", 2), ("e", 1)):
        found = policy(*[KEEP] * rules, name=name)
        await client.create(MASQUERADE_POLICIES, found)
    in_force = InForce()
    in_force.room = 3

    async with following(client, in_force) as watch:
        assert in_force.names == ["policy/a/0", "policy/c/0", "policy/e/0"]
        assert watch.status.last_failure == (
            "MasqueradePolicy b: masquerade rules: 4 prefixes; none of its rules is in force;"
            " MasqueradePolicy d: masquerade rules: 4 prefixes; none of its rules is in force"
        )

        await _change(client, policy(DEVICE, name="c"))
        await eventually(lambda: [rule.action.value for rule in in_force.rules][1:2] == ["device"])

        for name in "abcde":
            await client.delete(MASQUERADE_POLICIES, name)
        await eventually(lambda: in_force.rules == () and watch.status.last_failure == "")


async def test_many_objects_that_no_table_holds_are_left_out_in_few_looks(
    client: ApiClient,
) -> None:
    for number in range(24):
        await client.create(MASQUERADE_POLICIES, policy(KEEP, KEEP, name=f"n{number:02}"))
    await client.create(MASQUERADE_POLICIES, policy(KEEP, name="a"))
    in_force = InForce()
    in_force.room = 2

    async with following(client, in_force) as watch:
        assert in_force.names == ["policy/a/0"]
        assert watch.status.last_failure.endswith("and 8 more")
