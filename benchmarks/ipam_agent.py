"""How fast does a node give its pods addresses, and what does a pool without a CIDR cost?

The allocator alone, in this process: nine tenths of the addresses are held; each step frees one,
chosen at random, and gives one. Then a lab in multi-pool mode: the first pod of a pool that its
node has no CIDR of, from its creation to its being ready.
"""

import gc
import random
import time
import tracemalloc
from ipaddress import ip_network
from typing import Final

from benchmarks.cluster import Cluster, cluster
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Measurement, Metric
from benchmarks.report import Answer

from ciliate.ipam.node import NodeAddresses

QUESTION: Final = "how fast does a node give its pods addresses?"

_CIDRS: Final = ("10.0.0.0/24", "10.0.0.0/16", "fd00::/64")
_PAIRS: Final = 200_000
#: Nine tenths of an IPv6 /64 are too many; as many as of the /16 are held.
_HELD_MAX: Final = 58_980
_FULL: Final = 0.9
_WEIGHED: Final = 10_000

_POOLS: Final = "ipam.operator.autoCreateCiliumPodIPPools.default.ipv4"
_MULTI_POOL: Final = (
    "ipam.mode=multi-pool",
    f"{_POOLS}.cidrs={{10.240.0.0/16}}",
    f"{_POOLS}.maskSize=27",
    "ipv4NativeRoutingCIDR=10.0.0.0/8",
)


def pairs_a_second(cidr: str) -> float:
    """Return how many times a second an address is freed and one is given, nine tenths held."""
    network = ip_network(cidr)
    node = NodeAddresses((network.version,))
    node.set_current({"default": [network]})
    held = min(int(node.held[0].block.usable * _FULL), _HELD_MAX)
    pods = [node.allocate(f"default/pod-{number}") for number in range(held)]
    random.Random(held).shuffle(pods)
    gc.collect()
    begin = time.perf_counter()
    for step in range(_PAIRS):
        place = step % held
        node.release(pods[place])
        pods[place] = node.allocate("default/pod")
    return _PAIRS / (time.perf_counter() - begin)


def kib_an_address(cidr: str) -> float:
    """Return the memory of the allocator by address in use, its owner's name included, in KiB."""
    network = ip_network(cidr)
    node = NodeAddresses((network.version,))
    tracemalloc.start()
    try:
        node.set_current({"default": [network]})
        held = min(node.held[0].block.usable, _WEIGHED)
        for number in range(held):
            node.allocate(f"default/pod-{number}")
        size, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return size / 1024 / held


def first_pod_s(place: Cluster, pool: str, subnet: int) -> float:
    """Return the seconds from creating the first pod of a new pool to its being ready."""
    cidr = f"10.{subnet}.0.0/16"
    place.create(
        [
            {
                "apiVersion": "cilium.io/v2alpha1",
                "kind": "CiliumPodIPPool",
                "metadata": {"name": pool},
                "spec": {"ipv4": {"cidrs": [cidr], "maskSize": 27}},
            }
        ]
    )
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pool, "annotations": {"ipam.cilium.io/ip-pool": pool}},
        "spec": {
            "nodeName": place.nodes[1].name,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": "traefik/whoami"}],
        },
    }
    begin = time.perf_counter()
    place.create([pod])
    place.kubectl("wait", "--for=condition=Ready", "--timeout=30s", f"pod/{pool}")
    return time.perf_counter() - begin


def measure(options: Options) -> Answer:
    """Measure the allocator alone, then pods of new pools in a lab."""
    rounds = range(options.rounds)
    speeds = {cidr: tuple(pairs_a_second(cidr) for _ in rounds) for cidr in _CIDRS}
    sizes = {cidr: (kib_an_address(cidr),) for cidr in _CIDRS}
    pods: list[float] = []
    if options.ciliate:
        options.show("ipam_agent: first pods of new pools")
        with cluster(nodes=2, settings=_MULTI_POOL) as place:
            pods = [first_pod_s(place, f"pool-{n}", n + 1) for n in rounds]
    return Answer(
        "ipam_agent",
        QUESTION,
        (
            Measurement(
                Metric("address freed and given, 90 % held", "1/s", Better.HIGHER),
                speeds,
                budgets=tuple(Budget(cidr, None, 200_000) for cidr in _CIDRS),
            ),
            Measurement(Metric("memory by address in use", "KiB", Better.LOWER), sizes),
            *(
                [
                    Measurement(
                        Metric("first pod of a new pool, ready", "s", Better.LOWER),
                        {"multi-pool": tuple(pods)},
                        budgets=(Budget("multi-pool", None, 1.0),),
                    )
                ]
                if pods
                else ()
            ),
        ),
        notes=(
            "freed in random order; of the IPv6 /64 as many are held as of the /16",
            "first pod: two kubectl calls included; the CNI ADD in it waits for the CIDR",
        ),
    )
