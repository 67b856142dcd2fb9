"""Which sets and chains stand in our table, for rules, settings and cluster. Pure.

A packet's way: chain `postrouting` leads what a pod sends to `decide`, by the interface it came
from or by its address. `decide` is the list of rules (`masquerade/rules.py`), row by row. nf_tables
asks once a connection: answers, and all packets behind the first, follow what was decided, and so
do the answers of connections that began outside.

Packets that conntrack cannot place (INVALID), or was told to leave alone, get no such decision:
`stray` drops them where they would leave with a pod's address that must not be seen out there.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import collapse_addresses
from typing import Final

from ciliate.masquerade.nftables.model import AddressSet, Chain, Part, Rule
from ciliate.masquerade.plan import DeviceAddresses
from ciliate.masquerade.rules import PORT_MAX, Action, Destination, Origin, PortRange
from ciliate.masquerade.rules import Rule as Row
from ciliate.net.address import IPAddress, IPNetwork

#: Others' rules at the usual priority (100) decide first, as kube-proxy's and those that an
#: administrator writes by iptables: of several that translate a connection the first counts.
_NAT_HOOK: Final = "type nat hook postrouting priority 101; policy accept;"
#: Behind all translation.
_STRAY_HOOK: Final = "type filter hook postrouting priority 300; policy accept;"

#: While the programs still know flows of the time when they masqueraded: a TCP connection that
#: conntrack meets in the middle is theirs to translate, at the device.
BEGUN_BEFORE: Final = Rule(
    "tcp flags & (fin | syn | rst | ack) != syn accept", "begun before, the programs translate it"
)

_POD_DEVICES: Final = "lxc*"
_OWN_DEVICES: Final = (_POD_DEVICES, "cilium_*")
_FAMILIES: Final = {4: "ip", 6: "ip6"}
#: What has ports, or identifiers that take their place.
_WITH_PORTS: Final = {4: "tcp, udp, icmp", 6: "tcp, udp, ipv6-icmp"}


@dataclass(frozen=True, slots=True)
class RouteSource:
    """A route by a device of the node that names the address to send from."""

    device: str
    destination: IPNetwork
    source: IPAddress


@dataclass(frozen=True, slots=True)
class DeviceSource:
    """The address to send from by a device, where the kernel's choice is not to be relied on.

    It may be one that is there for a while, as a virtual address of keepalived or kube-vip.
    """

    device: str
    source: IPAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """How pods' packets are translated, whatever their destination.

    `versions` are the IP versions that are masqueraded at all. `interfaces` are names of devices,
    or beginnings of names with a "*" behind, where the last row masquerades; empty: all.
    """

    versions: tuple[int, ...]
    ports: tuple[int, int]
    random_fully: bool = False
    interfaces: tuple[str, ...] = ()
    verify_source: bool = True
    devices: tuple[DeviceSource, ...] = ()  # Of each family the address of each device.
    sources: tuple[RouteSource, ...] = ()  # Used before the device's address.
    held: Collection[IPAddress] | None = (
        None  # What the node has, of addresses in rules; None: all.
    )
    sctp: bool = False  # Else it is dropped.
    taking_over: bool = False  # From the programs, which know flows from before.


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Prefixes of this node's pods, and of the cluster's nodes and pods; they may overlap.

    `selected` are the addresses of pods that a row's selector is for, by the row's number.
    """

    pods: frozenset[IPNetwork]
    cluster: frozenset[IPNetwork]
    selected: Mapping[int, Collection[IPNetwork]] = field(default_factory=dict)


#: The destinations of each row, by its number and the IP version; None: it names none.
RowPrefixes = Mapping[tuple[int, int], frozenset[IPNetwork] | None]


def rows_prefixes(rows: Sequence[Row], versions: Iterable[int]) -> RowPrefixes:
    """Return the destinations of all rows, as few as they can be; 10,000 take 60 ms."""
    return {
        (number, version): _row_prefixes(row, version)
        for version in versions
        for number, row in enumerate(rows)
    }


def table_parts(
    rows: Sequence[Row],
    translation: Translation,
    addresses: Addresses,
    prefixes: RowPrefixes | None = None,
) -> dict[str, Part]:
    """Return the whole table; `prefixes` are those of the rows, where they are known already."""
    if prefixes is None:
        prefixes = rows_prefixes(rows, translation.versions)
    found: dict[str, Part] = {}
    for version in translation.versions:
        for name, members in (("pods", addresses.pods), ("cluster", addresses.cluster)):
            found[f"{name}{version}"] = AddressSet(version, disjoint(members, version))
    for (number, version), named in prefixes.items():
        if named is not None and len(named) > 1:
            found[_set_name(number, version)] = AddressSet(version, named)
        if rows[number].pods is not None:
            pods = disjoint(addresses.selected.get(number, ()), version)
            found[_pods_name(number, version)] = AddressSet(version, pods)
    translate, forbid = _Translator(translation), _Forbidder(translation)
    first = (BEGUN_BEFORE,) if translation.taking_over else ()
    found["decide"] = Chain.of(*first, *_rules(rows, prefixes, translate))
    found["postrouting"] = Chain.of(*_from_pods("decide", translation), hook=_NAT_HOOK)
    if translation.taking_over:
        return found
    found["untranslated"] = Chain.of(*_rules(rows, prefixes, forbid))
    condition = "ct state { invalid, untracked } "
    found["stray"] = Chain.of(
        *_from_pods("untranslated", translation, condition), hook=_STRAY_HOOK
    )
    return found


