"""Refuse I/O, clocks and chance in modules that only decide; `make check` runs it.

A module is pure by its name wherever it stands, or by its package, or because it is listed here.
A pure module imports what is allowed here and other pure modules, nothing else: so no chain of
imports leads from it to an adapter, and a module of the standard library that is not listed is
refused rather than overlooked. What no import shows (`open`, `datetime.now`, `await`) is refused by
its use.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

#: Pure wherever they stand: `ciliate.<anything>.plan`.
NAMES: Final = frozenset({"model", "plan", "allocator", "decode", "filter"})

#: Pure packages and modules, whatever is in them: one line each. The rest of a feature's
#: package may do I/O.
PURE: Final = (
    "ciliate.datapath.connection_carry",
    "ciliate.errors",
    "ciliate.net",
    "ciliate.api",
    "ciliate.config",
    "ciliate.ipam",
    "ciliate.load_balancer_ipam",
    "ciliate.bgp.agent.status",
    "ciliate.bgp.announcements",
    "ciliate.bgp.communities",
    "ciliate.bgp.conditions",
    "ciliate.bgp.families",
    "ciliate.node.announced_services",
    "ciliate.bgp.operator.verdicts",
    "ciliate.bgp.report",
    "ciliate.bgp.session_state",
    "ciliate.bgp.show",
    "ciliate.bgp.speaker_config",
    "ciliate.lab.container.spec",
    "ciliate.lab.dns.answer",
    "ciliate.lab.dns.cluster_zone",
    "ciliate.lab.dns.endpoint_names",
    "ciliate.lab.dns.internet_zone",
    "ciliate.lab.dns.objects",
    "ciliate.lab.dns.records",
    "ciliate.lab.dns.wire",
    "ciliate.lab.monitoring.scraping",
    "ciliate.lab.monitoring.targets",
    "ciliate.identity.errors",
    "ciliate.identity.labels",
    "ciliate.identity.numbers",
    "ciliate.identity.report",
    "ciliate.identity.show",
    "ciliate.identity.status",
    "ciliate.l2_announcements.frames",
    "ciliate.l2_announcements.lease_names",
    "ciliate.l2_announcements.operator.verdicts",
    "ciliate.l2_announcements.patterns",
    "ciliate.l2_announcements.report",
    "ciliate.routing.claims",
    "ciliate.routing.errors",
    "ciliate.routing.reserved",
    "ciliate.routing.route_mtus",
    "ciliate.routing.show",
    "ciliate.routing.status",
    "ciliate.masquerade.explain.answer",
    "ciliate.masquerade.explain.question",
    "ciliate.masquerade.explain.reasons",
    "ciliate.masquerade.explain.telling",
    "ciliate.masquerade.agent_list",
    "ciliate.masquerade.compile",
    "ciliate.masquerade.connections",
    "ciliate.masquerade.policy.book",
    "ciliate.masquerade.policy.classes",
    "ciliate.masquerade.policy.errors",
    "ciliate.masquerade.policy.read",
    "ciliate.masquerade.policy.selectors",
    "ciliate.masquerade.prefix_search",
    "ciliate.masquerade.report",
    "ciliate.masquerade.rules",
    "ciliate.masquerade.ports.alarms",
    "ciliate.masquerade.ports.book",
    "ciliate.masquerade.ports.metrics",
    "ciliate.masquerade.ports.report",
    "ciliate.masquerade.nftables.model",
    "ciliate.masquerade.nftables.script",
    "ciliate.services.addresses",
    "ciliate.services.adoption",
    "ciliate.services.backend_address",
    "ciliate.services.backend_sets",
    "ciliate.services.book",
    "ciliate.services.capacity",
    "ciliate.services.explain.answer",
    "ciliate.services.explain.judging",
    "ciliate.services.explain.question",
    "ciliate.services.frontend_table",
    "ciliate.services.frontends",
    "ciliate.services.health_answers",
    "ciliate.services.host_ports",
    "ciliate.services.local_pods",
    "ciliate.services.maglev",
    "ciliate.services.map_keys",
    "ciliate.services.metrics",
    "ciliate.services.murmur3",
    "ciliate.services.node_addresses",
    "ciliate.services.numbers",
    "ciliate.services.port_range",
    "ciliate.services.problem_changes",
    "ciliate.services.read",
    "ciliate.services.report",
    "ciliate.services.serving",
    "ciliate.services.service_list",
    "ciliate.services.show",
    "ciliate.services.slots",
    "ciliate.services.verdicts",
    "ciliate.services.status",
    "ciliate.masquerade.show",
    "ciliate.masquerade.table_entries",
    "ciliate.masquerade.status",
    "ciliate.endpoint.report",
    "ciliate.endpoint.show",
    "ciliate.endpoint.status",
    "ciliate.endpoint.operator.settings",
    "ciliate.identity.operator.settings",
    "ciliate.ipam.operator.families",
    "ciliate.ipam.operator.missing_nodes",
    "ciliate.ipam.operator.node_cidrs",
    "ciliate.ipam.operator.node_states",
    "ciliate.ipam.operator.pool_trends",
    "ciliate.ipam.operator.report",
    "ciliate.ipam.operator.settings",
    "ciliate.flows.feed",
    "ciliate.flows.filter_json",
    "ciliate.flows.harmless",
    "ciliate.flows.message_json",
    "ciliate.flows.operator.settings",
    "ciliate.flows.printed_fields",
    "ciliate.flows.relay.objects",
    "ciliate.flows.source_file",
    "ciliate.flows.tls_names",
    "ciliate.flows.server.candidates",
    "ciliate.flows.server.conditions",
    "ciliate.flows.server.errors",
    "ciliate.flows.server.export.backups",
    "ciliate.flows.server.export.counts",
    "ciliate.flows.server.export.errors",
    "ciliate.flows.server.export.families",
    "ciliate.flows.server.export.flow_log",
    "ciliate.flows.server.export.log_list",
    "ciliate.flows.server.export.static_log",
    "ciliate.flows.server.field_mask",
    "ciliate.flows.server.flow_answer",
    "ciliate.flows.server.flow_message",
    "ciliate.flows.server.flow_request",
    "ciliate.flows.server.http_conditions",
    "ciliate.flows.server.message_view",
    "ciliate.flows.server.metrics.answers",
    "ciliate.flows.server.metrics.context_labels",
    "ciliate.flows.server.metrics.counted",
    "ciliate.flows.server.metrics.counters",
    "ciliate.flows.server.metrics.departures",
    "ciliate.flows.server.metrics.empty_families",
    "ciliate.flows.server.metrics.groups",
    "ciliate.flows.server.metrics.series",
    "ciliate.flows.server.name_table",
    "ciliate.flows.server.patterns",
    "ciliate.flows.server.record_ring",
    "ciliate.flows.server.record_view",
    "ciliate.flows.server.selectors",
    "ciliate.flows.server.service_table",
    "ciliate.flows.server.tenures",
    "ciliate.flows.server.view",
    "ciliate.readiness.settings",
    "ciliate.readiness.statement",
    "ciliate.node.device_selection",
    "ciliate.node.endpoint",
    "ciliate.node.errors",
    "ciliate.node.known_node",
    "ciliate.node.known_pod",
    "ciliate.cluster.partial_decode",
    "ciliate.cluster.views",
    "ciliate.reconcile.listeners",
    "ciliate.metrics.family",
    "ciliate.metrics.histogram",
    "ciliate.cni.call",
    "ciliate.cni.environment",
    "ciliate.cni.errors",
    "ciliate.cni.frame",
    "ciliate.cni.plugin_result",
    "ciliate.cni.request",
    "ciliate.cni.result",
    "ciliate.cni.result_shape",
    "ciliate.cni.version",
    "ciliate.system.admission",
    "ciliate.lab.errors",
    "ciliate.lab.objects",
    "ciliate.lab.controllers.progress",
    "ciliate.lab.controllers.room",
    "ciliate.lab.controllers.topology",
    "ciliate.lab.controllers.trigger_times",
    "ciliate.lab.kubelet.configuration",
    "ciliate.lab.kubelet.downward",
    "ciliate.lab.kubelet.environment",
    "ciliate.lab.kubelet.errors",
    "ciliate.lab.kubelet.probe_schedule",
    "ciliate.lab.kubelet.resolver",
    "ciliate.lab.kubelet.service_links",
    "ciliate.lab.kubelet.unsupported_fields",
    "ciliate.lab.kubelet.volumes",
    "ciliate.lab.kubelet.spdy.errors",
    "ciliate.lab.kubelet.spdy.frames",
    "ciliate.lab.kubelet.spdy.header_block",
    "ciliate.cli.doctor.assumed_sizes",
    "ciliate.cli.doctor.conclusion",
    "ciliate.cli.doctor.echo_packet",
    "ciliate.cli.doctor.notes",
    "ciliate.cli.doctor.outcome",
    "ciliate.cli.doctor.pairs",
    "ciliate.cli.doctor.path_classes",
    "ciliate.cli.doctor.segments",
    "ciliate.cli.doctor.size_search",
    "ciliate.cli.doctor.verdicts",
    "ciliate.cli.doctor.words",
    "ciliate.cli.ipam.migration.pools",
    "ciliate.cli.ipam.migration.problems",
    "ciliate.cli.process_agents",
    "ciliate.cli.trace.calls",
    "ciliate.cli.trace.collector",
    "ciliate.cli.trace.connection",
    "ciliate.cli.trace.destination",
    "ciliate.cli.trace.drop_reasons",
    "ciliate.cli.trace.errors",
    "ciliate.cli.trace.event",
    "ciliate.cli.trace.hop_text",
    "ciliate.cli.trace.packets",
    "ciliate.cli.trace.remarks",
    "ciliate.cli.trace.sought",
    "ciliate.cli.trace.way",
    "ciliate.console.nearest",
)

#: Folders of a pure package that hold a feature's part of a process, which acts.
PROCESSES: Final = frozenset({"agent", "operator"})

#: Modules that a rule above takes for pure, and why they are not.
NOT_PURE: Final = {
    "ciliate.flows.operator.plan": "signs what it decides on: a key is chance",
    "ciliate.api.definitions": "reads the YAML files beside it",
    "ciliate.cli.ipam.plan": "the command `ciliate ipam plan` asks the API and prints",
}

#: Imported by pure modules without being one, and why that does no harm.
TRUSTED: Final = {
    "ciliate": "its version",
    "ciliate.apiserver.quantities": "computes; its package shows the server's settings",
    "ciliate.cli.hubble.drop_texts": "a table; its package sets gRPC's environment",
    "ciliate.cli.hubble.event_names": "tables; its package sets gRPC's environment",
    "ciliate.datapath.codec": "how values are octets; takes byte order from sys",
    "ciliate.flows.pb.flow.flow_pb2": "generated messages of proto/flow/flow.proto",
    "ciliate.flows.pb.observer.observer_pb2": "generated messages of proto/observer/observer.proto",
    "ciliate.datapath.layout": "generated values of bpf/abi.h; takes byte order from socket",
}

#: Modules of others that compute and do nothing else.
ALLOWED: Final = frozenset(
    """
    __future__ abc array base64 binascii bisect collections contextlib copy dataclasses datetime
    dns.exception dns.flags dns.message dns.name dns.opcode dns.rcode dns.rdata dns.rdataclass
    dns.rdatatype dns.rdtypes.ANY.CNAME dns.rdtypes.ANY.NS dns.rdtypes.ANY.PTR
    dns.rdtypes.ANY.SOA dns.rdtypes.ANY.TXT dns.rdtypes.IN.A dns.rdtypes.IN.AAAA
    dns.rdtypes.IN.SRV dns.renderer dns.reversename dns.rrset
    difflib enum fractions functools
    google.protobuf.descriptor google.protobuf.field_mask_pb2 google.protobuf.json_format
    google.protobuf.message google.protobuf.timestamp_pb2 google.protobuf.wrappers_pb2
    hashlib heapq ipaddress itertools json math msgspec numbers operator re re2
    string struct textwrap types typing typing_extensions urllib.parse socket.htons sys.byteorder uuid.UUID zlib
    """.split()  # noqa: SIM905 - thirty lines say no more.
)

_IO_FUNCTIONS: Final = frozenset({"open", "print", "input", "exec", "eval", "__import__"})
#: Of datetime.datetime and datetime.date.
_CLOCKS: Final = frozenset({"now", "utcnow", "today"})
_COROUTINES: Final = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)


def main() -> None:
    """Print each breach as file, line and reason; end with 1 when there is any."""
    found = list(breaches(Path("src")))
    for line in found:
        print(line)
    if found:
        sys.exit(f"{len(found)} breaches of purity: decide here, act elsewhere (tools/purity.py)")


def module_name(path: Path) -> str:
    """Return the dotted name of a path below `src`."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_pure(path: Path) -> bool:
    """Whether the module at a path below `src` must be pure."""
    return is_pure_module(module_name(path))


