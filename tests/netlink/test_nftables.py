"""Our table in the kernel: written whole, healed, and nothing of others touched."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest
from tests.netlink.kernel import run

from ciliate.masquerade.nftables.model import Part
from ciliate.masquerade.nftables.plan import (
    Addresses,
    RouteSource,
    Translation,
    hook_alone,
    table_parts,
)
from ciliate.masquerade.nftables.target import NftablesTarget, Wanted
from ciliate.masquerade.rules import (
    Action,
    Destination,
    Origin,
    PodSelector,
    PortRange,
    Rule,
    decision_order,
)
from ciliate.net.address import ip_address
from ciliate.netlink.nftables import Nftables, NftablesError, NftablesMissingError

BOTH = Translation(versions=(4, 6), ports=(32768, 65535))
NATIVE = (ip_network("10.244.0.0/16"), ip_network("fd00:244::/56"))
NODES = frozenset(map(ip_network, ("192.168.10.100/32", "192.168.10.102/32", "fd00:10::100/128")))
ADDRESSES = Addresses(
    pods=frozenset(map(ip_network, ("10.9.0.0/24", "fd00:9::/64"))), cluster=NODES
)
PLAIN = table_parts(decision_order(native=NATIVE), BOTH, ADDRESSES)


def full() -> dict[str, Part]:
    """A table with a rule of each kind that there is."""
    policies = [
        Rule(
            name="by-ports",
            origin=Origin.POLICY,
            action=Action.DEVICE,
            destinations=(Destination(ip_network("10.0.0.0/8"), (ip_network("10.2.0.0/16"),)),),
            ports=(PortRange(6, 443, 445), PortRange(17, 53, 53), PortRange(1)),
        ),
        Rule(
            name="one-address",
            origin=Origin.POLICY,
            action=Action.ADDRESS,
            addresses=(ip_address("192.168.10.77"),),
        ),
        Rule(
            name="one-address-6",
            origin=Origin.POLICY,
            action=Action.ADDRESS,
            addresses=(ip_address("fd00::77"),),
        ),
        Rule(
            name="of-some-pods",
            origin=Origin.POLICY,
            action=Action.KEEP,
            pods=PodSelector(pool="blue"),
            ports=(PortRange(132),),
        ),
    ]
    excluded = tuple(map(ip_network, ("10.10.1.0/24", "10.10.2.0/24", "fe80::/10")))
    settings = Translation(
        versions=(4, 6),
        ports=(32768, 65535),
        random_fully=True,
        interfaces=("eth0", "wl*"),
        sources=(RouteSource("eth1", ip_network("::/0"), ip_address("fd00:10::100")),),
    )
    rows = decision_order(native=(ip_network("0.0.0.0/0"),), policies=policies, excluded=excluded)
    selected = set(map(ip_network, ("10.9.0.5/32", "fd00:9::5/128")))
    return table_parts(rows, settings, replace(ADDRESSES, selected={5: selected}))


def nft(netns: str, *words: str) -> str:
    """Run nft in the namespace, as an administrator does."""
    return run("nsenter", f"--net={netns}", "nft", *words)


TAKING = table_parts(decision_order(native=NATIVE), replace(BOTH, taking_over=True), ADDRESSES)


@pytest.mark.parametrize(
    "wanted",
    [PLAIN, full(), TAKING, hook_alone()],
    ids=["plain", "full", "taking over", "handed over"],
)
async def test_what_is_written_is_what_is_read(node: str, wanted: dict[str, Part]) -> None:
    target = NftablesTarget(Nftables(node), lambda: Wanted(1, wanted))

    assert await target.put(wanted) == {}

    assert await NftablesTarget(Nftables(node), lambda: Wanted(1, wanted)).observe() == wanted


async def test_who_waits_for_parts_is_told_when_they_stand(node: str) -> None:
    target = NftablesTarget(Nftables(node), lambda: Wanted(1, PLAIN))
    waiting = asyncio.ensure_future(target.reached(1))
    await target.observe()
    assert not waiting.done()

    await target.put(PLAIN)

    async with asyncio.timeout(5):
        await waiting
    assert "chain decide" in nft(node, "list", "table", "inet", "ciliate")


async def test_who_waits_is_told_though_something_else_is_wanted_by_then(node: str) -> None:
    more = Addresses(pods=ADDRESSES.pods, cluster=NODES | {ip_network("192.168.10.1/32")})
    grown = table_parts(decision_order(native=NATIVE), BOTH, more)
    wanted = [Wanted(1, PLAIN)]
    target = NftablesTarget(Nftables(node), lambda: wanted[-1])
    waiting = asyncio.ensure_future(target.reached(1))
    later = asyncio.ensure_future(target.reached(2))

    putting = asyncio.ensure_future(target.put(PLAIN))
    await asyncio.sleep(0)
    wanted.append(Wanted(2, grown))  # While it is written.
    await putting

    async with asyncio.timeout(5):
        await waiting
    assert not later.done()
    later.cancel()


async def test_second_put_of_the_same_writes_nothing(node: str) -> None:
    target = NftablesTarget(Nftables(node), lambda: Wanted(1, PLAIN))
    await target.put(PLAIN)
    before = nft(node, "-a", "list", "ruleset")

    assert await target.put(PLAIN) == {}

    assert nft(node, "-a", "list", "ruleset") == before  # Also every handle.
    assert set(target.left_alone) == set(PLAIN)


@pytest.mark.parametrize(
    "words",
    [
        ("flush", "ruleset"),
        ("delete", "table", "inet", "ciliate"),
        ("flush", "chain", "inet", "ciliate", "decide"),
        ("insert", "rule", "inet", "ciliate", "decide", "accept"),
        ("delete", "element", "inet", "ciliate", "cluster4", "{ 192.168.10.100 }"),
        ("add", "element", "inet", "ciliate", "cluster6", "{ 2001:db8::/32 }"),
        ("add", "chain", "inet", "ciliate", "foreign"),
    ],
    ids=lambda words: " ".join(words[:2]) + " " + words[-1],
)
async def test_what_somebody_does_to_the_table_is_seen_and_healed(
    node: str, words: tuple[str, ...]
) -> None:
    target = NftablesTarget(Nftables(node), lambda: Wanted(1, PLAIN))
    await target.put(PLAIN)
    nft(node, *words)

    found = await target.observe()
    await target.put({name: part for name, part in PLAIN.items() if found.get(name) != part})
    await target.remove([name for name in found if name not in PLAIN])

    assert dict(found) != PLAIN
    assert await target.observe() == PLAIN


async def test_table_that_went_since_it_was_read_comes_back_whole(node: str) -> None:
    more = Addresses(pods=ADDRESSES.pods, cluster=NODES | {ip_network("192.168.10.1/32")})
    grown = table_parts(decision_order(native=NATIVE), BOTH, more)
    target = NftablesTarget(Nftables(node), lambda: Wanted(1, grown))
    await target.put(PLAIN)
    nft(node, "flush", "ruleset")

    assert await target.put({"cluster4": grown["cluster4"]}) == {}

    assert await target.observe() == grown


async def test_parts_that_are_named_no_more_go(node: str) -> None:
    wanted = full()
    target = NftablesTarget(Nftables(node), lambda: Wanted(1, wanted))
    await target.put(wanted)
    wanted = PLAIN

    await target.put(PLAIN)
    assert await target.remove(full().keys() - PLAIN.keys()) == {}

    assert await target.observe() == PLAIN


async def test_table_goes_with_its_last_part_and_others_stay(node: str) -> None:
    nft(node, "add table inet others { chain c { type nat hook postrouting priority 100; }; }")
    others = nft(node, "list", "ruleset")
    target = NftablesTarget(Nftables(node), lambda: Wanted(1, {}))
    await target.put(PLAIN)
    await target.observe()

    assert await target.remove(list(PLAIN)) == {}

    assert nft(node, "list", "ruleset") == others


async def test_refused_transaction_leaves_what_stood(node: str) -> None:
    target = NftablesTarget(Nftables(node), lambda: Wanted(1, PLAIN))
    await target.put(PLAIN)
    before = nft(node, "list", "ruleset")

    with pytest.raises(NftablesError, match=r"write nftables rules: .*No such file"):
        await Nftables(node).transact("flush ruleset\nadd rule inet absent nowhere accept\n")

    assert nft(node, "list", "ruleset") == before


async def test_missing_program_fails_every_key_with_the_remedy(
    node: str,
) -> None:
    target = NftablesTarget(Nftables(node, path="/nowhere"), lambda: Wanted(1, PLAIN))

    failures = await target.put(PLAIN)

    assert failures.keys() == PLAIN.keys()
    with pytest.raises(NftablesMissingError, match=r"install the package nftables.*enable-bpf"):
        await target.observe()


async def test_ten_thousand_ranges_are_replaced_by_others_in_little_time(node: str) -> None:
    def parts(first: int) -> dict[str, Part]:
        excluded = [ip_network((i * 512 + first, 24)) for i in range(1 << 14, (1 << 14) + 10_000)]
        return table_parts(decision_order(native=NATIVE, excluded=excluded), BOTH, ADDRESSES)

    wanted = parts(0)
    target = NftablesTarget(Nftables(node), lambda: Wanted(1, wanted))
    assert await target.put(wanted) == {}
    wanted = parts(256)

    assert await target.put(wanted) == {}

    assert await target.observe() == wanted
