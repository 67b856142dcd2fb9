"""`masquerade/nftables/script.py`: what one transaction says."""

from ipaddress import ip_network

from ciliate.masquerade.nftables.model import AddressSet, Chain, Parts, Rule
from ciliate.masquerade.nftables.script import deletion, difference, removal, replacement

NODES = AddressSet(4, frozenset({ip_network("192.168.10.100/32"), ip_network("10.1.0.0/24")}))
KEEP = Chain.of(Rule("ip daddr @nodes accept", "nodes"))
HOOKED = Chain.of(Rule("goto keep", "all"), hook="type nat hook postrouting priority 101;")
WHOLE: Parts = {"nodes": NODES, "keep": KEEP, "hooked": HOOKED}


def test_whole_table_is_made_from_what_is_referred_to_on() -> None:
    assert replacement(WHOLE).splitlines() == [
        "add table inet ciliate",
        "delete table inet ciliate",
        "add table inet ciliate",
        "add set inet ciliate nodes { type ipv4_addr; flags interval; }",
        "add element inet ciliate nodes { 10.1.0.0/24, 192.168.10.100/32 }",
        "add chain inet ciliate keep",
        "add chain inet ciliate hooked { type nat hook postrouting priority 101; }",
        f'add rule inet ciliate keep ip daddr @nodes accept comment "{KEEP.comments[0]}"',
        f'add rule inet ciliate hooked goto keep comment "{HOOKED.comments[0]}"',
    ]


def test_part_that_stands_is_filled_anew_and_never_made() -> None:
    """A table that is gone meanwhile must fail the transaction, not come back in part."""
    fewer = AddressSet(4, frozenset({ip_network("10.1.0.0/24")}))

    assert difference({"nodes": fewer}, WHOLE) == (
        "flush set inet ciliate nodes\nadd element inet ciliate nodes { 10.1.0.0/24 }\n"
    )
    assert difference({"keep": KEEP}, WHOLE) == (
        "flush chain inet ciliate keep\n"
        f'add rule inet ciliate keep ip daddr @nodes accept comment "{KEEP.comments[0]}"\n'
    )


def test_part_that_stands_as_something_else_needs_the_whole_table() -> None:
    assert difference({"nodes": AddressSet(6, frozenset())}, WHOLE) is None
    assert difference({"nodes": KEEP}, WHOLE) is None
    assert difference({"keep": NODES}, WHOLE) is None
    assert difference({"hooked": Chain.of(*HOOKED.rules, hook="other")}, WHOLE) is None


def test_chains_go_before_the_sets_that_they_name() -> None:
    assert deletion(["nodes", "keep", "unknown"], WHOLE).splitlines() == [
        "flush chain inet ciliate keep",
        "delete chain inet ciliate keep",
        "delete set inet ciliate nodes",
    ]


def test_removal_of_a_table_that_is_not_there_succeeds() -> None:
    assert removal() == "add table inet ciliate\ndelete table inet ciliate\n"


def test_rule_of_another_text_is_another_rule() -> None:
    assert Chain.of(Rule("accept", "why")) == Chain("", (Rule("accept", "why").comment,))
    assert Chain.of(Rule("accept", "why")) != Chain.of(Rule("drop", "why"))
    assert len(Rule("accept", "x" * 300).comment) < 128
