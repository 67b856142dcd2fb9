"""CNI from exec to packet: the plugin in C, the agent's server, real pod interfaces.

The backend here gives addresses in order and knows no policy; all else is what an agent runs.
"""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.netlink.kernel import ip, namespaces, run

from ciliate.cni.queue import drain_delete_queue
from ciliate.cni.request import Add, Attachment, Check, Del, Gc, Status
from ciliate.cni.server import CniServer
from ciliate.net.address import IPAddress
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.pod import PodLink, PodLinks, host_name, new_mac
from ciliate.netlink.router import RouterLink, ensure_router_link
from ciliate.netlink.sysctl import node_sysctls, write_sysctls

_GATEWAY = IPv4Address("10.9.0.1")
_SOURCE = Path(__file__).parents[2] / "plugin" / "ciliate-cni.c"


class PodBackend:
    """Makes, checks and removes pod links; an address belongs to its attachment."""

    def __init__(self, links: PodLinks, program: int) -> None:
        self._links = links
        self._program = program
        self.made: dict[Attachment, PodLink] = {}
        self._next = _GATEWAY + 1

    async def add(self, request: Add) -> PodInterface:
        address = self._next
        self._next += 1
        link = PodLink(
            PodInterface(
                host_name=host_name(request.attachment.container_id, request.attachment.ifname),
                host_mac=new_mac(),
                pod_name=request.attachment.ifname,
                pod_mac=new_mac(),
                netns=request.netns,
                mtu=1500,
                route_mtu=1500,
                addresses=(address,),
                gateways=(_GATEWAY,),
            ),
            from_pod_fd=self._program,
            to_pod_fd=self._program,
        )
        await self._links.create(link)
        self.made[request.attachment] = link
        return link.interface

    async def delete(self, request: Del) -> None:
        link = self.made.pop(request.attachment, None)
        if link is not None:
            await self._links.remove(link.interface.host_name)

    async def check(self, request: Check) -> None:
        await self._links.check(self.made[request.attachment].interface)

    async def gc(self, request: Gc) -> None:
        for attachment in self.made.keys() - request.valid:
            link = self.made.pop(attachment)
            await self._links.remove(link.interface.host_name)

    async def status(self, request: Status) -> None:
        assert request.network == "cilium"


@dataclass
class Rig:
    """A node with an agent, and the runtime that calls its plugin."""

    node: str
    plugin: str
    run: Path
    links: PodLinks
    backend: PodBackend
    took_ms: dict[str, list[float]] = field(default_factory=dict)

    async def call(
        self, command: str, container_id: str, netns: str, **config: Any
    ) -> tuple[int, Any]:
        """Run one operation; return exit code and the JSON on stdout, None for nothing."""
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container_id,
            "CNI_NETNS": netns,
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={container_id}",
            "CILIATE_CNI_SOCK": str(self.run / "cni.sock"),
            "CILIATE_CNI_QUEUE": str(self.run / "deleteQueue"),
            "CILIATE_CNI_WAIT_MS": "0",
        }
        stdin = json.dumps({"cniVersion": "1.1.0", "name": "cilium", **config}).encode()
        start = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            self.plugin,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        text, _ = await process.communicate(stdin)
        self.took_ms.setdefault(command, []).append((time.perf_counter() - start) * 1e3)
        assert process.returncode is not None
        return process.returncode, json.loads(text) if text else None

    def report(self, title: str) -> None:
        """Print how long each verb took since the last report."""
        for command, times in self.took_ms.items():
            print(
                f"{title}: {command} x {len(times)}: median {statistics.median(times):.2f} ms,"
                f" fastest {min(times):.2f}, slowest {max(times):.2f}"
            )
        self.took_ms.clear()


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("plugin") / "ciliate-cni"
    run("cc", "-std=gnu11", "-O2", "-static", "-o", str(target), str(_SOURCE))
    return str(target)


@pytest.fixture
async def rig(plugin: str, node: str, accept: int, tmp_path: Path) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as opened:
        rtnl = await opened.enter_async_context(Rtnetlink.open(node))
        await rtnl.run(lambda _: write_sysctls(node_sysctls(ipv4=True, ipv6=False)))
        await ensure_router_link(rtnl, RouterLink(mtu=1500, addresses=(_GATEWAY,)))
        links = await opened.enter_async_context(PodLinks(netns=node))
        backend = PodBackend(links, accept)
        yield Rig(node, plugin, tmp_path, links, backend)


@pytest.fixture
async def agent(rig: Rig) -> AsyncIterator[CniServer]:
    async with CniServer(rig.backend, path=str(rig.run / "cni.sock")) as server:
        yield server


def _address(answer: Any) -> IPAddress:
    return ip_address(answer["ips"][0]["address"].partition("/")[0])


async def test_pod_talks_as_soon_as_add_is_answered(
    rig: Rig, agent: CniServer, pods: list[str]
) -> None:
    answers = [await rig.call("ADD", f"c{n}", netns) for n, netns in enumerate(pods)]

    assert [code for code, _ in answers] == [0, 0, 0]
    target = str(_address(answers[1][1]))
    run("nsenter", f"--net={pods[0]}", "ping", "-c1", "-W1", target)
    run("nsenter", f"--net={rig.node}", "ping", "-c1", "-W1", target)


