"""What would stop a migration, found beforehand. Pure.

Settings that agents or operator would refuse, pools that do not exist or are too small, ranges
that overlap nodes or Services: each would otherwise stop the migration on one of its nodes.
"""

import contextlib
from collections.abc import Iterator, Mapping

from ciliate.api.cilium_node import DRAINING_ANNOTATION
from ciliate.api.node_cidrs import NodeCIDRError
from ciliate.cli.ipam.migration import pools as pool_facts
from ciliate.cli.ipam.migration.model import ClusterState, NodeState, Problem
from ciliate.cli.process_agents import restart_by_hand
from ciliate.config.installation import Installation
from ciliate.config.settings import parse_agent_settings
from ciliate.errors import CiliateError, SettingError
from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.operator.settings import parse_ipam_settings, read_ranges
from ciliate.net.address import IPAddress, ip_address


def find_problems(state: ClusterState, config: Mapping[str, str]) -> tuple[Problem, ...]:
    """Return what would stop the cluster from moving to these settings, worst first.

    Refused settings are found by `refused_settings` before; here they can be parsed.
    """
    by_mode = {"kubernetes": _kubernetes, "cluster-pool": _cluster_pool, "multi-pool": _multi_pool}
    found = [*by_mode[config["ipam"]](state, config)]
    for node in state.nodes:
        found += [*_unready(node, state.installation), *_unreadable(node)]
    found += _uncovered(state, config)
    return tuple(sorted(found, key=lambda problem: not problem.fatal))


def refused_settings(config: Mapping[str, str], config_map: str) -> Iterator[Problem]:
    """Yield settings, of the ConfigMap of that name, that agents or operator would not start with."""
    reported = set()
    for parse in (parse_agent_settings, parse_ipam_settings):
        try:
            parse(config)
        except SettingError as error:
            if error.key not in reported:
                reported.add(error.key)
                text = f"{error.value!r} {error.problem}"
                yield Problem(f"{config_map}: {error.key}", text, error.remedy)
        except CiliateError as error:
            yield Problem(config_map, str(error), "correct it")


def _kubernetes(state: ClusterState, config: Mapping[str, str]) -> Iterator[Problem]:
    for node in state.nodes:
        try:
            versions = {each.cidr.version for each in pool_facts.from_kubernetes(config, node)}
        except NodeCIDRError as error:
            about = f"node {node.name}: {error.field}"
            yield Problem(about, f"{error.text!r} is no CIDR that agents read", "correct it")
            continue
        for version in pool_facts.versions(config):
            if version not in versions:
                yield Problem(
                    f"node {node.name}",
                    f"Kubernetes has given it no IPv{version} CIDR (Node.spec.podCIDRs)",
                    "let kube-controller-manager run with --allocate-node-cidrs and a cluster CIDR"
                    " of this family",
                )


def _cluster_pool(state: ClusterState, config: Mapping[str, str]) -> Iterator[Problem]:
    for version in pool_facts.versions(config):
        ranges = read_ranges(config, version)
        about = f"{state.installation.config_map}: cluster-pool-ipv{version}-cidr"
        yield from _too_small(about, ranges.cidrs, ranges.block_length, len(state.nodes))
        yield from _overlaps(about, ranges.cidrs, state)


def _multi_pool(state: ClusterState, config: Mapping[str, str]) -> Iterator[Problem]:
    for name, pool in state.pools.items():
        for field, text in pool_facts.unusable_ranges(pool):
            yield Problem(
                f"CiliumPodIPPool {name}: {field}",
                f"{text!r} is no CIDR of that family without host bits",
                f"correct it: kubectl edit ciliumpodippool {name}",
            )
    known = pool_facts.pools_to_be(config, state.pools)
    default = config.get("ipam-default-ip-pool") or "default"
    for name in dict.fromkeys((default, *pool_facts.needed_pools(config))):
        if name not in known:
            yield Problem(
                f"CiliumPodIPPool {name}",
                "does not exist and is not created",
                "create it, or give it with --set ipam.operator.autoCreateCiliumPodIPPools=...",
            )
            continue
        cidrs, masks = known[name]
        for version in pool_facts.versions(config):
            mine = [cidr for cidr in cidrs if Cidr.parse(cidr).version == version]
            if not mine:
                yield Problem(
                    f"CiliumPodIPPool {name}",
                    f"has no IPv{version} range, and enable-ipv{version} is on",
                    f"add an IPv{version} range to it",
                )
            else:
                nodes = len(state.nodes)
                yield from _too_small(f"CiliumPodIPPool {name}", mine, masks[version], nodes)
    for name, (cidrs, _) in known.items():
        yield from _overlaps(f"CiliumPodIPPool {name}", cidrs, state)


