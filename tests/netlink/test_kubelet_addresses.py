"""`lab/kubelet/node_addresses.py`: the lab's kubelet is told when its node's addresses change."""

import asyncio
from pathlib import Path

from tests.netlink.kernel import ip

from ciliate.lab.kubelet.node_addresses import follow_addresses, read_node_ips


async def test_changed_addresses_are_told_at_once_and_a_burst_of_them_together(
    node: str, tmp_path: Path
) -> None:
    """The heartbeat that reads them anyway is 10 s away."""
    (tmp_path / "net").symlink_to(node)
    ip(node, "link", "add", "eth1", "type", "veth")
    told = 0
    again = asyncio.Event()

    def changed() -> None:
        nonlocal told
        told += 1
        again.set()

    async def told_of(*commands: str) -> tuple[str, ...]:
        again.clear()
        batch = tmp_path / "batch"
        batch.write_text("".join(f"addr {command} dev eth1\n" for command in commands))
        await asyncio.to_thread(ip, node, "-batch", str(batch))
        async with asyncio.timeout(5):
            await again.wait()
        return await read_node_ips(tmp_path, ())

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follow_addresses(tmp_path, changed))
        await again.wait()  # What changed before it listened is read as well.
        before = told
        first = await told_of(*(f"add 192.168.10.{last}/24" for last in range(150, 170)))
        together = told - before
        second = await told_of("flush", "add 192.168.10.200/24", "add fd00:10::200/64 nodad")
        following.cancel()

    assert first == ("192.168.10.150",)
    assert together < 5
    assert second == ("192.168.10.200", "fd00:10::200")
