"""What `dbg ip list` and `dbg identity list` are answered. Pure."""

from collections.abc import Iterable

from ciliate.api import agent
from ciliate.api.cilium_identity import CiliumIdentity, label_texts
from ciliate.datapath import layout
from ciliate.identity.plan import Entries
from ciliate.net.address import from_octets, network_of
from ciliate.net.identity import ReservedIdentity
from ciliate.node.known_pod import NO_NODE


def address_list(ipcache: Entries) -> list[agent.IpListEntry]:
    """Return identity and node of each prefix, in the order of families and addresses."""
    entries = sorted(ipcache.items(), key=lambda item: (item[0].address, item[0].prefix_length))
    listed = [_entry(key, entry) for key, entry in entries]
    return sorted(listed, key=lambda each: ":" in each.cidr)


def _entry(key: layout.PrefixKey, entry: layout.IpcacheEntry) -> agent.IpListEntry:
    source = "reserved" if entry.identity == ReservedIdentity.HOST else "custom-resource"
    return agent.IpListEntry(
        cidr=str(network_of(key.address, key.prefix_length)),
        identity=entry.identity,
        host_ip="" if entry.node == NO_NODE else str(from_octets(entry.node)),
        metadata=agent.IpMetadata(source=source),
    )


def identity_list(identities: Iterable[CiliumIdentity]) -> list[agent.IdentityModel]:
    """Return the identities of the cluster, the reserved ones before them."""
    reserved = [
        agent.IdentityModel(id=each, labels=(each.label,))
        for each in ReservedIdentity
        if each is not ReservedIdentity.UNKNOWN
    ]
    allocated = [
        agent.IdentityModel(
            id=int(identity.metadata.name), labels=label_texts(identity.security_labels)
        )
        for identity in identities
        if identity.metadata.name.isdecimal()
    ]
    return [*reserved, *sorted(allocated, key=lambda model: model.id)]
