"""`routing/feature.py`: applying what changed comes to the same as a full walk."""

import asyncio

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import (
    NODE,
    NODE_IP,
    all_listed,
    cilium_endpoint,
    cilium_node,
)
from tests.unit.node.endpoint_samples import endpoint
from tests.unit.routing.route_kernel import RoutingNode, worker

from ciliate.api.cilium_endpoint import CiliumEndpoint, EndpointState
from ciliate.api.cilium_node import CiliumNode
from ciliate.node.endpoint import Endpoint

#: The last octets of addresses that the three workers have, now or after they changed them.
WORKER_IPS = (101, 102, 103, 151, 152, 153)
WORKERS = st.builds(
    lambda number, first, cidrs: worker(number, *cidrs, ip=f"192.168.10.{first + number}"),
    st.integers(1, 3),
    st.sampled_from((100, 150)),
    st.lists(
        st.sampled_from(("10.244.0.0/24", "10.244.0.0/26", "10.244.0.64/26", "10.244.1.0/24")),
        min_size=1,
        max_size=2,
        unique=True,
    ),
)
OWN = st.sampled_from(("10.244.0.0/24", "10.244.1.0/24")).map(
    lambda cidr: cilium_node(NODE, str(NODE_IP), cidr)
)
#: Each pod has one address: of two with the same, the one that said so last counts.
ADDRESSES = {"a": "10.244.0.7", "b": "10.244.0.70", "c": "10.244.1.7", "d": "10.9.0.7"}
PODS = st.builds(
    lambda name, ip: cilium_endpoint(name, ADDRESSES[name], node=f"192.168.10.{ip}"),
    st.sampled_from(tuple(ADDRESSES)),
    st.sampled_from((100, *WORKER_IPS, 109)),
)
ENDPOINTS = st.builds(
    lambda number, state: endpoint(number, ifindex=10 + number, state=state),
    st.sampled_from((7, 70)),
    st.sampled_from((EndpointState.READY, EndpointState.DISCONNECTING)),
)


@settings(max_examples=200)
@given(
    changes=st.lists(
        st.tuples(st.just("node"), WORKERS | OWN)
        | st.tuples(st.just("pod"), PODS)
        | st.tuples(st.just("pod is gone"), st.sampled_from(tuple(ADDRESSES)))
        | st.tuples(st.just("endpoint"), ENDPOINTS)
        | st.tuples(st.just("endpoint is gone"), st.sampled_from((7, 70)))
        | st.tuples(st.just("unreachable"), st.sets(st.sampled_from(WORKER_IPS), max_size=2))
        | st.tuples(st.just("settle"), st.none()),
        max_size=12,
    )
)
@example(  # A pod that a node's former address names, in a CIDR that comes to another node.
    changes=[
        ("node", worker(1, "10.244.0.0/24", ip="192.168.10.101")),
        ("node", worker(1, "10.244.0.0/24", ip="192.168.10.151")),
        ("pod", cilium_endpoint("a", "10.244.0.7", node="192.168.10.101")),
        ("settle", None),
        ("node", cilium_node(NODE, str(NODE_IP), "10.244.0.0/24")),
    ]
)
def test_applying_what_changed_leaves_nothing_for_a_walk_and_nothing_for_the_next_agent(
    changes: list[tuple[str, object]],
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(_change_and_walk(RoutingNode(monkeypatch), changes))


async def _change_and_walk(node: RoutingNode, changes: list[tuple[str, object]]) -> None:
    all_listed(node.cluster)
    await node.start()
    await node.pass_all()
    for kind, what in changes:
        await _change(node, kind, what)
    await node.pass_touched()
    node.kernel.written.clear()

    await node.pass_all()
    assert node.kernel.written == []

    await node.restart()
    await node.pass_all()
    assert node.kernel.written == []


async def _change(node: RoutingNode, kind: str, what: object) -> None:
    match kind, what:
        case "node", CiliumNode():
            publish(node.cluster.nodes, what)
        case "pod is gone", str():
            withdraw(node.cluster.endpoints, what, "default")
        case "endpoint is gone", int():
            node.table.remove(what)
        case "unreachable", set():
            node.kernel.unreachable = {f"192.168.10.{number}" for number in what}
            node.feature._reachability.ask_anew()
        case "settle", _:
            await node.pass_touched()
        case "pod", CiliumEndpoint():
            publish(node.cluster.endpoints, what)
        case "endpoint", Endpoint():
            node.table.put(what)
