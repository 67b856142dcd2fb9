"""Where the truth table's packets go and come from: a dual-stack lab with more addresses than usual.

The names of the table are here with their addresses. What a pod keeps its address toward has a way
back to it, so that answers reach it: the router and the internet know pods of both families.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.deadlines import Deadline
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab
from tests.lab.masquerade.packets import Sighting, built
from tests.lab.masquerade.truth_table import (
    POD,
    PROGRAMS,
    STACK,
    TUNNELED,
    UNANSWERED,
    Case,
    Configuration,
)
from tests.lab.masquerade.witness import Witness

NODES: Final = ("k8s-ctr", "k8s-w1")
_NODE, _OTHER = NODES


@dataclass(frozen=True, slots=True)
class Site:
    """An address of each family, and the place that sends from it or sees what goes there."""

    place: str
    ipv4: str
    ipv6: str = ""

    def address(self, version: int) -> str:
        """Its address of a family."""
        address = self.ipv6 if version == 6 else self.ipv4
        assert address, f"{self} has no address of IPv{version}"
        return address


#: Everything but pods, whose addresses the cluster gives, and what no pod has.
SITES: Final = {
    "node eth0": Site(_NODE, "10.0.2.15", "fd00:10:0:2::15"),
    "node eth1": Site(_NODE, "192.168.10.100", "fd00:192:168:10::100"),
    "node secondary": Site(_NODE, "192.168.10.77", "fd00:192:168:10::77"),
    "other node": Site(_OTHER, "192.168.10.101", "fd00:192:168:10::101"),
    "other node external": Site(_OTHER, "192.168.10.111", "fd00:192:168:10::111"),
    "other node secondary": Site(_OTHER, "192.168.10.177", "fd00:192:168:10::177"),
    "no node's CIDR": Site("internet", "10.244.77.7", "fd00:10:244:77::7"),
    "router": Site("router", "192.168.10.200", "fd00:192:168:10::200"),
    "loop1": Site("router", "10.10.1.200", "fd00:10:10:1::200"),
    "loop2": Site("router", "10.10.2.200", "fd00:10:10:2::200"),
    "internet": Site("internet", "203.0.113.10", "2001:db8:113::10"),
    "gateway": Site("internet", "10.0.2.2", "fd00:10:0:2::2"),
    "link-local": Site("internet", "169.254.169.254", "fe80::a9fe:a9fe"),
    "multicast": Site(_NODE, "224.0.0.251", "ff02::fb"),
    "multicast far": Site("router", "239.1.2.3", "ff0e::1234"),
    "broadcast": Site(_NODE, "255.255.255.255"),
    "subnet broadcast": Site(_NODE, "192.168.10.255"),
    "subnet anycast": Site(_NODE, "", "fd00:192:168:10::"),
}

#: Pods by name in the table, and their nodes.
PODS: Final = {POD: _NODE, "local pod": _NODE, "remote pod": _OTHER}

_NATIVE: Final = {
    "cluster": ("10.244.0.0/16", "fd00:10:244::/56"),
    "wide": ("10.0.0.0/8", "fd00:10::/32"),
    "narrow": ("10.244.0.0/24", "fd00:10:244::/64"),
}

#: What ip-masq-agent's ConfigMap says in a state, and a range that is in no other state's list.
_AGENT: Final = {
    "list": ('{"nonMasqueradeCIDRs": ["10.10.1.0/24", "fd00:10:10:1::/64"]}', "10.10.1.0/24"),
    "defaults": ("", "198.18.0.0/15"),
    "empty": ('{"nonMasqueradeCIDRs": []}', ""),
    "link-local": ('{"nonMasqueradeCIDRs": ["10.77.0.0/16"], "masqLinkLocal": true}', "10.77.0.0"),
}


def _policy() -> dict[str, Any]:
    """The MasqueradePolicy of the table."""

    def addresses(name: str) -> list[str]:
        return [SITES[name].ipv4, SITES[name].ipv6]

    own = {"podSelector": {"matchLabels": {"app": POD}}}
    loop1 = [{"cidr": "10.10.1.0/24"}, {"cidr": "fd00:10:10:1::/64"}]
    loops = [
        {"cidr": "10.10.0.0/16", "except": ["10.10.2.0/24"]},
        {"cidr": "fd00:10:10::/48", "except": ["fd00:10:10:2::/64"]},
    ]
    router = [{"cidr": "192.168.10.200/32"}, {"cidr": "fd00:192:168:10::200/128"}]
    internet = [{"cidr": "203.0.113.0/24"}, {"cidr": "2001:db8:113::/64"}]
    rules = [
        {"name": "web", **own, "destinations": loop1, "ports": [_ports("TCP")], "source": "Pod"},
        {
            "name": "team",
            **own,
            "destinations": loops,
            "source": "Address",
            "addresses": ["192.168.10.250", *addresses("node secondary")],
        },
        {
            "name": "known-as-eth0",
            "destinations": router,
            "source": "Address",
            "addresses": addresses("node eth0"),
        },
        {
            "name": "datagrams",
            "destinations": internet,
            "ports": [{"protocol": "UDP"}],
            "source": "Pod",
        },
    ]
    return {
        "apiVersion": "ciliate.io/v1alpha1",
        "kind": "MasqueradePolicy",
        "metadata": {"name": "truth"},
        "spec": {"priority": 100, "rules": rules},
    }


def _ports(protocol: str) -> dict[str, Any]:
    return {"protocol": protocol, "port": 9000, "endPort": 9199}


#: Where the node shows the list that is in force: with the programs, with the stack.
_LIST: Final = ("cilium-dbg", "bpf", "ipmasq", "list")
_TABLE: Final = ("nft", "list", "table", "inet", "ciliate")

#: Asks the agent of the node all questions: a command for each would take a minute.
_ASK: Final = """
import http.client, json, socket, sys
class Agent(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect("/var/run/cilium/cilium.sock")
agent, answers = Agent("agent"), []
for question in json.loads(sys.argv[1]):
    agent.request("POST", "/v1/masquerade/explain", json.dumps(question))
    answer = agent.getresponse()
    text = answer.read()
    assert answer.status == 200, (question, text)
    answers.append(json.loads(text))
print(json.dumps(answers))
"""

#: How long a packet takes at most, on an idle machine.
_DEADLINE_S: Final = 5.0


@dataclass(slots=True)
class Sites:
    """The lab, with a witness in each place."""

    lab: Cluster
    sites: dict[str, Site]
    witnesses: dict[str, Witness]
    link: Witness  # Of the network between the nodes, at the one without the pods.
    exchanges: int = 0

    def source(self, case: Case, name: str) -> str:
        """The address that a name in the column of sources stands for."""
        return self.sites[name].address(case.version)

    def seen(self, case: Case) -> dict[str, list[Sighting]]:
        """The packets of a case by where they came, but for those that came to its sender."""
        return {
            place: found
            for place, witness in self.witnesses.items()
            if place != self.place(case.sender)
            and (found := witness.packets(case.number, case.seen_protocol))
        }

    def on_link(self, case: Case) -> set[str]:
        """The protocols of a case that were seen on the network between the nodes."""
        return {each.protocol for each in self.link.seen if each.number == case.number}

    def is_refused(self, case: Case) -> bool:
        """Whether its sender was told by ICMP that the packet goes nowhere."""
        return self.witnesses[self.place(case.sender)].has_seen(case.number, "icmp-error")

    def configure(self, back_end: str, configuration: Configuration) -> None:
        """Have all nodes work as said, by nothing but settings, a ConfigMap and restarts."""
        is_tunneled, back_end = back_end in TUNNELED, TUNNELED.get(back_end, back_end)
        ipv4, ipv6 = _NATIVE[configuration.native]
        has_agent = configuration.agent != "off"
        wanted = {
            "routingMode": "tunnel" if is_tunneled else "native",
            "autoDirectNodeRoutes": str(not is_tunneled).lower(),
            "bpf.masquerade": str(back_end == PROGRAMS).lower(),
            "ipv4NativeRoutingCIDR": ipv4,
            "ipv6NativeRoutingCIDR": ipv6,
            "ipMasqAgent.enabled": str(has_agent).lower(),
            "enable-sctp": str(configuration.sctp == "on").lower(),
        }
        if has_agent:
            self._write_list(_AGENT[configuration.agent][0])
        words = [word for item in wanted.items() for word in ("--set", "=".join(item))]
        if "read at the next start" in self.lab.lab("upgrade", *words).stdout:
            self._restart_agents()
        eventually(lambda: self._all_tunnel() == is_tunneled, within_s=30, what="the way to pods")
        if back_end == STACK:  # All by itself: the chain comes when it has taken over.
            eventually(lambda: "chain stray" in self._on_node(*_TABLE), within_s=30)
        self._apply_policy(configuration.policy)
        if has_agent:
            listed = _LIST if back_end == PROGRAMS else _TABLE
            self._wait_list(configuration.agent, *listed)

    def _all_tunnel(self) -> bool | None:
        """Whether both nodes send to each other's pods through the tunnel; None: they differ."""
        ways = {
            " dev cilium_host " in FaultyNode(self.lab, node).run("ip", "route", "get", to).stdout
            for node, name in ((_NODE, "remote pod"), (_OTHER, POD))
            for to in (self.sites[name].address(version) for version in (4, 6))
        }
        return ways.pop() if len(ways) == 1 else None

    def _on_node(self, *command: str) -> str:
        return FaultyNode(self.lab, _NODE).run(*command, check=False).stdout

    def _write_list(self, text: str) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "ip-masq-agent", "namespace": "kube-system"},
            "data": {"config": text},
        }
        self.lab.kubectl("apply", "-f", "-", text=json.dumps(body))

    def _restart_agents(self) -> None:
        for node in NODES:  # So that one back end hands over to the other at once.
            FaultyNode(self.lab, node).run("cilium-dbg", "bpf", "nat", "flush")
        self.lab.lab("restart", "agent")
        for node in NODES:
            FaultyNode(self.lab, node).wait_agent()

    def _apply_policy(self, state: str) -> None:
        """Return when the node's kernel has the policy, or has it no more."""
        if state == "on":
            self.lab.kubectl("apply", "-f", "-", text=json.dumps(_policy()))
        else:
            self.lab.kubectl("delete", "masqpol", "--all")
        eventually(lambda: self._has_policy() == (state == "on"), within_s=30, what="the policy")

    def _has_policy(self) -> bool:
        said = self._on_node("cilium-dbg", "explain", "masquerade", POD, SITES["router"].ipv4)
        return "policy/truth/known-as-eth0" in said

    def _wait_list(self, state: str, *command: str) -> None:
        """Return when the node's kernel has the list of a state, and no other."""
        wanted = {name: name == state for name, (_, marker) in _AGENT.items() if marker}

        def is_in_force() -> bool:
            said = self._on_node(*command)
            return all((_AGENT[name][1] in said) == is_there for name, is_there in wanted.items())

        eventually(is_in_force, within_s=30, what=f"the {state} list in force")

    def exchange(self, cases: Sequence[Case]) -> None:
        """Send the packets of cases, all at once, and learn what came of them.

        Answers that no program of a pod gives (of GRE, SCTP and the like) are sent once what they
        answer was seen.
        """
        self.exchanges += 1  # Pieces of another exchange are of other datagrams.
        for witness in (*self.witnesses.values(), self.link):
            witness.forget()
        by_hand = [case for case in cases if case.is_answer and case.protocol in UNANSWERED]
        self._send(self._begun(case) for case in cases)
        self._wait([(self.place(case.sender), case, case.protocol) for case in by_hand])
        self._send(self._answer(case) for case in by_hand)

    def wait_seen(self, back_end: str, cases: Sequence[Case]) -> None:
        """Return when each receiver has seen what it must, and what was sent before it is gone."""
        self._wait(
            [
                (self.place(case.receiver), case, case.seen_protocol)
                for case in cases
                if case.is_seen(back_end)
            ]
        )
        self.link.send()

    def explained(self, cases: Sequence[Case]) -> dict[Case, dict[str, Any]]:
        """What `explain masquerade` says of each case in which a pod opens a flow."""
        asked = [case for case in cases if case.is_of_a_pods_flow]
        questions = [
            {
                "namespace": "default",
                "pod": self.place(case.sender),
                "destination": self._asked(case),
            }
            for case in asked
        ]
        node = FaultyNode(self.lab, self.place("node eth1"))
        answers = node.json("/usr/bin/python3", "-S", "-c", _ASK, json.dumps(questions))
        return dict(zip(asked, answers, strict=True))

    def _asked(self, case: Case) -> str:
        address = self.sites[case.receiver].address(case.version)
        host = f"[{address}]" if case.version == 6 else address
        return f"{host}:{case.port}/{case.protocol}" if case.port else host

    def place(self, name: str) -> str:
        """The machine or pod that has an address of the table."""
        return self.sites[name].place

    def _begun(self, case: Case) -> tuple[str, list[bytes]]:
        """Who sends the first packet of a case, and its pieces.

        A pod's kernel tells by ICMP that it has no socket for an answer, or for what was sent to it.
        """
        source, destination = self.sites[case.sender], self.sites[case.receiver]
        protocol = case.protocol
        if case.is_answer:
            source, destination = destination, source
            protocol = {"udp": "asking", "icmp-error": "refused"}.get(protocol, protocol)
        elif protocol == "icmp-error":
            protocol = "asking"
        return source.place, self._built(protocol, case, source, destination)

    def _answer(self, case: Case) -> tuple[str, list[bytes]]:
        source, destination = self.sites[case.sender], self.sites[case.receiver]
        packets = self._built(case.protocol, case, source, destination, is_answer=True)
        return source.place, packets

    def _built(
        self,
        protocol: str,
        case: Case,
        source: Site,
        destination: Site,
        *,
        is_answer: bool = False,
    ) -> list[bytes]:
        return built(
            protocol,
            case.number,
            source=source.address(case.version),
            destination=destination.address(case.version),
            is_answer=is_answer,
            datagram=1000 * self.exchanges + case.number,
        )

    def _send(self, sent: Iterable[tuple[str, list[bytes]]]) -> None:
        by_place: dict[str, list[bytes]] = {}
        for place, packets in sent:
            by_place.setdefault(place, []).extend(packets)
        for place, packets in by_place.items():
            self.witnesses[place].send(packets)

    def _wait(self, wanted: Sequence[tuple[str, Case, str]]) -> None:
        """Return when each place has seen a case's packet of a protocol, or after the deadline.

        What did not come is told by the test of the case.
        """
        missing = list(wanted)
        deadline = Deadline(_DEADLINE_S)
        while missing and not deadline.passed:
            for witness in self.witnesses.values():
                witness.send()
            missing = [
                (place, case, protocol)
                for place, case, protocol in missing
                if not self.witnesses[place].has_seen(case.number, protocol)
            ]


