"""Addresses and ports of Services: ClusterIPs out of the service ranges, node ports.

Like kube-apiserver's allocators: an address is given at random from the upper part of the range,
so that the lower one stays free for those that ask for a fixed address.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from ciliate.apiserver import errors
from ciliate.apiserver.errors import Cause
from ciliate.apiserver.names import invalid_value
from ciliate.apiserver.service_families import allocation_refused, choose_families
from ciliate.apiserver.service_types import needs_cluster_ip, needs_health_port, needs_node_ports
from ciliate.apiserver.store import JsonObject, Store, decode

Network = Any  # IPv4Network | IPv6Network: both are read alike here.

#: What lies at the start of a range is given out only when the rest is used, so that who asks for
#: a fixed address or port has a choice (KEP-3070, KEP-3668): a 16th, or a 32nd, within bounds.
_STATIC_ADDRESSES: Final = (16, 256)
_STATIC_PORTS: Final = (16, 128)
#: Random picks before the range is searched in order.
_PICKS_MAX: Final = 32


@dataclass(slots=True)
class ServiceAllocator:
    """Gives Services their addresses and node ports (an Admission of theirs)."""

    networks: dict[str, Network]
    #: What node ports come out of (service-node-port-range).
    node_ports: range = range(30000, 32768)
    #: Owner of each address and node port: the UID of a Service.
    _held: dict[str | int, str] = field(default_factory=dict)
    #: The same by owner: what a Service gives back when it changes or goes.
    _of: dict[str, list[str | int]] = field(default_factory=dict)

    def load(self, store: Store) -> None:
        """Take note of what stored Services have."""
        for stored in store.collection("services").objects.values():
            self.written(decode(stored))

    def creating(self, obj: JsonObject, *, dry_run: bool) -> None:
        """Give a new Service what it asks for or lacks."""
        del dry_run  # Held only once the object is written.
        self._give(obj)

    def updating(self, new: JsonObject, old: JsonObject, *, dry_run: bool) -> None:
        """Give a changed Service what its new type needs; it has kept the rest (`replacements`)."""
        del dry_run
        self._give(new, old["spec"])

    def written(self, obj: JsonObject) -> None:
        """Note what a Service holds now."""
        self.deleted(obj)
        uid = obj["metadata"]["uid"]
        self._of[uid] = _addresses_and_ports(obj["spec"])
        for held in self._of[uid]:
            self._held[held] = uid

    def deleted(self, obj: JsonObject) -> None:
        """Release what a Service held."""
        for held in self._of.pop(obj["metadata"]["uid"], ()):
            self._held.pop(held, None)

    def _give(self, obj: JsonObject, was: JsonObject | None = None) -> None:
        spec = obj["spec"]
        if not needs_cluster_ip(spec):
            return
        causes = choose_families(spec, was, list(self.networks))
        if causes:
            raise _refused(obj, *causes)
        if spec.get("clusterIP") == "None" or spec.get("clusterIPs") == ["None"]:
            spec["clusterIP"], spec["clusterIPs"] = "None", ["None"]
        else:
            self._give_addresses(obj)
        if needs_health_port(spec):
            self._give_health_port(obj)
        if needs_node_ports(spec):
            self._give_node_ports(obj)

    def _give_addresses(self, obj: JsonObject) -> None:
        spec, uid = obj["spec"], obj["metadata"]["uid"]
        asked = list(
            spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
        )
        for index, family in enumerate(spec["ipFamilies"]):
            network = self.networks[family]
            if index < len(asked):
                problem = self._problem(ip_address(asked[index]), network, uid)
                if problem:
                    raise _refused(obj, allocation_refused(spec, asked[index], problem))
            else:
                asked.append(str(self._free(obj, network)))
        spec["clusterIPs"] = asked[: len(spec["ipFamilies"])]
        spec["clusterIP"] = spec["clusterIPs"][0]

    def _problem(self, address: IPv4Address | IPv6Address, network: Network, uid: str) -> str:
        """Why an address that is asked for cannot be given, or nothing."""
        if address not in network:
            return f"the provided network does not match the current range: {network}"
        if address in {network.network_address, network.broadcast_address}:
            return f"it is the range's own ({network})"
        taken = self._held.get(str(address), uid) != uid
        return "provided IP is already allocated" if taken else ""

    def _free(self, obj: JsonObject, network: Network) -> IPv4Address | IPv6Address:
        first, last = int(network.network_address), int(network.broadcast_address)
        low = first + 1 + _static(last - first - 1, 16, _STATIC_ADDRESSES)
        make = type(network.network_address)
        for _ in range(_PICKS_MAX):
            picked = make(low + secrets.randbelow(max(last - low, 1)))
            if str(picked) not in self._held:
                return picked  # type: ignore[no-any-return]
        for number in (*range(low, last), *range(first + 1, low)):
            if str(make(number)) not in self._held:
                return make(number)  # type: ignore[no-any-return]
        raise errors.internal(
            f"failed to allocate a serviceIP for {obj['metadata']['name']}: range {network} is full"
        )

    def _give_health_port(self, obj: JsonObject) -> None:
        spec = obj["spec"]
        number = spec.get("healthCheckNodePort")
        if not number:
            taken = {p.get("nodePort") for p in spec.get("ports") or ()}
            number = spec["healthCheckNodePort"] = self._free_port(obj, taken)
        self._check_port(obj, "spec.healthCheckNodePort", number)

    def _give_node_ports(self, obj: JsonObject) -> None:
        spec = obj["spec"]
        ports = spec.get("ports") or []
        # One port of several protocols has one node port, unless the client says otherwise.
        shared = {p.get("port"): p["nodePort"] for p in ports if p.get("nodePort")}
        gives = (
            spec["type"] == "NodePort" or spec.get("allocateLoadBalancerNodePorts") is not False
        )
        taken = {spec.get("healthCheckNodePort"), *shared.values()}
        uses: set[tuple[Any, int]] = {
            (p.get("protocol"), p["nodePort"]) for p in ports if p.get("nodePort")
        }
        for port in ports:
            if port.get("nodePort") or not gives:
                continue
            number = shared.get(port.get("port"))
            if number is None or (port.get("protocol"), number) in uses:
                number = self._free_port(obj, taken)
            port["nodePort"] = shared[port.get("port")] = number
            taken.add(number)
            uses.add((port.get("protocol"), number))
        self._check_ports(obj, ports)

    def _check_ports(self, obj: JsonObject, ports: list[JsonObject]) -> None:
        seen: set[tuple[Any, int]] = set()
        for index, port in enumerate(ports):
            number, at = port.get("nodePort"), f"spec.ports[{index}].nodePort"
            if not number:
                continue
            self._check_port(obj, at, number)
            if (port.get("protocol"), number) in seen:
                cause = Cause(at, "FieldValueDuplicate", f"Duplicate value: {number}")
                raise _refused(obj, cause)
            seen.add((port.get("protocol"), number))

    def _check_port(self, obj: JsonObject, at: str, number: int) -> None:
        if number not in self.node_ports:
            valid = f"{self.node_ports.start}-{self.node_ports.stop - 1}"
            problem = (
                f"provided port is not in the valid range. The range of valid ports is {valid}"
            )
            raise _invalid(obj, at, number, problem)
        uid = obj["metadata"]["uid"]
        if self._held.get(number, uid) != uid:
            raise _invalid(obj, at, number, "provided port is already allocated")

    def _free_port(self, obj: JsonObject, taken: Collection[int | None]) -> int:
        static = _static(len(self.node_ports), 32, _STATIC_PORTS)
        for ports in (self.node_ports[static:], self.node_ports[:static]):
            start = secrets.randbelow(max(len(ports), 1))
            port: int
            for port in (*ports[start:], *ports[:start]):
                if port not in self._held and port not in taken:
                    return port
        raise errors.internal(
            f"failed to allocate a nodePort for {obj['metadata']['name']}: all are in use"
        )


def _static(size: int, part: int, bounds: tuple[int, int]) -> int:
    """How many at the start of a range are given out last; in a small range none are."""
    least, most = bounds
    return min(max(size // part, least), most) if size >= least else 0


def _addresses_and_ports(spec: JsonObject) -> list[str | int]:
    # One address has many spellings, above all in IPv6.
    addresses = [str(ip_address(a)) for a in spec.get("clusterIPs") or () if a != "None"]
    ports = [p["nodePort"] for p in spec.get("ports") or () if p.get("nodePort")]
    if spec.get("healthCheckNodePort"):
        ports.append(spec["healthCheckNodePort"])
    return [*addresses, *ports]


def _invalid(obj: JsonObject, field_name: str, value: Any, problem: str) -> errors.StatusError:
    return _refused(obj, invalid_value(field_name, value, problem))


def _refused(obj: JsonObject, *causes: Cause) -> errors.StatusError:
    name = obj["metadata"]["name"]
    return errors.invalid(kind="Service", group="", name=name, causes=list(causes))