def is_pure_module(module: str) -> bool:
    """Whether `module` must be pure: by its name, its package or its entry in the list."""
    if module in NOT_PURE:
        return False
    if module.rpartition(".")[2] in NAMES:
        return True
    return any(_covers(entry, module) for entry in PURE)


def _covers(entry: str, module: str) -> bool:
    """Whether `module` is the entry or stands in it, and not in a process's part of it."""
    if module == entry:
        return True
    folders = module.removeprefix(f"{entry}.").split(".")[:-1]
    return module.startswith(f"{entry}.") and PROCESSES.isdisjoint(folders)


def breaches(source: Path) -> Iterator[str]:
    """Yield every breach in the tree below `source`, the folder that holds `ciliate`."""
    paths = sorted(source.rglob("*.py"))
    pure = {path for path in paths if is_pure(path.relative_to(source))}
    # Importing a module runs the packages around it.
    around = {folder / "__init__.py" for path in pure for folder in path.parents}
    for path in paths:
        if path in pure or path in around:
            yield from breaches_in(path, source)


def breaches_in(path: Path, source: Path) -> Iterator[str]:
    """Yield the breaches in one module that must be pure."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for reason in _reasons(node, source):
            yield f"{path}:{getattr(node, 'lineno', 1)}: {reason}"


def _reasons(node: ast.AST, source: Path) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (_refusal(alias.name) for alias in names if not _may_import(alias.name))
        case ast.ImportFrom(level=level) if level:
            yield "imports by a relative name, which tells no reader what"
        case ast.ImportFrom(module=str(module), names=names):
            for name in _imported(module, names, source):
                if not _may_import(name):
                    yield _refusal(name)
        case ast.Call(func=ast.Name(id=name)) if name in _IO_FUNCTIONS:
            yield f"calls {name}()"
        case ast.Attribute(attr=name) if name in _CLOCKS:
            yield f"reads a clock: {ast.unparse(node)}"
        case _ if isinstance(node, _COROUTINES):
            yield "waits for something: no coroutine is pure"


def _imported(module: str, names: list[ast.alias], source: Path) -> Iterator[str]:
    """Yield the modules that `from module import names` brings in: submodules, or `module`."""
    folder = source.joinpath(*module.split("."))
    for alias in names:
        is_module = (folder / f"{alias.name}.py").exists() or (folder / alias.name).is_dir()
        yield (
            f"{module}.{alias.name}"
            if is_module or f"{module}.{alias.name}" in ALLOWED
            else module
        )


def _may_import(module: str) -> bool:
    if module.partition(".")[0] == "ciliate":
        return module in TRUSTED or is_pure_module(module)
    return module in ALLOWED or module.partition(".")[0] in ALLOWED


def _refusal(module: str) -> str:
    return f"imports {module}, which is not pure"


if __name__ == "__main__":
    main()