@contextlib.contextmanager
def truth_lab() -> Iterator[Sites]:
    """The lab, ready for every case."""
    with fault_lab("truth", "--dual-stack") as lab, contextlib.ExitStack() as ended:
        for name, node in PODS.items():
            apply_pod(lab, _pod(name), node)
        link = Witness.of(lab, _OTHER, view="link", device="eth1")
        ended.callback(link.close)
        found = Sites(lab, {**SITES, **_sites_of_pods(lab), **_sites_of_nobody(lab)}, {}, link)
        _add_addresses(lab)
        _add_ways_back(lab)
        views = dict.fromkeys(map(_pod, PODS), "wire")
        views |= dict.fromkeys(("router", "internet"), "wire") | dict.fromkeys(NODES, "stack")
        for place, view in views.items():
            found.witnesses[place] = Witness.of(lab, place, view=view)
            ended.callback(found.witnesses[place].close)
        yield found


def _pod(name: str) -> str:
    """A pod's name in the cluster."""
    return name.replace(" ", "-")


def _sites_of_nobody(lab: Cluster) -> dict[str, Site]:
    """Addresses of nodes' pod CIDRs that nobody has; nodes choose theirs by chance."""
    listed = lab.object("ciliumnodes")["items"]
    taken = {str(a["ip"]) for node in listed for a in node["spec"]["addresses"]}
    for pod in lab.object("pods", "-A")["items"]:
        taken |= {str(each["ip"]) for each in pod["status"].get("podIPs", ())}

    def free(cidr: str) -> str:
        return next(ip for last in range(250, 0, -1) if (ip := f"{cidr}.{last}") not in taken)

    return {
        "no pod here": Site(_NODE, free("10.244.0"), "fd00:10:244::ffff:1"),
        "no pod there": Site(_OTHER, free("10.244.1"), "fd00:10:244:1::ffff:1"),
    }