def source_at(
    translation: Translation,
    row: Row,
    device: str,
    destination: IPAddress,
    *,
    by_kernel: DeviceAddresses,
) -> IPAddress | None:
    """Return the source that packets of `row` get by a device; None: the pod's stays.

    `by_kernel` is what it chooses where no rule of ours does.
    """
    version = destination.version
    action, address = row.on_node(version, translation.held)
    if action is not Action.DEVICE:
        return address
    is_left_out = row.origin is Origin.DEFAULT and translation.interfaces
    if is_left_out and not any(_is_meant(device, each) for each in translation.interfaces):
        return None
    routes = _by_length(translation.sources, version)
    of_route = (e.source for e in routes if e.device == device and destination in e.destination)
    own = (e.source for e in translation.devices if e.device == device)
    kernels = by_kernel.ipv4 if version == 4 else by_kernel.ipv6
    return next((each for each in (*of_route, *own) if each.version == version), kernels)


def _is_meant(device: str, name: str) -> bool:
    """Whether `name`, which may end in "*", stands for a device."""
    return device.startswith(name[:-1]) if name.endswith("*") else device == name


def _by_length(sources: Iterable[RouteSource], version: int) -> Sequence[RouteSource]:
    """Return those of one family, the longest prefix first, so the default route last."""
    of_family = (each for each in sources if each.destination.version == version)
    return sorted(of_family, key=lambda each: (-each.destination.prefixlen, str(each)))


def part_names(rows: int) -> Iterator[str]:
    """Yield every name that a part may have in a table of so many rows."""
    yield from ("decide", "postrouting", "untranslated", "stray")
    for version in (4, 6):
        yield from (f"pods{version}", f"cluster{version}")
        for number in range(rows):
            yield from (_set_name(number, version), _pods_name(number, version))


def hook_alone() -> dict[str, Part]:
    """Return a table that translates nothing new.

    Connections that are translated already are so by conntrack, for as long as the kernel has a
    chain of this kind, and a rule that asks conntrack (which is at work for those who do).
    """
    rule = Rule("ct state new accept", "conntrack goes on with what it translates")
    return {"postrouting": Chain.of(rule, hook=_NAT_HOOK)}


def is_translating(found: Mapping[str, Part]) -> bool:
    """Whether a table, as it was found, has the stack masquerade all by itself."""
    decide = found.get("decide")
    return isinstance(decide, Chain) and BEGUN_BEFORE.comment not in decide.comments


def disjoint(prefixes: Iterable[IPNetwork], version: int) -> frozenset[IPNetwork]:
    """Return prefixes of one version as few that do not overlap, as an interval set wants them."""
    of_version = (each for each in prefixes if each.version == version)
    return frozenset(collapse_addresses(of_version))  # type: ignore[type-var]


def _row_prefixes(row: Row, version: int) -> frozenset[IPNetwork] | None:
    if row.destinations is None:
        return None
    return disjoint((p for each in row.destinations for p in _without_excepts(each)), version)


def _without_excepts(destination: Destination) -> Iterator[IPNetwork]:
    left: list[IPNetwork] = [destination.prefix]
    for hole in destination.excepts:
        pieces: list[IPNetwork] = []
        for each in left:
            if not each.overlaps(hole):
                pieces.append(each)
            elif each.prefixlen < hole.prefixlen:
                pieces += each.address_exclude(hole)  # type: ignore[arg-type]
        left = pieces
    yield from left


def _set_name(number: int, version: int) -> str:
    return f"row{number}_{version}"


def _pods_name(number: int, version: int) -> str:
    return f"row{number}_pods{version}"


def _from_pods(chain: str, translation: Translation, condition: str = "") -> Iterator[Rule]:
    """Lead to `chain` what a pod sends.

    What comes out of a pod's interface was checked by from_pod to have the pod's own address,
    where sources are verified. Pods on other plugins' interfaces are known by their address; the
    node's own packets from an address of its CIDRs, the router's, are no pod's.
    """
    if translation.verify_source:
        yield Rule(f'{condition}iifname "{_POD_DEVICES}" goto {chain}', "from a pod's interface")
    for version in translation.versions:
        source = f"{_FAMILIES[version]} saddr @pods{version} fib saddr type != local"
        yield Rule(f"{condition}{source} goto {chain}", "from a pod's address")


