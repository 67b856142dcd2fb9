"""Where the truth table's Services are: a dual-stack lab, its pods, and the Services of each kind.

Each Service has all kinds of frontends, on a port of its own: cluster IP, node port, an address of a
load balancer, an external IP that is no machine's. So a Service of the table is the endpoints that
it has and the policies that choose among them. A pod stands on each node for those who ask, and one
for those who answer; their servers have different ports behind one name.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import TOOLS, FaultyNode, fault_lab
from tests.lab.services.speaker import ANSWER_S, SILENCE_S, Answer, Call, Speaker
from tests.lab.services.truth_table import DROPPED, Case
from tests.lab.services.written import wait_written

#: Machines by their names in the table.
NODES: Final = {"ctr": "k8s-ctr", "w1": "k8s-w1"}

#: Pods by name: where, at which port they answer, their labels.
PODS: Final = {
    "pod ctr": ("ctr", 9100, {"app": "caller"}),
    "pod w1": ("w1", 9101, {"app": "caller"}),
    "server ctr": ("ctr", 9000, {"serves": "both", "at": "ctr"}),
    "server w1": ("w1", 9001, {"serves": "both", "at": "w1"}),
    "host w1": ("w1", 9002, {"at": "host"}),  # On its node's network.
}

_ADDRESSES: Final = {
    "ctr": ("192.168.10.100", "fd00:192:168:10::100"),
    "w1": ("192.168.10.101", "fd00:192:168:10::101"),
    "eth0": ("10.0.2.15", "fd00:10:0:2::15"),  # Of every machine.
    "host w1": ("192.168.10.101", "fd00:192:168:10::101"),
    "router": ("192.168.10.200", "fd00:192:168:10::200"),
    "loop1": ("10.10.1.200", "fd00:10:10:1::200"),
    "internet": ("203.0.113.10", "2001:db8:113::10"),
    "gateway": ("10.0.2.2", "fd00:10:0:2::2"),
    "loopback": ("127.0.0.1", "::1"),
    "service loopback": ("169.254.42.1", "64:ff9b:1::a9fe:2a01"),
}

#: Any address of the node that calls: toward its own pods its stack chooses one.
ITSELF: Final = "itself"

#: Where the router and the internet answer.
_OUTER_PORT: Final = 9003

#: A pod's hostPort, and a port that nothing has.
HOST_PORT: Final = 8900
_UNKNOWN_PORT: Final = 7999

#: Addresses of load balancers, and of nobody: what pods send there leaves the cluster.
_BALANCER: Final = ("198.51.100.{}", "2001:db8:100::{}")
_EXTERNAL: Final = ("203.0.113.77", "2001:db8:113::77")

#: The router's ways to what only nodes have, by the mark of a socket.
_MARKS: Final = {"ctr": 1, "w1": 2}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Endpoints of a hand-made EndpointSlice: where, and the conditions that differ from ready."""

    places: tuple[str, ...]
    conditions: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """A Service: which pods it selects or which slices it has, and the fields that decide."""

    selects: dict[str, str] | None = None
    slices: tuple[Endpoints, ...] = ()
    spec: dict[str, Any] = field(default_factory=dict)
    external_on: str = ""  # The node whose address is its external IP.


_LOCAL_OUT: Final = {"externalTrafficPolicy": "Local"}
_LOCAL_IN: Final = {"internalTrafficPolicy": "Local"}
_STICKY: Final = {"sessionAffinity": "ClientIP"}
_ENDING: Final = {"ready": False, "serving": True, "terminating": True}
_FAR: Final = {"at": "w1"}
_BOTH: Final = {"serves": "both"}

