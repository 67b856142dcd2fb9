"""The programs of pods' interfaces are swapped in place, and put back where they are lost."""

from tests.netlink.conftest import pod_link
from tests.netlink.kernel import program_id, run

from ciliate.netlink.pod import PodLinks


async def test_replacement_reaches_every_link_and_names_the_gone(
    links: PodLinks, node: str, pods: list[str], accept: int, drop: int
) -> None:
    states = [
        await links.create(pod_link(netns, number, accept))
        for number, netns in enumerate(pods, start=2)
    ]
    indexes = [state.host_ifindex for state in states]

    gone = await links.replace_programs([*indexes, 4242], from_pod_fd=drop, to_pod_fd=drop)

    assert gone == {4242}
    for seen in await links.observe():
        assert (seen.from_pod_program, seen.to_pod_program) == (program_id(drop),) * 2


async def test_replacement_restores_filters_somebody_removed(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    link = pod_link(pods[0], 2, accept)
    state = await links.create(link)
    run(
        "nsenter", f"--net={node}", "tc", "qdisc", "del", "dev", link.interface.host_name, "clsact"
    )
    (seen,) = await links.observe()
    assert seen.from_pod_program is None

    await links.replace_programs([state.host_ifindex], from_pod_fd=accept, to_pod_fd=accept)

    (seen,) = await links.observe()
    assert seen.from_pod_program == program_id(accept)
