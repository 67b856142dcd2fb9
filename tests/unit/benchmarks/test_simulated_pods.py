"""What simulated nodes and pods look like to an agent."""

from ipaddress import IPv4Address, IPv4Network

from benchmarks.simulated_pods import (
    FIRST_IDENTITY,
    IDENTITIES,
    NODES,
    PODS_MAX,
    SPARE_PLACES,
    SimulatedPod,
    identities,
    identity_number,
    nodes,
)

from ciliate.identity.numbers import IDENTITY_MAX, IDENTITY_MIN


def cidr_of(node: int) -> IPv4Network:
    return IPv4Network(nodes()[node].spec.ipam.pod_cidrs[0])


def test_no_two_pods_have_one_address() -> None:
    addresses = {SimulatedPod.initial(number).address for number in range(15_000)}

    assert len(addresses) == 15_000


def test_a_pod_is_on_the_node_that_its_address_is_of() -> None:
    for number in (0, 1, NODES - 1, NODES, 14_999):
        pod = SimulatedPod.initial(number)
        networking = pod.endpoint().status.networking
        assert networking is not None
        node = number % NODES
        assert pod.address in cidr_of(node)
        assert networking.addressing[0].ipv4 == str(pod.address)
        assert networking.node == nodes()[node].spec.addresses[0].ip


def test_the_last_place_that_a_pod_may_get_is_an_address_of_its_node() -> None:
    last = SimulatedPod(0, place=PODS_MAX + SPARE_PLACES - 1, identity=0)

    assert last.address in cidr_of(NODES - 1)
    assert last.address != cidr_of(NODES - 1).broadcast_address


def test_simulated_nodes_share_neither_addresses_nor_cidrs() -> None:
    every = nodes()

    assert len({node.spec.addresses[0].ip for node in every}) == NODES
    assert len({cidr for node in every for cidr in node.spec.ipam.pod_cidrs}) == NODES


def test_simulated_nodes_keep_clear_of_the_labs_own() -> None:
    """Its first nodes are .100 and .101, its router .200, its nodes' pods of 10.244.0.0/16."""
    hosts = [IPv4Address(node.spec.addresses[0].ip).packed[3] for node in nodes()]
    own = IPv4Network("10.244.0.0/16")

    assert min(hosts) > 101
    assert max(hosts) < 200
    assert not any(cidr_of(node).overlaps(own) for node in (0, NODES - 1))


def test_every_identity_of_a_pod_is_one_that_a_cluster_may_give() -> None:
    numbers = {int(identity.metadata.name) for identity in identities()}
    given = SimulatedPod.initial(IDENTITIES + 1).endpoint().status.identity

    assert len(numbers) == IDENTITIES
    assert IDENTITY_MIN <= FIRST_IDENTITY == min(numbers)
    assert max(numbers) <= IDENTITY_MAX
    assert given is not None
    assert given.id == identity_number(1)