#: The Services of the table; the place in this list is the number in ports and addresses.
KINDS: Final = {
    "far": Kind(_FAR),
    "both": Kind(_BOTH),
    "empty": Kind({"at": "nowhere"}),
    "far, local outside": Kind(_FAR, spec=_LOCAL_OUT),
    "far, local inside": Kind(_FAR, spec=_LOCAL_IN),
    "far, local": Kind(_FAR, spec={**_LOCAL_OUT, **_LOCAL_IN}),
    "both, local outside": Kind(_BOTH, spec=_LOCAL_OUT),
    "both, local inside": Kind(_BOTH, spec=_LOCAL_IN),
    "both, local": Kind(_BOTH, spec={**_LOCAL_OUT, **_LOCAL_IN}),
    "empty, local outside": Kind({"at": "nowhere"}, spec=_LOCAL_OUT),
    "both, sticky": Kind(_BOTH, spec=_STICKY),
    "far, sticky": Kind(_FAR, spec=_STICKY),
    "host": Kind({"at": "host"}),
    "host, local outside": Kind({"at": "host"}, spec=_LOCAL_OUT),
    "router": Kind(slices=(Endpoints(("router",)),)),
    "internet": Kind(slices=(Endpoints(("internet",)),)),
    "ending": Kind(slices=(Endpoints(("server w1",), _ENDING),)),
    "ready and ending": Kind(
        slices=(Endpoints(("server ctr",), _ENDING), Endpoints(("server w1",)))
    ),
    "ending there, local outside": Kind(
        slices=(Endpoints(("server ctr",), _ENDING), Endpoints(("server w1",))), spec=_LOCAL_OUT
    ),
    "unready": Kind(slices=(Endpoints(("server w1",), {"ready": False, "serving": False}),)),
    "two slices": Kind(slices=(Endpoints(("server ctr",)), Endpoints(("server w1",)))),
    "ranged": Kind(_FAR, spec={"loadBalancerSourceRanges": ["10.10.1.0/24", "fd00:10:10:1::/64"]}),
    "far, at a node": Kind(_FAR, external_on="ctr"),
    "far, at a node, local outside": Kind(_FAR, spec=_LOCAL_OUT, external_on="w1"),
    "both, sticky, local outside": Kind(_BOTH, spec={**_STICKY, **_LOCAL_OUT}),
}
_NUMBERS: Final = {name: number for number, name in enumerate(KINDS, start=1)}

#: How often a case asks where several may answer.
_REPEATED: Final = 6


