"""What does an agent cost: memory, and time from its start until a pod can be added?

A node with 20 pods; the agent takes them over at every start. Two ways to start it: forked from the
lab's warm interpreter, as every lab does (`forked`), and with an interpreter and imports of its own,
as on a real node (`alone`). It is ready when it takes CNI requests. Then the cluster grows by pods
of a further node, of which this agent only hears: what it keeps of each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from benchmarks.agent_process import Start, forked_start, observe_memory, own_start
from benchmarks.cluster import Cluster, Node, cluster
from benchmarks.ipcache_map import await_entries, open_ipcache
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Candidate, Measurement, Metric, interleave
from benchmarks.report import Answer
from benchmarks.simulated_pods import create_all

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS, AddressPair, CiliumEndpoint
from ciliate.api.cilium_node import (
    CILIUM_NODES,
    CiliumNode,
    CiliumNodeAddress,
    CiliumNodeSpec,
    NodeIPAM,
)
from ciliate.api.metadata import ObjectMeta

QUESTION: Final = "what does an agent cost, on a node with 20 pods?"

_PODS: Final = 20

#: Further pods of the cluster: a step's, and how many steps; one step before does not count.
_STEP_PODS: Final = 1000
_STEPS: Final = 9

#: The node of the further pods. They are of its pod CIDR: others would each cost a route as well.
_FURTHER_NODE_IP: Final = "192.168.10.150"
_FURTHER_NODE: Final = CiliumNode(
    metadata=ObjectMeta(name="further"),
    spec=CiliumNodeSpec(
        addresses=(CiliumNodeAddress(type="InternalIP", ip=_FURTHER_NODE_IP),),
        ipam=NodeIPAM(pod_cidrs=("10.245.0.0/16",)),
    ),
)


@dataclass(frozen=True, slots=True)
class _Figure:
    metric: Metric
    value: Callable[[Start], float]
    limit: float | None  # docs/BENCHMARKS.md, "Budgets".


_FIGURES: Final = (
    _Figure(Metric("start to ready", "s", Better.LOWER), lambda start: start.ready_s, 1.0),
    _Figure(
        Metric("RSS with 20 pods", "MiB", Better.LOWER),
        lambda start: start.memory.rss_kib / 1024,
        90.0,
    ),
    _Figure(
        Metric("PSS with 20 pods", "MiB", Better.LOWER),
        lambda start: start.memory.pss_kib / 1024,
        None,
    ),
)


def _start_alone(lab: Cluster, node: Node) -> Start:
    with own_start(lab, node) as start:
        return start


def _endpoint_of(template: CiliumEndpoint, number: int) -> CiliumEndpoint:
    """Return the endpoint of the cluster's further pod `number`, in all else like `template`."""
    networking = template.status.networking
    assert networking is not None, "the template is a pod that runs"
    address = f"10.245.{number >> 8}.{number & 255}"
    changed = msgspec.structs.replace(
        networking, addressing=(AddressPair(ipv4=address),), node=_FURTHER_NODE_IP
    )
    return CiliumEndpoint(
        metadata=ObjectMeta(name=f"further-{number}", namespace="default"),
        status=msgspec.structs.replace(template.status, networking=changed),
    )


def _grow(lab: Cluster, start: Start, options: Options) -> tuple[float, ...]:
    """Add pods to the cluster, step by step; return the KiB per pod so far after each step.

    A mean since the first step: tables double in size now and then, and one step shows all or nothing.
    """
    text = lab.kubectl("get", "ciliumendpoint", "pod-0", "--output=json")
    template = msgspec.json.decode(text, type=CiliumEndpoint)
    kubeconfig = lab.directory / "kubeconfig"
    create_all(kubeconfig, CILIUM_NODES, [_FURTHER_NODE])
    first_kib, averages = 0, []
    with open_ipcache(start.process) as ipcache:
        known = ipcache.count()
        for step in range(_STEPS + 1):
            options.show(f"agent_cost: {(step + 1) * _STEP_PODS} further pods")
            numbers = range(step * _STEP_PODS, (step + 1) * _STEP_PODS)
            pods = [_endpoint_of(template, number) for number in numbers]
            create_all(kubeconfig, CILIUM_ENDPOINTS, pods)
            await_entries(ipcache, known + numbers.stop)
            rss_kib = observe_memory(start.process).rss_kib
            if step == 0:
                first_kib = rss_kib
            else:
                averages.append((rss_kib - first_kib) / (step * _STEP_PODS))
    return tuple(averages)


def _measurements(
    forked: tuple[Start, ...], alone: tuple[Start, ...], further_kib: tuple[float, ...]
) -> tuple[Measurement, ...]:
    """Return the figures of all starts, and of the growth."""
    measurements = []
    for figure in _FIGURES:
        samples = {
            "forked": tuple(map(figure.value, forked)),
            "alone": tuple(map(figure.value, alone)),
        }
        budgets = [Budget(name, None, figure.limit) for name in samples if figure.limit]
        measurements.append(Measurement(figure.metric, samples, budgets=tuple(budgets)))
    growth = Metric("RSS per further pod of the cluster", "KiB", Better.LOWER)
    budget = Budget("alone", None, 2.0)
    return (*measurements, Measurement(growth, {"alone": further_kib}, budgets=(budget,)))


def measure(options: Options) -> Answer:
    """Measure forked starts, then starts alone, then growth."""
    if not options.ciliate:
        return Answer("agent_cost", QUESTION, ())
    with cluster(nodes=2) as lab:
        node = lab.nodes[0]
        lab.start_pods({f"pod-{number}": node for number in range(_PODS)})
        options.show("agent_cost: forked")
        candidate = Candidate("forked", lambda: forked_start(lab, node))
        forked = interleave([candidate], rounds=options.rounds)["forked"]
        lab.withdraw_agents()
        options.show("agent_cost: alone")
        candidate = Candidate("alone", lambda: _start_alone(lab, node))
        alone = interleave([candidate], rounds=options.rounds)["alone"]
        with own_start(lab, node) as start:
            further_kib = _grow(lab, start, options)
    notes = (
        "forked: from the lab's warm interpreter; alone: with interpreter and imports of its own",
        f"per further pod: RSS over up to {_STEP_PODS * _STEPS} pods, the average so far",
    )
    return Answer("agent_cost", QUESTION, _measurements(forked, alone, further_kib), notes)
