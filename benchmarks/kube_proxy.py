"""The rules that kube-proxy writes for Services, in its iptables and in its nftables mode.

What it is measured by is the way of a packet, so the rules of a packet's way are all here, in
kube-proxy's chains and order; checks that this network cannot fail (firewalls of load balancers,
Services without endpoints) are the empty chains and maps that they are there. Comments are left
out, as kube-proxy does beyond 1,000 endpoints. Of many Services the one that is asked stands in the
middle, where a list costs the average.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Final

from benchmarks.machine import Machine, run
from benchmarks.service_objects import ServedService

#: Ten thousand Services with ten endpoints are 300,000 rules.
_LOAD_TIMEOUT_S: Final = 600.0

_MARK: Final = "0x4000"


class Mode(Enum):
    """Which of its two back ends kube-proxy uses."""

    IPTABLES = "iptables"
    NFTABLES = "nftables"


def serve(
    machine: Machine, services: Sequence[ServedService], *, mode: Mode, cluster_cidr: str
) -> None:
    """Have a machine serve `services`; pods have addresses of `cluster_cidr`.

    Raises:
        CommandError: The rules were refused.
    """
    command = {Mode.IPTABLES: ["iptables-restore"], Mode.NFTABLES: ["nft", "--file", "-"]}[mode]
    text = "\n".join([*rules_of(services, mode=mode, cluster_cidr=cluster_cidr), ""])
    run(machine.command(command), stdin=text, timeout_s=_LOAD_TIMEOUT_S)


def rules_of(services: Sequence[ServedService], *, mode: Mode, cluster_cidr: str) -> Iterator[str]:
    """Yield what `iptables-restore` or `nft --file` reads, line by line."""
    write = _iptables if mode is Mode.IPTABLES else _nftables
    return write(services, cluster_cidr)


def in_the_middle(
    asked: Sequence[ServedService], others: Sequence[ServedService]
) -> list[ServedService]:
    """Return all of them, those that are asked amid the others."""
    half = len(others) // 2
    return [*others[:half], *asked, *others[half:]]


def _chain(kind: str, *words: object) -> str:
    """Return a chain's name as kube-proxy makes it: kind and hash."""
    digest = hashlib.sha256(repr(words).encode()).hexdigest()
    return f"{kind}-{digest[:16].upper()}"


def _iptables(services: Sequence[ServedService], cluster_cidr: str) -> Iterator[str]:
    yield "*filter"
    yield from _declared(
        *("KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-FORWARD"),
        *("KUBE-NODEPORTS", "KUBE-PROXY-FIREWALL"),
    )
    new = "-m conntrack --ctstate NEW"
    for hook in ("INPUT", "FORWARD", "OUTPUT"):
        yield f"-A {hook} {new} -j KUBE-PROXY-FIREWALL"
    yield "-A INPUT -j KUBE-NODEPORTS"
    yield f"-A INPUT {new} -j KUBE-EXTERNAL-SERVICES"
    yield "-A FORWARD -j KUBE-FORWARD"
    yield f"-A FORWARD {new} -j KUBE-SERVICES"
    yield f"-A FORWARD {new} -j KUBE-EXTERNAL-SERVICES"
    yield f"-A OUTPUT {new} -j KUBE-SERVICES"
    yield "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP"
    yield f"-A KUBE-FORWARD -m mark --mark {_MARK}/{_MARK} -j ACCEPT"
    yield "-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    yield "COMMIT"
    yield "*nat"
    yield from _declared("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ")
    yield from _declared(*_chains_of(services))
    for hook, target in (
        ("PREROUTING", "KUBE-SERVICES"),
        ("OUTPUT", "KUBE-SERVICES"),
        ("POSTROUTING", "KUBE-POSTROUTING"),
    ):
        yield f"-A {hook} -j {target}"
    yield f"-A KUBE-POSTROUTING -m mark ! --mark {_MARK}/{_MARK} -j RETURN"
    yield f"-A KUBE-POSTROUTING -j MARK --xor-mark {_MARK}"
    yield "-A KUBE-POSTROUTING -j MASQUERADE --random-fully"
    yield f"-A KUBE-MARK-MASQ -j MARK --or-mark {_MARK}"
    for service in services:
        yield from _iptables_service(service, cluster_cidr)
    yield "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"
    yield "COMMIT"


def _declared(*chains: str) -> Iterator[str]:
    return (f":{chain} - [0:0]" for chain in chains)


def _chains_of(services: Iterable[ServedService]) -> Iterator[str]:
    for service in services:
        yield _chain("KUBE-SVC", service.name)
        if service.node_port:
            yield _chain("KUBE-EXT", service.name)
        yield from (_chain("KUBE-SEP", service.name, each) for each in service.endpoints)