@dataclass(slots=True)
class Sites:
    """The lab, with a speaker in each place."""

    lab: Cluster
    addresses: dict[str, tuple[str, ...]]
    speakers: dict[str, Speaker]
    cluster_ips: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def exchange(self, cases: Sequence[Case], mode: str) -> dict[Case, list[Answer]]:
        """Make the calls of cases, all at once, and return what came of each."""
        by_place: dict[str, list[tuple[Case, Call]]] = {}
        for case in cases:
            by_place.setdefault(_place(case), []).append((case, self._call(case, mode)))
        for place, calls in by_place.items():
            self.speakers[place].ask([call for _, call in calls])
        found: dict[Case, list[Answer]] = {}
        for place, calls in by_place.items():
            answers = self.speakers[place].answers()
            found.update(zip((case for case, _ in calls), answers, strict=True))
        return found

    def name_of(self, address: str, *, caller: str) -> str:
        """Return what the table calls an address; of several the caller's own."""
        names = [name for name, held in self.addresses.items() if address in held]
        own = caller.partition(" by ")[0]
        return own if own in names else names[0] if names else address

    def outcome(self, case: Case, answer: Answer, mode: str) -> tuple[str, str]:
        """Return who answered and as whom it saw the caller, or how the call failed, by names."""
        if answer.failed:
            return answer.failed, ""
        if (answer.server, ITSELF) in case.outcomes(mode) and self._is_own(answer.client, case):
            return answer.server, ITSELF
        return answer.server, self.name_of(answer.client, caller=case.caller)

    def _is_own(self, address: str, case: Case) -> bool:
        """Whether the node that calls has an address."""
        node = case.caller.removeprefix("host ")
        return any(
            address in self.addresses[name] for name in (node, f"{node} cilium_host", "eth0")
        )

    def _call(self, case: Case, mode: str) -> Call:
        address, port = self._asked(case)
        caller, _, way = case.caller.partition(" by ")
        at = case.frontend.partition(" ")[2].partition(" ")[0]
        return Call(
            address=address,
            version=case.version,
            port=port,
            protocol=case.protocol,
            within_s=SILENCE_S if case.expected(mode) == DROPPED else ANSWER_S,
            times=_REPEATED if case.is_one_only(mode) or len(case.outcomes(mode)) > 1 else 1,
            source=self._address(caller, case) if caller == "loop1" else "",
            mark=_MARKS.get(way, 0),
            device=NODES.get(at, "") if caller == "internet" else "",
        )

    def _asked(self, case: Case) -> tuple[str, int]:
        """Return the address and port of a frontend of the table."""
        kind, _, at = case.frontend.partition(" ")
        at = "eth0" if at.endswith(" eth0") else at
        if kind == "name":
            port = 8000 + _NUMBERS[case.service] if case.service in KINDS else PODS["server w1"][1]
            return f"{_object_name(case.service)}.default.svc.cluster.local", port
        if kind == "hostPort":
            return self._address(at, case), HOST_PORT
        if kind == "NodePort":
            return self._address(at, case), 30100 + _NUMBERS[case.service]
        port = _UNKNOWN_PORT if at == "unknown" else 8000 + _NUMBERS[case.service]
        match kind:
            case "ClusterIP":
                found = self.cluster_ips[case.service]
            case "LoadBalancer":
                found = balancer(case.service)
            case "externalIP":
                found = self.addresses[at] if at in NODES else _EXTERNAL
            case _:
                raise AssertionError(f"no frontend {case.frontend}")
        return found[case.version == 6], port

    def _address(self, name: str, case: Case) -> str:
        return self.addresses[name][case.version == 6]

    def switch_to_packets(self) -> None:
        """Have pods' calls translated packet by packet."""
        for node in NODES.values():
            FaultyNode(self.lab, node).wait_agent()
        self._configure("socketLB.hostNamespaceOnly=true")

    def switch_remote_node_ports(self) -> None:
        """Have the node that is asked serve its node ports, for who asks inside too."""
        self._configure(
            "socketLB.hostNamespaceOnly=false", "extraConfig.remote-node-port-scope=outside"
        )

    def _configure(self, *values: str) -> None:
        """Have all agents begin anew with Helm values."""
        self.lab.lab("upgrade", *(word for each in values for word in ("--set", each)))
        self.lab.lab("restart", "agent")
        for node in NODES.values():
            FaultyNode(self.lab, node).wait_agent()


def _place(case: Case) -> str:
    caller = case.caller.partition(" by ")[0]
    return "router" if caller == "loop1" else caller


def number(service: str) -> int:
    """Return the number of a Service, in its ports and addresses."""
    return _NUMBERS[service]


def balancer(service: str) -> tuple[str, ...]:
    """Return the addresses that a Service has of a load balancer."""
    return tuple(form.format(_NUMBERS[service]) for form in _BALANCER)


@contextlib.contextmanager
def truth_lab() -> Iterator[Sites]:
    """The lab, ready for every case."""
    with fault_lab("services", "--dual-stack", dns=True) as lab, served(lab) as found:
        yield found


@contextlib.contextmanager
def served(lab: Cluster) -> Iterator[Sites]:
    """Make pods and Services in a lab, with a speaker in each place."""
    with contextlib.ExitStack() as ended:
        apply(lab, [*map(_pod, PODS), _pool(), _headless(), *map(_service, KINDS)])
        _part_ports(lab)
        _add_ways(lab)
        _add_external_machine(lab)
        lab.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
        _wait_names(lab)
        found = Sites(lab, {**_ADDRESSES, **_pod_addresses(lab)}, {})
        apply(lab, [each for name in KINDS for each in _slices(found, name)])
        for name, (place, ports) in _places().items():
            found.speakers[name] = Speaker.of(lab, place, name, *ports)
            ended.callback(found.speakers[name].close)
        for speaker in found.speakers.values():
            speaker.wait_ready()
        _wait_services(found)
        yield found