def _too_small(
    about: str, cidrs: tuple[str, ...] | list[str], block_length: int, nodes: int
) -> Iterator[Problem]:
    blocks = sum(1 << max(0, block_length - Cidr.parse(cidr).length) for cidr in cidrs)
    count = "1 block" if blocks == 1 else f"{blocks} blocks"
    if blocks < nodes:
        yield Problem(
            about,
            f"{' '.join(cidrs)} has {count} of /{block_length} for {nodes} nodes",
            "add a range, or make the blocks smaller",
        )


def _overlaps(about: str, cidrs: tuple[str, ...], state: ClusterState) -> Iterator[Problem]:
    for text in cidrs:
        cidr = Cidr.parse(text)
        for service in state.service_cidrs:
            if Cidr.parse(str(service)).overlaps(cidr):
                yield Problem(about, f"{text} overlaps the Services' {service}", "choose another")
        for node in state.nodes:
            for address in _internal_ips(node):
                if cidr.contains(Cidr.host(address.version, int(address))):
                    yield Problem(
                        about,
                        f"{text} holds node {node.name}'s own address {address}",
                        "choose another",
                    )


def _unready(node: NodeState, names: Installation) -> Iterator[Problem]:
    if node.agent is None:
        yield Problem(
            f"node {node.name}",
            "no agent runs there",
            f"see `kubectl -n {names.namespace} get ds {names.agent_daemonset_name}`",
        )
    elif node.agent.is_process and not node.agent.ready:
        yield Problem(
            f"node {node.name}",
            "its agent has no pod, and does not say that it is ready",
            "start it",
        )
    elif node.agent.is_process:
        yield Problem(
            f"node {node.name}",
            "this command cannot restart its agent",
            f"do it when the migration waits for it: {restart_by_hand([node.name])}",
            fatal=False,
        )
    elif not node.agent.ready:
        why = f": {node.agent.trouble}" if node.agent.trouble else ""
        yield Problem(
            f"node {node.name}",
            f"its agent {node.agent.pod} is not ready{why}",
            "repair it first",
        )


def _unreadable(node: NodeState) -> Iterator[Problem]:
    """Yield CIDRs that agents ignore: which pods have addresses in them is not known."""
    found = node.cilium_node
    if found is None:
        return
    fields = [("spec.ipam.podCIDRs", text) for text in found.spec.ipam.pod_cidrs]
    for pool in found.spec.ipam.pools.allocated:
        fields += [("spec.ipam.pools.allocated", text) for text in pool.cidrs]
    fields += [(DRAINING_ANNOTATION, text) for text in found.draining_cidrs]
    for field, text in fields:
        if pool_facts.strict_cidr(text) is None:
            yield Problem(
                f"CiliumNode {node.name}: {field}",
                f"{text!r} is no CIDR without host bits: agents ignore it",
                f"correct it: kubectl edit ciliumnode {node.name}",
            )


def _uncovered(state: ClusterState, config: Mapping[str, str]) -> Iterator[Problem]:
    """Yield ranges of pods outside the native routing CIDR: traffic to them is masqueraded."""
    reported: set[str] = set()
    for version, text in pool_facts.new_ranges(state, config):
        key = f"ipv{version}-native-routing-cidr"
        native = config.get(key, "")
        try:
            covered = bool(native) and Cidr.parse(native).contains(Cidr.parse(text))
        except ValueError:
            return
        if native and not covered and key not in reported:
            reported.add(key)
            yield Problem(
                f"{state.installation.config_map}: {key}",
                f"{native} does not hold {text}, out of which pods will have addresses",
                f"--set {key}={text}, unless that is meant",
                fatal=False,
            )


def _internal_ips(node: NodeState) -> Iterator[IPAddress]:
    for address in node.node.status.addresses:
        if address.type == "InternalIP":
            with contextlib.suppress(ValueError):  # Its agent reports it.
                yield ip_address(address.address)