async def test_check_sees_what_add_made_and_what_somebody_broke(
    rig: Rig, agent: CniServer, pods: list[str]
) -> None:
    _, result = await rig.call("ADD", "c0", pods[0])

    assert await rig.call("CHECK", "c0", pods[0], prevResult=result) == (0, None)

    ip(pods[0], "link", "set", "eth0", "down")
    code, answer = await rig.call("CHECK", "c0", pods[0], prevResult=result)
    assert (code, answer["code"]) == (1, 11)
    assert "eth0 is down" in answer["msg"]


async def test_status_of_a_running_agent_is_silent(rig: Rig, agent: CniServer) -> None:
    assert await rig.call("STATUS", "", "") == (0, None)


async def test_another_user_reaches_neither_agent_nor_queue(rig: Rig, plugin: str) -> None:
    """The directory is open to all, as /var/run/cilium is; the socket and the queue are not."""
    with tempfile.TemporaryDirectory() as open_directory:
        os.chmod(open_directory, 0o755)
        public = shutil.copy(plugin, open_directory)
        queue = f"{open_directory}/deleteQueue"
        server = CniServer(rig.backend, path=f"{open_directory}/cni.sock")
        await drain_delete_queue(queue, rig.backend.delete, start=server.start)
        for command, problem in (("ADD", "Permission denied"), ("DEL", "cannot be opened")):
            process = await asyncio.create_subprocess_exec(
                public,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                user=65534,
                group=65534,
                extra_groups=[],
                env={
                    "CNI_COMMAND": command,
                    "CNI_CONTAINERID": "c0",
                    "CNI_IFNAME": "eth0",
                    "CILIATE_CNI_SOCK": f"{open_directory}/cni.sock",
                    "CILIATE_CNI_QUEUE": queue,
                },
            )
            text, _ = await process.communicate()
            assert process.returncode == 1
            assert problem in json.loads(text)["msg"]
        await server.stop()
    assert rig.backend.made == {}


async def test_gc_removes_what_the_runtime_forgot(
    rig: Rig, agent: CniServer, pods: list[str]
) -> None:
    for number, netns in enumerate(pods):
        await rig.call("ADD", f"c{number}", netns)
    valid = [{"containerID": "c1", "ifname": "eth0"}]

    assert await rig.call("GC", "", "", **{"cni.dev/valid-attachments": valid}) == (0, None)

    assert [link.name for link in await rig.links.observe()] == [host_name("c1", "eth0")]


async def test_pods_are_deleted_although_their_namespaces_went_first(
    rig: Rig, agent: CniServer
) -> None:
    with namespaces(1) as (netns,):
        await rig.call("ADD", "c0", netns)

    assert await rig.call("DEL", "c0", netns) == (0, None)
    assert await rig.call("DEL", "c0", netns) == (0, None)
    assert await rig.links.observe() == ()


async def test_deletion_while_the_agent_is_away_is_done_when_it_comes(
    rig: Rig, pods: list[str]
) -> None:
    path = str(rig.run / "cni.sock")
    async with CniServer(rig.backend, path=path):
        await rig.call("ADD", "c0", pods[0])
        await rig.call("ADD", "c1", pods[1])

    assert await rig.call("DEL", "c0", pods[0]) == (0, None)
    assert len(await rig.links.observe()) == 2
    code, answer = await rig.call("ADD", "c2", pods[2])
    assert (code, answer["code"]) == (1, 11)

    server = CniServer(rig.backend, path=path)
    report = await drain_delete_queue(
        str(rig.run / "deleteQueue"), rig.backend.delete, start=server.start
    )
    assert report.deleted == 1
    assert (await rig.call("ADD", "c2", pods[2]))[0] == 0
    await server.stop()
    assert len(await rig.links.observe()) == 2


@pytest.mark.parametrize("at_once", [1, 8])
async def test_two_hundred_pods_come_and_go(rig: Rig, agent: CniServer, at_once: int) -> None:
    """Prints what each operation takes from exec to exit: `pytest -s`."""
    count = 200
    slots = asyncio.Semaphore(at_once)

    async def call(command: str, number: int, netns: str) -> Any:
        async with slots:
            code, answer = await rig.call(command, f"c{number}", netns)
        assert code == 0, answer
        return answer

    with namespaces(count) as paths:
        start = time.perf_counter()
        added = await asyncio.gather(*(call("ADD", n, path) for n, path in enumerate(paths)))
        added_s = time.perf_counter() - start
        seen = await rig.links.observe()
        start = time.perf_counter()
        await asyncio.gather(*(call("DEL", n, path) for n, path in enumerate(paths)))
        deleted_s = time.perf_counter() - start
    rig.report(f"{at_once} at once")
    print(f"{at_once} at once: {count / added_s:.0f} ADD/s, {count / deleted_s:.0f} DEL/s")

    assert len({_address(answer) for answer in added}) == count
    assert len(seen) == count
    assert await rig.links.observe() == ()
    assert ip(rig.node, "route") == ""
