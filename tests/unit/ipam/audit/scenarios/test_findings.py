"""Every finding of the audit as a user reads it, compared with findings.txt, which was reviewed.

A change of what is found, said or advised is a change of that file:
`RECORD_FINDINGS=1 pytest tests/unit/ipam/audit/scenarios` writes it, `git diff` shows it.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import msgspec
from tests.unit.ipam.audit.audited_cluster import (
    GOOD,
    NOBODY,
    audit,
    cilium_node,
    endpoint,
    node,
    pod,
    report,
    with_node,
)
from tests.unit.ipam.audit.audited_node import AGREEING, ENDPOINT, OTHER, POD, ROUTER, V4, V6, held

from ciliate.api.cilium_endpoint import CiliumEndpoint, EndpointStatus
from ciliate.api.ipam_audit import Finding
from ciliate.ipam.audit.cluster_snapshot import PoolRange, ServiceRange
from ciliate.ipam.audit.node import audit_node
from ciliate.ipam.audit.node_snapshot import Interface, ListedPod, MapEntry, NodeSnapshot
from ciliate.ipam.cidr_set import Cidr

RECORDED = Path(__file__).with_name("findings.txt")

GONE = ("default", "gone")
#: A pod that ends, listed first: what is said of those after it must not end with it.
ENDING = ListedPod(("default", "ending"), (), leaving=True)
LONELY = replace(
    ENDPOINT, number=18, pod=("default", "b"), addresses=(OTHER,), interface="lxc2", ifindex=8
)


def node_cases() -> dict[str, NodeSnapshot]:
    """Return snapshots of one node in each of which one thing disagrees."""
    seen = AGREEING
    pods = {ENDING.pod: ENDING, **seen.pods}
    leaked = replace(
        seen,
        allocator=(
            *seen.allocator,
            held(OTHER, "default/gone"),
            held(IPv4Address("10.0.0.8"), "x"),
        ),
    )
    second = replace(ENDPOINT, number=18, pod=("default", "b"), interface="lxc2", ifindex=8)
    return {
        "addresses that the allocator alone knows": leaked,
        "held, its Pod is here": replace(leaked, pods={**pods, GONE: ListedPod(GONE, ())}),
        "held, its CiliumEndpoint is here": replace(
            leaked, published={**seen.published, GONE: ()}
        ),
        "held, a Pod has it": replace(
            leaked, pods={**pods, GONE: ListedPod(GONE, (OTHER,), leaving=True)}
        ),
        "held, a CiliumEndpoint has it": replace(
            leaked, published={**seen.published, ("x", "y"): (OTHER,)}
        ),
        "held, the map endpoints has it": replace(
            leaked, delivered={**seen.delivered, OTHER: MapEntry(99, 9)}
        ),
        "held, the map interfaces has it": replace(leaked, sources={**seen.sources, 9: (OTHER,)}),
        "held, a route leads to it": replace(
            leaked,
            interfaces=(*seen.interfaces, Interface("lxc9", 9, is_up=True, routed=(OTHER,))),
        ),
        "an endpoint's address is free": replace(
            seen, allocator=(held(ROUTER, "router"), held(V4, "default/a"))
        ),
        "an endpoint's address is another's": replace(
            seen, allocator=(held(ROUTER, "router"), held(V6, "default/a"), held(V4, "default/c"))
        ),
        "two endpoints with one address": replace(seen, endpoints=(ENDPOINT, second)),
        "the router has no address": replace(seen, router_link=()),
        "the router's address is nobody's": replace(seen, allocator=seen.allocator[1:]),
        "the router's address is a pod's": replace(
            seen, allocator=(held(ROUTER, "default/c"), *seen.allocator[1:])
        ),
        "an interface without endpoint": replace(
            seen,
            interfaces=(
                *seen.interfaces,
                Interface("lxc8", 8, is_up=True, routed=()),
                Interface("lxc9", 9, is_up=True, routed=(OTHER,)),
            ),
        ),
        "interfaces that are gone, or others": replace(
            seen,
            endpoints=(LONELY, ENDPOINT),
            interfaces=(replace(seen.interfaces[0], ifindex=70),),
        ),
        "no interface, and another without route": replace(
            seen,
            endpoints=(LONELY, ENDPOINT),
            interfaces=(replace(seen.interfaces[0], routed=(V4,)),),
        ),
        "an interface that is down": replace(
            seen, interfaces=(replace(seen.interfaces[0], is_up=False),)
        ),
        "a pod changed its network": replace(seen, inside={17: "no default route"}),
        "map entries without endpoint": replace(
            seen,
            delivered={**seen.delivered, OTHER: MapEntry(99, 9)},
            sources={**seen.sources, 9: (OTHER, V4), 10: ()},
        ),
        "map entries that are missing": replace(seen, delivered={V6: MapEntry(17, 7)}),
        "map entries to another interface": replace(
            seen, delivered={V4: MapEntry(17, 70), V6: MapEntry(17, 7)}
        ),
        "map entries of another plugin's pod that are missing": replace(
            seen,
            endpoints=(replace(ENDPOINT, ours=False, external_ipam=True),),
            allocator=seen.allocator[:1],
            interfaces=(),
            delivered={},
        ),
        "a pod may not send": replace(seen, sources={7: (V6,)}),
        "no source at all": replace(seen, sources={}),
        "a Pod without endpoint": replace(seen, pods={**pods, GONE: ListedPod(GONE, (OTHER,))}),
        "a Pod with another address": replace(
            seen, pods={ENDING.pod: ENDING, POD: ListedPod(POD, (OTHER,))}
        ),
        "an endpoint without Pod": replace(seen, pods={ENDING.pod: ENDING}),
        "an endpoint of another plugin without Pod": replace(
            seen,
            endpoints=(replace(ENDPOINT, ours=False, external_ipam=True),),
            allocator=seen.allocator[:1],
            pods={},
        ),
        "an endpoint known by its interface alone": replace(
            seen, endpoints=(replace(ENDPOINT, pod=("", "lxc1")),), pods={}, published={}
        ),
        "a CiliumEndpoint without endpoint": replace(
            seen, published={GONE: (OTHER,), **seen.published}
        ),
        "a CiliumEndpoint with another address": replace(seen, published={POD: (OTHER,)}),
        "no CiliumEndpoint": replace(seen, published={}),
        "no CiliumEndpoint of a pod that ends": replace(
            seen, published={}, pods={POD: ListedPod(POD, (V4, V6), leaving=True)}
        ),
        "all that is leaving": replace(
            seen, leaving=frozenset({17}), interfaces=(), delivered={}, sources={}, published={}
        ),
    }


def cluster_cases() -> dict[str, dict[str, Any]]:
    """Return what to change in a cluster that agrees."""
    lacking = cilium_node("b", error="no block is left")
    waiting = msgspec.structs.replace(report("b", held={}), waiting="an IPv4 CIDR")
    only_a = {"pods": GOOD["pods"][:1], "endpoints": GOOD["endpoints"][:1]}
    drains = with_node(other=cilium_node("b", "10.0.1.0/24", draining="10.0.7.0/24"))
    nameless = msgspec.structs.replace(endpoint("q", "b", "10.0.1.5"), status=EndpointStatus())
    return {
        "CIDRs that nobody can read": {
            "cilium_nodes": (
                *GOOD["cilium_nodes"],
                cilium_node("c", "10.0.2.1/24", "ten", "10.9.0.0/24", draining="10.0.3.0/99"),
            ),
            "nodes": (*GOOD["nodes"], node("c")),
        },
        "two nodes with one CIDR": {
            "cilium_nodes": (
                cilium_node("a", "10.0.0.0/24", "10.0.0.0/26"),
                cilium_node("b", "10.0.0.0/25", "10.0.1.0/24", created="2026-02-01T00:00:00Z"),
            )
        },
        "a CIDR that another still drains": {
            "cilium_nodes": with_node(
                other=cilium_node("b", "10.0.1.0/24", draining="10.0.0.0/24,10.0.1.0/25")
            ),
        },
        "CIDRs outside of the pools": {
            "cilium_nodes": with_node(other=cilium_node("b", "10.0.1.0/24", "10.7.0.0/24"))
        },
        "CIDRs and no pool": {"ranges": ()},
        "CIDRs outside of their pool": {
            **NOBODY,
            "mode": "multi-pool",
            "cilium_nodes": (
                cilium_node("a", pools={"x": ("10.0.0.0/24",)}),
                cilium_node("b", pools={"y": ("10.0.1.0/24",), "z": ("10.9.0.0/24",)}),
            ),
            "ranges": (
                PoolRange("x", Cidr.parse("10.0.0.0/16")),
                PoolRange("y", Cidr.parse("10.1.0.0/16")),
                PoolRange("y", Cidr.parse("10.2.0.0/16")),
            ),
        },
        "ranges that share addresses": {
            "ranges": (
                PoolRange("one", Cidr.parse("10.0.0.0/16")),
                PoolRange("two", Cidr.parse("10.0.0.0/17")),
                PoolRange("three", Cidr.parse("10.1.0.0/16")),
            ),
        },
        "a range with Services, and one full of them": {
            "ranges": (
                PoolRange("pods", Cidr.parse("10.0.0.0/8")),
                PoolRange("lost", Cidr.parse("10.96.7.0/24")),
            ),
            "services": tuple(
                ServiceRange(f"Service {n}", Cidr.parse(f"10.96.{n}.0/24")) for n in range(5, 10)
            ),
        },
        "a range with nodes": {"ranges": (PoolRange("pods", Cidr.parse("192.168.0.0/16")),)},
        "a CIDR over Services and a node": {
            "cilium_nodes": with_node(
                other=cilium_node("b", "10.0.1.0/24", "10.96.1.0/24", "192.168.0.0/24")
            ),
        },
        "a CIDR over a node, of Kubernetes": {
            "mode": "kubernetes",
            "ranges": (),
            "nodes": (node("a", "10.0.0.0/24"), node("b", "10.0.1.0/24", "192.168.0.0/24")),
            "cilium_nodes": with_node(other=cilium_node("b", "10.0.1.0/24", "192.168.0.0/24")),
        },
        "fields of multi-pool": {
            "cilium_nodes": with_node(
                other=cilium_node("b", "10.0.1.0/24", pools={"x": ("10.0.2.0/24", "10.0.3.0/24")})
            )
        },
        "fields of other modes": {"mode": "multi-pool"} | NOBODY,
        "no Node": {"nodes": (node("a"),)},
        "no Node, and one after it without CIDR": {
            "nodes": (node("b"),),
            "cilium_nodes": (GOOD["cilium_nodes"][0], cilium_node("b")),
        }
        | only_a,
        "the operator has a problem": {"cilium_nodes": with_node(other=lacking)} | only_a,
        "no CIDR, and the agent waits": {
            "cilium_nodes": with_node(other=cilium_node("b")),
            "reports": {"b": waiting},
        }
        | only_a,
        "no CIDR is needed": {
            "mode": "delegated-plugin",
            "cilium_nodes": with_node(other=cilium_node("b")),
            "plugins_addresses": True,
            "ranges": (),
        },
        "not what Kubernetes gave": {
            "mode": "kubernetes",
            "ranges": (),
            "nodes": (node("a", "10.0.0.0/24"), node("b", "10.0.8.0/24")),
        },
        "what Kubernetes gave is no CIDR": {
            "mode": "kubernetes",
            "ranges": (),
            "nodes": (node("a", "10.0.0.0/24"), node("b", "10.0.1.1/24")),
        },
        "drained though nobody is there, its agent not asked": {"cilium_nodes": drains},
        "drained though nobody is there, its agent asked": {
            "cilium_nodes": drains,
            "reports": {"b": report("b", held={"10.0.1.0/24": ("current", 2)})},
        },
        "an agent that uses other CIDRs": {
            "reports": {
                "a": report(
                    "a", held={"10.0.9.0/24": ("current", 1), "10.0.8.0/24": ("draining", 1)}
                ),
                "b": report("b", held={"10.0.1.0/24": ("current", 1)}),
            }
        },
        "an agent that uses none": {"reports": {"a": report("a", held={})}},
        "two Pods with one address": {
            "pods": (*GOOD["pods"], pod("twin", "b", "10.0.0.5")),
            "endpoints": (*GOOD["endpoints"], endpoint("twin", "b", "10.0.0.5")),
        },
        "two Pods with one address, and no CiliumEndpoint of it": {
            "pods": (*GOOD["pods"], pod("twin", "a", "10.0.0.5")),
        },
        "a CiliumEndpoint of no Pod with the address of one": {
            "endpoints": (*GOOD["endpoints"], endpoint("gone", "192.168.7.7", "10.0.0.5"))
        },
        "CiliumEndpoints of no Pod and of no node": {
            "endpoints": (
                CiliumEndpoint(metadata=nameless.metadata),
                endpoint("gone", "b", "10.0.1.9"),
                endpoint("q", "192.168.7.7", "10.0.1.5"),
                endpoint("p", "", "10.0.0.5"),
            )
        },
        "a CiliumEndpoint outside of its node's CIDRs": {
            "pods": (GOOD["pods"][0], pod("q", "b", "10.0.3.5")),
            "endpoints": (GOOD["endpoints"][0], endpoint("q", "b", "10.0.3.5")),
        },
        "a CiliumEndpoint with another address than its Pod": {
            "pods": (GOOD["pods"][0], pod("q", "b", "10.0.1.99"))
        },
        "one with another address of a node nobody knows": {
            "pods": (GOOD["pods"][0], pod("q", "b", "10.0.1.99")),
            "endpoints": (GOOD["endpoints"][0], endpoint("q", "192.168.7.7", "10.0.1.5")),
        },
    }


def rendered(case: str, findings: Iterable[Finding]) -> Iterator[str]:
    """Yield the case and each of its findings, as lines."""
    yield f"# {case}"
    none = True
    for each in findings:
        none = False
        yield f"{each.severity.value} {each.kind}: {each.object}" + f" (node {each.node})" * bool(
            each.node
        )
        yield from (f"    {said.source}: {said.says}".rstrip() for said in each.evidence)
        yield f"    -> {each.remedy}"
    if none:
        yield "nothing"
    yield ""


def test_findings_are_those_that_were_recorded() -> None:
    lines: list[str] = []
    for case, seen in node_cases().items():
        lines += rendered(f"node: {case}", audit_node(seen))
    for case, changes in cluster_cases().items():
        lines += rendered(f"cluster: {case}", audit(**changes))
    if os.environ.get("RECORD_FINDINGS"):
        RECORDED.write_text("\n".join(lines), encoding="utf-8")

    assert lines == RECORDED.read_text(encoding="utf-8").split("\n")