def _wait_names(lab: Cluster) -> None:
    """Return when the cluster's name servers answer: `lab up` does not wait for them."""
    status = ("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=30s")
    eventually(
        lambda: "successfully rolled out" in lab.kubectl(*status, check=False),
        within_s=30,
        what="the cluster's name servers",
    )


def _places() -> dict[str, tuple[str, tuple[int, ...]]]:
    """Each place of the table with its machine or pod, and where it answers."""
    found: dict[str, tuple[str, tuple[int, ...]]] = {
        name: (_pod_name(name), (port,)) for name, (_, port, _) in PODS.items()
    }
    found |= {name: (machine, ()) for name, machine in NODES.items()}
    nobodys = 8000 + _NUMBERS["far"]  # What the external IP of a Service answers, left alone.
    return found | {
        "router": ("router", (_OUTER_PORT,)),
        "internet": ("internet", (_OUTER_PORT, nobodys)),
    }


def apply(lab: Cluster, documents: Iterable[dict[str, Any]]) -> None:
    """Have objects be as they are here."""
    listed = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
    lab.kubectl("apply", "--server-side", "-f", "-", text=json.dumps(listed))


def _pod_name(name: str) -> str:
    return name.replace(" ", "-")


def _pod(name: str) -> dict[str, Any]:
    node, port, labels = PODS[name]
    ports: list[dict[str, Any]] = [
        {"name": f"web-{protocol.lower()}", "containerPort": port, "protocol": protocol}
        for protocol in ("TCP", "UDP")
    ]
    if name == "server w1":
        for each in ports:
            each["hostPort"] = HOST_PORT
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _pod_name(name), "namespace": "default", "labels": labels},
        "spec": {
            "nodeName": NODES[node],
            "hostNetwork": name.startswith("host"),
            "terminationGracePeriodSeconds": 0,
            "containers": [{**TOOLS, "ports": ports}],
        },
    }


def _pod_addresses(lab: Cluster) -> dict[str, tuple[str, ...]]:
    found = {}
    for pod in lab.object("pods")["items"]:
        addresses = tuple(str(each["ip"]) for each in pod["status"]["podIPs"])
        found[pod["metadata"]["name"].replace("-", " ")] = addresses
    for name, machine in NODES.items():
        node = lab.object("ciliumnode", machine)["spec"]["addresses"]
        own = (a["ip"] for a in node if a["type"] == "CiliumInternalIP")
        found[f"{name} cilium_host"] = tuple(own)
    return found


def _pool() -> dict[str, Any]:
    blocks = [{"cidr": "198.51.100.0/24"}, {"cidr": "2001:db8:100::/112"}]
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumLoadBalancerIPPool",
        "metadata": {"name": "truth"},
        "spec": {"blocks": blocks},
    }


def _object_name(name: str) -> str:
    return name.replace(",", "").replace(" ", "-")


def _service(name: str) -> dict[str, Any]:
    kind, number = KINDS[name], _NUMBERS[name]
    ports = [
        {
            "name": f"web-{protocol.lower()}",
            "port": 8000 + number,
            "nodePort": 30100 + number,
            "protocol": protocol,
            "targetPort": f"web-{protocol.lower()}",
        }
        for protocol in ("TCP", "UDP")
    ]
    addresses = _ADDRESSES[kind.external_on] if kind.external_on else _EXTERNAL
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": _object_name(name),
            "namespace": "default",
            "annotations": {"lbipam.cilium.io/ips": ",".join(balancer(name))},
        },
        "spec": {
            "type": "LoadBalancer",
            "ipFamilyPolicy": "RequireDualStack",
            "externalIPs": list(addresses),
            "ports": ports,
            **({"selector": kind.selects} if kind.selects else {}),
            **kind.spec,
        },
    }


