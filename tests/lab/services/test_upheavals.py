"""Services whose endpoints, agents, nodes or API server come and go: what does not change goes on."""

import asyncio
import contextlib
import json
import os
import random
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest
from tests.lab.cluster import eventually
from tests.lab.faulty_node import LONG, FaultyNode, apply_pod, frozen, process
from tests.lab.services.rig import (
    CTR,
    NODE,
    W1,
    Rig,
    call,
    fault_rig,
    put_slice,
    service,
    slice_of,
    streamed,
    through_api,
)
from tests.lab.services.written import wait_written
from tests.lab.traffic import PORT as STREAM_PORT

from ciliate.kube.client import ApiClient

ABSENCE_S: Final = 30.0 if LONG else 10.0
CHANGES: Final = 500 if LONG else 200


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with fault_rig("upheaval") as found:
        yield found


def label(rig: Rig, pod: str, text: str) -> None:
    """Set a pod's label, or remove it, and have the nodes know."""
    rig.lab.kubectl("label", "--overwrite", "pod", pod, text)


def assert_aborted(report: dict[str, Any]) -> None:
    """The socket was ended: who reads is told so; who sends first learns that it has no peer."""
    assert any("abort" in error for error in report["errors"]), report


def test_pod_that_leaves_a_service_keeps_its_connections_and_not_its_datagram_sockets(
    rig: Rig,
) -> None:
    label(rig, "two", "role=moving")
    rig.apply(streamed("moving", {"role": "moving"}), service("asked", {"role": "moving"}))
    addresses, at = rig.cluster_ips("moving"), [call(ip, 80) for ip in rig.cluster_ips("asked")]
    with rig.undisturbed(), rig.streaming("client", addresses, STREAM_PORT) as streams:
        assert {each.server for each in rig.ask_each("client", at)} == {"two"}

        label(rig, "one", "role=moving")
        label(rig, "two", "role-")

        eventually(
            lambda: {each.server for each in rig.ask_each("client", at * 4)} == {"one"},
            what="calls to the other pod",
        )
        eventually(
            lambda: rig.socket_errors("client", addresses) == 2, what="the end of datagram sockets"
        )
    label(rig, "one", "role-")
    rig.delete("moving", "asked")
    streams.assert_whole("tcp")
    for report in streams.of("udp"):
        assert_aborted(report)


def test_datagram_socket_of_a_deleted_pod_ends_and_calls_are_refused(rig: Rig) -> None:
    apply_pod(rig.lab, "brief", W1)
    rig.apply(streamed("brief", {"app": "brief"}))
    addresses, client = rig.cluster_ips("brief"), rig.streamers["client"]
    names = [f"client udp {address}" for address in addresses]
    with rig.undisturbed(), contextlib.closing(rig.streamer("brief", W1)):
        for name, address in zip(names, addresses, strict=True):
            client.ask(do="udp", name=name, to=address, port=STREAM_PORT)

        rig.lab.kubectl("delete", "pod", "brief")

        eventually(
            lambda: rig.socket_errors("client", addresses) == 2, what="the end of datagram sockets"
        )
        calls = [call(address, STREAM_PORT, p) for address in addresses for p in ("tcp", "udp")]
        answers = [each.failed for each in rig.ask_each("client", calls)]
        reports = client.ask(do="end", names=names)
    rig.delete("brief")
    assert answers == ["refused"] * 4
    for report in reports.values():
        assert report["sources"], report
        assert_aborted(report)


def test_port_that_changes_its_name_under_load_is_served_under_the_new_one(rig: Rig) -> None:
    rig.apply(service("renamed", {"app": "two"}))
    at = [call(ip, 80, p) for ip in rig.cluster_ips("renamed") for p in ("tcp", "udp")]
    answers = []
    with rig.undisturbed():
        for number in range(6):
            changed = service("renamed", {"app": "two"})
            for port in changed["spec"]["ports"]:
                port["name"] = f"{port['protocol'].lower()}-{number}"
            rig.lab.kubectl("apply", "--server-side", "-f", "-", text=json.dumps(changed))
            answers += rig.ask_each("client", at)
        wait_written(rig.lab)
        last = rig.ask_each("client", at)
    rig.delete("renamed")
    # Between a Service and its slices nobody is behind the new name: that is refused, at once.
    assert {each.server or each.failed for each in answers} <= {"two", "refused"}
    assert {each.server for each in last} == {"two"}


