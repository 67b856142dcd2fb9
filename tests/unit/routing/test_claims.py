"""`routing/claims.py`: which node each pod CIDR belongs to when several claim it."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from ciliate.net.address import IPAddress, IPNetwork, to_octets
from ciliate.node.known_node import KnownNode
from ciliate.routing.claims import CIDRClaims

LOCAL = "k8s-ctr"
CIDRS = tuple(
    map(
        ip_network,
        (
            "10.244.0.0/16",
            "10.244.0.0/24",
            "10.244.0.0/26",
            "10.244.1.0/24",
            "fd00::/96",
        ),
    )
)
ADDRESSES = tuple(
    map(
        ip_address,
        (
            "10.244.0.7",
            "10.244.0.70",
            "10.244.0.200",
            "10.244.1.7",
            "10.244.9.7",
            "10.9.0.1",
            "fd00::7",
            "fd00::1:0:0:7",
        ),
    )
)


def node(
    name: str, *cidrs: IPNetwork, draining: Iterable[IPNetwork] = (), created: str = ""
) -> KnownNode:
    return KnownNode(
        name=name,
        internal_ips=(),
        other_addresses=(),
        pod_cidrs=cidrs,
        is_local=name == LOCAL,
        draining_cidrs=tuple(draining),
        created=created,
    )


def claimants(nodes: Iterable[KnownNode], cidr: IPNetwork) -> list[KnownNode]:
    """Return who claims a CIDR, the strongest first: the rule, written down."""

    def rank(known: KnownNode) -> tuple[bool, bool, str, str]:
        return cidr not in known.pod_cidrs, not known.is_local, known.created, known.name

    claiming = (each for each in nodes if cidr in (*each.pod_cidrs, *each.draining_cidrs))
    return sorted(claiming, key=rank)


def owner(nodes: Iterable[KnownNode], address: IPAddress) -> str | None:
    """Return the node of the longest CIDR that holds an address."""
    nodes = list(nodes)
    containing = [cidr for cidr in CIDRS if address in cidr and claimants(nodes, cidr)]
    if not containing:
        return None
    return claimants(nodes, max(containing, key=lambda cidr: cidr.prefixlen))[0].name


def route_owner(nodes: Iterable[KnownNode], cidr: IPNetwork) -> str | None:
    """Return the strongest other node, unless this one has the CIDR now."""
    claiming = claimants(nodes, cidr)
    if any(each.is_local and cidr in each.pod_cidrs for each in claiming):
        return None
    return next((each.name for each in claiming if not each.is_local), None)


NODES = st.builds(
    lambda name, cidrs, draining, second: node(
        name, *cidrs, draining=draining, created=f"2026-01-01T00:00:0{second}Z"
    ),
    st.sampled_from(["a", LOCAL, "z"]),
    st.lists(st.sampled_from(CIDRS), unique=True, max_size=3),
    st.lists(st.sampled_from(CIDRS), unique=True, max_size=3),
    st.integers(0, 1),
)
CHANGES = st.lists(NODES | st.sampled_from(["a", LOCAL, "z"]), max_size=12)


@given(changes=CHANGES)
def test_current_claims_go_before_draining_ones_then_this_node_then_the_eldest(
    changes: list[KnownNode | str],
) -> None:
    claims = CIDRClaims()
    nodes: dict[str, KnownNode] = {}

    for change in changes:
        name = change if isinstance(change, str) else change.name
        before = nodes.pop(name, None)
        after = None if isinstance(change, str) else change
        if after is not None:
            nodes[name] = after
        claims.update(before, after)

        all_nodes = list(nodes.values())
        assert set(claims) == {cidr for cidr in CIDRS if claimants(all_nodes, cidr)}
        for cidr in CIDRS:
            assert claims.route_owner(cidr) == route_owner(all_nodes, cidr), cidr
        for address in ADDRESSES:
            assert claims.owner_of(to_octets(address)) == owner(all_nodes, address), address


@given(changes=CHANGES)
def test_change_names_every_cidr_and_every_node_that_it_concerns(
    changes: list[KnownNode | str],
) -> None:
    """Pods of a node that is not named are not inspected: their routes would be wrong."""
    claims = CIDRClaims()
    nodes: dict[str, KnownNode] = {}

    for change in changes:
        routes = {cidr: claims.route_owner(cidr) for cidr in CIDRS}
        owners = {address: claims.owner_of(to_octets(address)) for address in ADDRESSES}
        name = change if isinstance(change, str) else change.name
        before = nodes.pop(name, None)
        after = None if isinstance(change, str) else change
        if after is not None:
            nodes[name] = after

        concerned = claims.update(before, after)

        assert concerned.cidrs >= {
            cidr for cidr in CIDRS if claims.route_owner(cidr) != routes[cidr]
        }
        for address, former in owners.items():
            now = claims.owner_of(to_octets(address))
            if now != former:
                assert concerned.nodes >= {each for each in (former, now) if each is not None}, (
                    address
                )


def test_newcomer_with_a_smaller_name_takes_no_cidr_from_an_elder_node() -> None:
    claims = CIDRClaims()
    claims.update(None, node("k8s-w1", CIDRS[3], created="2026-01-01T00:00:00Z"))

    claims.update(None, node("a-newcomer", CIDRS[3], created="2026-01-02T00:00:00Z"))

    assert claims.route_owner(CIDRS[3]) == "k8s-w1"
    assert claims.owner_of(to_octets(ip_address("10.244.1.7"))) == "k8s-w1"


def test_node_that_says_the_same_again_changes_no_cidr() -> None:
    claims = CIDRClaims()
    known = node("a", CIDRS[0], draining=[CIDRS[1]])
    claims.update(None, known)

    assert claims.update(known, known).cidrs == set()


def test_owner_of_a_cidr_in_which_another_has_a_smaller_one_is_named_when_it_loses_it() -> None:
    """A cluster goes from /24s to smaller blocks: its first one begins where the /24 does."""
    former = node("a", draining=[ip_network("10.244.0.0/24")])
    claims = CIDRClaims()
    claims.update(None, former)
    claims.update(None, node("b", ip_network("10.244.0.0/26")))

    concerned = claims.update(None, node("c", ip_network("10.244.0.0/24")))

    assert claims.owner_of(to_octets(ip_address("10.244.0.200"))) == "c"
    assert "a" in concerned.nodes, "its pods in the rest of the CIDR are displaced now"