def _headless() -> dict[str, Any]:
    """A Service that DNS alone knows."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "headless", "namespace": "default"},
        "spec": {
            "clusterIP": "None",
            "ipFamilyPolicy": "RequireDualStack",
            "selector": _FAR,
            "ports": [{"port": 80}],
        },
    }


def _slices(sites: Sites, name: str) -> Iterator[dict[str, Any]]:
    """The hand-made EndpointSlices of a Service, one for each family and set of conditions."""
    for number, endpoints in enumerate(KINDS[name].slices):
        for version in (4, 6):
            port = PODS[endpoints.places[0]][1] if endpoints.places[0] in PODS else _OUTER_PORT
            yield {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{_object_name(name)}-{number}-{version}",
                    "namespace": "default",
                    "labels": {"kubernetes.io/service-name": _object_name(name)},
                },
                "addressType": f"IPv{version}",
                "endpoints": [
                    _endpoint(sites, place, version, endpoints) for place in endpoints.places
                ],
                "ports": [
                    {"name": f"web-{protocol.lower()}", "port": port, "protocol": protocol}
                    for protocol in ("TCP", "UDP")
                ],
            }


def _endpoint(sites: Sites, place: str, version: int, endpoints: Endpoints) -> dict[str, Any]:
    node = {"nodeName": NODES[PODS[place][0]]} if place in PODS else {}
    return {
        "addresses": [sites.addresses[place][version == 6]],
        "conditions": endpoints.conditions or {"ready": True},
        **node,
    }


def _add_ways(lab: Cluster) -> None:
    """The router's routes to what nodes alone have: by one node or the other, as a socket is marked."""
    router = FaultyNode(lab, "router")
    prefixes = {
        4: ("10.96.0.0/16", "198.51.100.0/24", f"{_EXTERNAL[0]}/32"),
        6: ("fd00:10:96::/112", "2001:db8:100::/112", f"{_EXTERNAL[1]}/128"),
    }
    for name, mark in _MARKS.items():
        for version in (4, 6):
            words = ("ip", f"-{version}")
            router.run(*words, "rule", "add", "fwmark", str(mark), "table", str(100 + mark))
            for prefix in prefixes[version]:
                via = _ADDRESSES[name][version == 6]
                router.run(*words, "route", "add", prefix, "via", via, "table", str(100 + mark))


def _part_ports(lab: Cluster) -> None:
    """Nodes take other ports than who asks them: what the same port comes to has a test of its own."""
    ranges = {**dict.fromkeys(NODES.values(), "40000 60999"), "router": "33000 39999"}
    ranges["internet"] = "33000 39999"
    for machine, ports in ranges.items():
        FaultyNode(lab, machine).run("sysctl", "-qw", f"net.ipv4.ip_local_port_range={ports}")


def _add_external_machine(lab: Cluster) -> None:
    """A machine of the internet that has the address which Services have as an external IP."""
    for address in _EXTERNAL:
        prefix = f"{address}/{128 if ':' in address else 32}"
        FaultyNode(lab, "internet").run("ip", "addr", "add", prefix, "dev", "lo")


def _wait_services(sites: Sites) -> None:
    """Return when every Service has its addresses, and both nodes have written all of it."""
    lab = sites.lab

    def are_there() -> bool:
        listed = {each["metadata"]["name"]: each for each in lab.object("services")["items"]}
        for name in KINDS:
            spec = listed[_object_name(name)]["spec"]
            sites.cluster_ips[name] = tuple(sorted(spec["clusterIPs"], key=lambda ip: ":" in ip))
        return all(
            len(listed[_object_name(name)]["status"]["loadBalancer"].get("ingress", [])) == 2
            for name in KINDS
        )

    eventually(are_there, within_s=30, what="addresses of load balancers")
    wait_written(lab)