def test_endpoints_that_flap_a_hundred_times_a_second_disturb_nobody_else(rig: Rig) -> None:
    one, two = rig.pod_ips("one")[0], rig.pod_ips("two")[0]
    states: tuple[list[str], ...] = ([one], [one, two], [two], [two, one], [])
    rig.apply(service("flapping", None), slice_of("flapping", [one]))
    at = call(rig.cluster_ips("flapping")[0], 80)

    async def flap(client: ApiClient) -> None:
        began = time.monotonic()
        for number in range(300):
            await put_slice(client, slice_of("flapping", states[number % len(states)]))
            pause_s = began + number / 100 - time.monotonic()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
        await put_slice(client, slice_of("flapping", [two]))

    with rig.undisturbed():
        through_api(rig.lab, flap)
        wait_written(rig.lab)
        answers = {each.server for each in rig.ask_each("client", [at] * 12)}
    rig.delete("flapping")
    assert answers == {"two"}


def test_agents_killed_at_random_among_changes_leave_the_maps_as_the_api_says(rig: Rig) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    nodes = [FaultyNode(rig.lab, name) for name in (CTR, W1)]

    async def change(client: ApiClient) -> None:
        killed_at = set(chance.sample(range(20, CHANGES), 4 if LONG else 2))
        there: set[str] = set()
        for number in range(CHANGES):
            name = f"churn-{chance.randrange(40)}"
            await _churn(client, name, there, chance)
            if number in killed_at:
                for node in nodes:
                    for pid in node.agent_pids:
                        os.kill(pid, 9)
                    node.replace_agent()

    with rig.undisturbed():
        through_api(rig.lab, change)
        for node in nodes:
            node.wait_agent()
        try:
            wait_written(rig.lab, within_s=30)
        except AssertionError as error:
            raise AssertionError(f"with seed {seed}") from error
    left = rig.lab.kubectl("get", "services", "-o", "name").split()
    rig.delete(*(name.partition("/")[2] for name in left if "churn" in name))


async def _churn(client: ApiClient, name: str, there: set[str], chance: random.Random) -> None:
    """Delete a Service, or have it be of some other kind than it was."""
    path = f"/api/v1/namespaces/default/services/{name}"
    if name in there and chance.random() < 0.3:
        await client.request("DELETE", path)
        there.discard(name)
        return
    wanted = service(name, {"app": chance.choice(("one", "two", "nobody"))})
    wanted["spec"]["type"] = chance.choice(("ClusterIP", "NodePort"))
    wanted["spec"]["internalTrafficPolicy"] = chance.choice(("Cluster", "Local"))
    wanted["spec"]["ports"][0]["port"] = chance.choice((80, 81))
    params = {"fieldManager": "test", "force": "true"}
    body, kind = json.dumps(wanted).encode(), "application/apply-patch+yaml"
    await client.request("PATCH", path, params=params, body=body, content_type=kind)
    there.add(name)


def test_services_are_served_while_the_api_server_says_nothing_and_changed_afterwards(
    rig: Rig,
) -> None:
    rig.apply(service("kept", {"app": "two"}))
    at = [call(ip, 80, p) for ip in rig.cluster_ips("kept") for p in ("tcp", "udp")]
    answers = []
    with rig.undisturbed():
        with frozen(process(rig.lab, "apiserver")):
            began = time.monotonic()
            while time.monotonic() < began + ABSENCE_S:
                answers += rig.ask_each("client", at)
        rig.lab.kubectl("patch", "service", "kept", "-p", '{"spec":{"selector":{"app":"one"}}}')
        wait_written(rig.lab, within_s=45)
        after = {each.server for each in rig.ask_each("client", at)}
    rig.delete("kept")
    assert len(answers) > 20
    assert {each.server for each in answers} == {"two"}
    assert after == {"one"}