def _sites_of_pods(lab: Cluster) -> dict[str, Site]:
    found = {}
    for name in PODS:
        ips = [str(each["ip"]) for each in lab.object("pod", _pod(name))["status"]["podIPs"]]
        found[name] = Site(_pod(name), *ips)
    node, own = SITES["node eth1"], found[POD]
    listed = lab.object("ciliumnode", _NODE)["spec"]["addresses"]
    found["cilium_host"] = Site(
        _NODE, *(a["ip"] for a in listed if a["type"] == "CiliumInternalIP")
    )
    other = "10.244.0.251" if own.ipv4 != "10.244.0.251" else "10.244.0.252"
    found["pod as another"] = Site(own.place, other, "fd00:10:244::ffff:2")
    found["pod as its node"] = Site(own.place, node.ipv4, node.ipv6)
    return found


def _add_addresses(lab: Cluster) -> None:
    """Addresses beside those of the topology, and one that the cluster is told of."""
    for name in ("node secondary", "other node secondary", "other node external"):
        site = SITES[name]
        node = FaultyNode(lab, site.place)
        node.run("ip", "addr", "add", f"{site.ipv4}/24", "dev", "eth1")
        node.run("ip", "addr", "add", f"{site.ipv6}/64", "dev", "eth1", "nodad")
    listed = lab.object("node", _OTHER)["status"]["addresses"]
    external = SITES["other node external"]
    listed += [{"type": "ExternalIP", "address": ip} for ip in (external.ipv4, external.ipv6)]
    patch = json.dumps({"status": {"addresses": listed}})
    lab.kubectl("patch", "node", _OTHER, "--subresource=status", "--type=merge", "-p", patch)