def _iptables_service(service: ServedService, cluster_cidr: str) -> Iterator[str]:
    chain = _chain("KUBE-SVC", service.name)
    at = f"-m tcp -p tcp -d {service.address} --dport {service.port}"
    yield f"-A KUBE-SERVICES {at} -j {chain}"
    yield f"-A {chain} {at} ! -s {cluster_cidr} -j KUBE-MARK-MASQ"
    if service.node_port:
        outside = _chain("KUBE-EXT", service.name)
        yield f"-A KUBE-NODEPORTS -m tcp -p tcp --dport {service.node_port} -j {outside}"
        yield f"-A {outside} -j KUBE-MARK-MASQ"
        yield f"-A {outside} -j {chain}"
    for number, (address, port) in enumerate(service.endpoints):
        endpoint = _chain("KUBE-SEP", service.name, (address, port))
        left = len(service.endpoints) - number
        chance = f"-m statistic --mode random --probability {1 / left:.10f} " if left > 1 else ""
        yield f"-A {chain} {chance}-j {endpoint}"
        yield f"-A {endpoint} -s {address} -j KUBE-MARK-MASQ"
        yield f"-A {endpoint} -m tcp -p tcp -j DNAT --to-destination {address}:{port}"


#: What stands whatever Services there are, in the order in which rules refer to each other.
_NFTABLES_HEAD: Final = f"""
table ip kube-proxy {{
  set cluster-ips {{ type ipv4_addr; }}
  set nodeport-ips {{ type ipv4_addr; }}
  map no-endpoint-services {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map no-endpoint-nodeports {{ type inet_proto . inet_service : verdict; }}
  map firewall-ips {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map service-ips {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map service-nodeports {{ type inet_proto . inet_service : verdict; }}
  chain mark-for-masquerade {{ meta mark set meta mark or {_MARK}; }}
  chain masquerading {{
    meta mark and {_MARK} == 0 return
    meta mark set meta mark xor {_MARK}
    masquerade fully-random
  }}
  chain services {{
    ip daddr . meta l4proto . th dport vmap @service-ips
    ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
  }}
  chain cluster-ips-check {{ ip daddr @cluster-ips reject; }}
  chain firewall-check {{ ip daddr . meta l4proto . th dport vmap @firewall-ips; }}
  chain service-endpoints-check {{
    ip daddr . meta l4proto . th dport vmap @no-endpoint-services
  }}
  chain nodeport-endpoints-check {{
    ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
  }}
  chain filter-prerouting-pre-dnat {{
    type filter hook prerouting priority dstnat - 10
    ct state new jump firewall-check
  }}
  chain filter-output-pre-dnat {{
    type filter hook output priority -110
    ct state new jump firewall-check
  }}
  chain filter-input {{
    type filter hook input priority filter
    ct state new jump nodeport-endpoints-check
    ct state new jump service-endpoints-check
  }}
  chain filter-forward {{
    type filter hook forward priority filter
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }}
  chain filter-output {{
    type filter hook output priority filter
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }}
  chain nat-prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
  chain nat-output {{ type nat hook output priority -100; jump services; }}
  chain nat-postrouting {{ type nat hook postrouting priority srcnat; jump masquerading; }}
}}"""


def _nftables(services: Sequence[ServedService], cluster_cidr: str) -> Iterator[str]:
    yield _NFTABLES_HEAD
    yield "add element ip kube-proxy nodeport-ips { 192.168.10.100, 192.168.10.101 }"
    yield "table ip kube-proxy {"
    for service in services:
        yield from _nftables_service(service, cluster_cidr)
    yield "}"
    for service in services:
        chain = _chain("service", service.name)
        yield f"add element ip kube-proxy cluster-ips {{ {service.address} }}"
        key = f"{service.address} . tcp . {service.port}"
        yield f"add element ip kube-proxy service-ips {{ {key} : goto {chain} }}"
        if service.node_port:
            key, outside = f"tcp . {service.node_port}", _chain("external", service.name)
            yield f"add element ip kube-proxy service-nodeports {{ {key} : goto {outside} }}"


def _nftables_service(service: ServedService, cluster_cidr: str) -> Iterator[str]:
    """Yield the chains of a Service, those first that others go to."""
    chain = _chain("service", service.name)
    at = f"ip daddr {service.address} tcp dport {service.port}"
    names = [_chain("endpoint", service.name, each) for each in service.endpoints]
    for name, (address, port) in zip(names, service.endpoints, strict=True):
        masquerade = f"ip saddr {address} jump mark-for-masquerade"
        yield f"chain {name} {{ {masquerade}; meta l4proto tcp dnat to {address}:{port}; }}"
    places = ", ".join(f"{number} : goto {name}" for number, name in enumerate(names))
    choice = f"numgen random mod {len(names)} vmap {{ {places} }}"
    masquerade = f"{at} ip saddr != {cluster_cidr} jump mark-for-masquerade"
    yield f"chain {chain} {{ {masquerade}; {choice}; }}"
    if service.node_port:
        outside = _chain("external", service.name)
        yield f"chain {outside} {{ jump mark-for-masquerade; goto {chain}; }}"