_REQUESTER: Final = """
import http.client, json, select, socket, sys, time
asked = [(sys.argv[n], int(sys.argv[n + 1])) for n in range(1, len(sys.argv), 2)]
made, failed, number = 0, [], 0
print('asking', flush=True)
while not select.select([0], [], [], 0.003)[0]:
    address, port = asked[number % len(asked)]
    number += 1
    try:
        connection = http.client.HTTPConnection(address, port, timeout=20)
        connection.request('GET', '/')
        answer = connection.getresponse()
        assert answer.status == 200 and b'Hostname' in answer.read(), answer.status
        made += 1
    except (OSError, http.client.HTTPException, AssertionError) as error:
        failed.append(f'{address}: {error!r}')
    finally:
        connection.close()
print(json.dumps({'made': made, 'failed': failed}))
"""


@contextlib.contextmanager
def requesting(rig: Rig, place: str, addresses: tuple[str, ...], port: int) -> Iterator[Any]:
    """Requests one after the other, each by a connection of its own; what came of them."""
    words = [word for address in addresses for word in (address, str(port))]
    found: dict[str, Any] = {}
    with rig.lab.background(place, "/usr/bin/python3", "-c", _REQUESTER, *words) as asking:
        try:
            assert asking.stdout is not None
            assert asking.stdout.readline() == "asking\n"
            yield found
            found.update(json.loads(asking.communicate("end\n", timeout=60)[0]))
        finally:
            asking.kill()


def deployment(name: str, replicas: int) -> dict[str, Any]:
    """Replicas of the server that goes on for two seconds after SIGTERM."""
    container = {
        "name": "web",
        "image": "traefik/whoami",
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container]},
            },
        },
    }


def test_rolling_update_costs_no_request_from_a_pod_nor_by_a_node_port(rig: Rig) -> None:
    web = service("web", {"app": "web"}, type="NodePort")
    web["spec"]["ports"] = [{"port": 80, "nodePort": 31920}]
    rig.apply(deployment("web", 4), web)
    status = ("rollout", "status", "deployment/web", "--timeout=60s")
    rig.lab.kubectl(*status)
    wait_written(rig.lab)
    with (
        rig.undisturbed(),
        requesting(rig, "client", rig.cluster_ips("web"), 80) as inside,
        requesting(rig, "router", NODE, 31920) as outside,
    ):
        rig.lab.kubectl("rollout", "restart", "deployment/web")
        rig.lab.kubectl(*status)
        wait_written(rig.lab)
    rig.lab.kubectl("delete", "deployment,service", "web", "--wait=false")
    for found in (inside, outside):
        assert found["made"] > 50
        assert found["failed"] == []


def test_node_that_goes_without_a_word_takes_nothing_but_its_own_endpoints(rig: Rig) -> None:
    """Its endpoints are tried until the cluster takes them out; then no call is lost."""
    shut = "bridge link set dev k8s-w1 state {}"
    label(rig, "one", "role=half")
    label(rig, "two", "role=half")
    rig.apply(service("half", {"role": "half"}))
    at = [call(ip, 80, p, 3.0) for ip in rig.cluster_ips("half") for p in ("tcp", "udp")]
    try:
        rig.lab.exec("switch", "sh", "-c", shut.format(0))
        silent = rig.ask_each("client", at * 6)
        label(rig, "one", "role-")
        wait_written(rig.lab, CTR)
        after = rig.ask_each("client", at * 6)
    finally:
        rig.lab.exec("switch", "sh", "-c", shut.format(3))
    wait_written(rig.lab, within_s=60)
    returned = rig.ask_each("one", at)
    label(rig, "two", "role-")
    rig.delete("half")

    assert {each.server or each.failed for each in silent} == {"two", "dropped"}
    assert {each.server for each in after} == {"two"}
    assert {each.server for each in returned} == {"two"}