def _add_ways_back(lab: Cluster) -> None:
    """Routes to pods, to the internet by a node, and a machine that link-local addresses lead to."""
    router, internet = FaultyNode(lab, "router"), FaultyNode(lab, "internet")
    for version in (4, 6):
        node = SITES["node eth1"].address(version)
        other = SITES["other node"].address(version)
        uplink = SITES["node eth0"].address(version)
        pods, others = (
            ("10.244.0.0/24", "10.244.1.0/24"),
            ("fd00:10:244::/64", "fd00:10:244:1::/64"),
        )[version == 6]
        router.run("ip", "route", "replace", pods, "via", node)
        router.run("ip", "route", "replace", others, "via", other)
        router.run("ip", "route", "replace", SITES["internet"].address(version), "via", node)
        internet.run("ip", "route", "replace", pods, "via", uplink, "dev", _NODE)
    _add_link_local_machine(lab)


def _add_link_local_machine(lab: Cluster) -> None:
    """Link-local of IPv6 is asked for by neighbour discovery, which a pod's gateway leaves unanswered.

    So that a packet leaves the pod nevertheless, it is told that this is its gateway's address.
    """
    lab.exec(POD, "ping", "-c1", "-W2", SITES["other node"].ipv6)
    known = json.loads(lab.exec(POD, "ip", "-6", "-j", "neigh", "show", "dev", "eth0"))
    mac = next(each["lladdr"] for each in known if "lladdr" in each)
    words = ("neigh", "replace", SITES["link-local"].ipv6, "lladdr", mac, "dev", "eth0")
    lab.exec(POD, "ip", "-6", *words)