def _rules(
    rows: Sequence[Row], prefixes: RowPrefixes, decided: "_Translator | _Forbidder"
) -> Iterator[Rule]:
    for name in _OWN_DEVICES:
        yield Rule(f'oifname "{name}" accept', "to a pod of this node")
    for (number, version), named in prefixes.items():
        row = rows[number]
        for condition in _conditions(row, number, version, named):
            if row.action is Action.KEEP:
                yield Rule(f"{condition}accept", row.name)
            else:
                yield from decided(row, condition, version)


def _conditions(
    row: Row, number: int, version: int, prefixes: frozenset[IPNetwork] | None
) -> Iterator[str]:
    """Yield what a packet must be to match, one condition for each range of ports."""
    family = _FAMILIES[version]
    if row.origin is Origin.CLUSTER:
        where = f"{family} daddr @cluster{version} "
    elif not row.is_for(version):
        return
    elif prefixes is None:
        where = f"meta nfproto ipv{version} "
    elif not prefixes:
        return
    elif len(prefixes) == 1:
        where = f"{family} daddr {min(prefixes)} "
    else:
        where = f"{family} daddr @{_set_name(number, version)} "
    if row.pods is not None:
        where += f"{family} saddr @{_pods_name(number, version)} "
    for ports in (None,) if row.ports is None else row.ports:
        yield where + _port_condition(ports)


def _port_condition(ports: PortRange | None) -> str:
    if ports is None:
        return ""
    protocol = f"meta l4proto {ports.protocol} "
    if (ports.first, ports.last) == (0, PORT_MAX):
        return protocol
    return f"{protocol}th dport {ports.first}-{ports.last} "


@dataclass(frozen=True, slots=True)
class _Translator:
    """What happens to a packet that does not keep its address.

    Answers of a protocol without ports could be any pod's, and conntrack would let the first one
    that sends to a remote stop the others, the node too: those are dropped.
    """

    settings: Translation

    def __call__(self, row: Row, condition: str, version: int) -> Iterator[Rule]:
        _, address = row.on_node(version, self.settings.held)
        if address is not None:
            yield from self._snat(condition, address, row.name)
            yield Rule(f"{condition}counter drop", f"{row.name}, has no ports")
            return
        for place in _places(row, self.settings):
            yield from self._by_routes(row, place, condition, version)
            yield from self._by_devices(row, place, condition, version)
            yield from self._translated(f"{place}{condition}", version, "masquerade", row.name)
            yield Rule(f"{place}{condition}counter drop", f"{row.name}, has no ports")

    def _by_routes(self, row: Row, place: str, condition: str, version: int) -> Iterator[Rule]:
        """Give the source of the route."""
        for each in _by_length(self.settings.sources, version):
            route = f'oifname "{each.device}" {_FAMILIES[version]} daddr {each.destination} '
            yield from self._snat(
                f"{place}{condition}{route}", each.source, f"{row.name}, by route"
            )

    def _by_devices(self, row: Row, place: str, condition: str, version: int) -> Iterator[Rule]:
        for each in self.settings.devices:
            if each.source.version == version:
                where = f'{place}{condition}oifname "{each.device}" '
                yield from self._snat(where, each.source, row.name)

    def _snat(self, condition: str, address: IPAddress, why: str) -> Iterator[Rule]:
        version = address.version
        target = f"snat {_FAMILIES[version]} to [{address}]"
        if version == 4:
            target = f"snat ip to {address}"
        yield from self._translated(condition, version, target, why)

    def _translated(self, condition: str, version: int, target: str, why: str) -> Iterator[Rule]:
        low, high = self.settings.ports
        to = f"{target} to :{low}-{high}" if target == "masquerade" else f"{target}:{low}-{high}"
        protocols = f"meta l4proto {{ {_WITH_PORTS[version]} }}"
        yield Rule(f"{condition}{protocols} {to}{self._flags}", why)
        if self.settings.sctp:  # Its ports stay, unless another has them.
            yield Rule(f"{condition}meta l4proto sctp {target}", why)

    @property
    def _flags(self) -> str:
        return " fully-random" if self.settings.random_fully else ""


@dataclass(frozen=True, slots=True)
class _Forbidder:
    """What happens to a packet that would need another address and gets none."""

    settings: Translation

    def __call__(self, row: Row, condition: str, version: int) -> Iterator[Rule]:  # noqa: ARG002 - the condition has it.
        for place in _places(row, self.settings):
            yield Rule(f"{place}{condition}counter drop", f"{row.name}, not translated")


def _places(row: Row, settings: Translation) -> Iterator[str]:
    """Yield a condition for each place where a row translates: the last one may name devices."""
    if row.origin is not Origin.DEFAULT or not settings.interfaces:
        yield ""
        return
    for name in settings.interfaces:
        yield f'oifname "{name}" '
