"""`identity/report.py`: what `dbg ip list` and `dbg identity list` are answered."""

from ipaddress import ip_address

from ciliate.api import agent
from ciliate.api.cilium_identity import CiliumIdentity
from ciliate.api.metadata import ObjectMeta
from ciliate.datapath.layout import IpcacheEntry, PrefixKey
from ciliate.identity.report import address_list, identity_list
from ciliate.net.address import to_octets
from ciliate.node.known_pod import NO_NODE

NODE = to_octets(ip_address("192.168.10.101"))


def key(address: str, length: int) -> PrefixKey:
    return PrefixKey(length, to_octets(ip_address(address)))


def test_prefixes_are_listed_by_family_address_and_length() -> None:
    listed = address_list(
        {
            key("fd00::5", 128): IpcacheEntry(8066, 1, NODE),
            key("10.244.1.7", 128): IpcacheEntry(8066, 1, NODE),
            key("10.244.1.0", 128): IpcacheEntry(9000, 1, NODE),
            key("10.244.1.0", 120): IpcacheEntry(2, 0, NODE),
            key("10.0.2.15", 128): IpcacheEntry(1, 0, NO_NODE),
        }
    )

    assert listed == [
        agent.IpListEntry(
            cidr=cidr, identity=number, host_ip=host, metadata=agent.IpMetadata(source=source)
        )
        for cidr, number, host, source in (
            ("10.0.2.15/32", 1, "", "reserved"),
            ("10.244.1.0/24", 2, "192.168.10.101", "custom-resource"),
            ("10.244.1.0/32", 9000, "192.168.10.101", "custom-resource"),
            ("10.244.1.7/32", 8066, "192.168.10.101", "custom-resource"),
            ("fd00::5/128", 8066, "192.168.10.101", "custom-resource"),
        )
    ]


def identity(name: str) -> CiliumIdentity:
    return CiliumIdentity(
        metadata=ObjectMeta(name=name), security_labels={"k8s:app": "web", "k8s:b": ""}
    )


def test_identities_follow_the_reserved_ones_by_number() -> None:
    listed = identity_list([identity("10000"), identity("999"), identity("not-a-number")])

    assert listed[0] == agent.IdentityModel(id=1, labels=("reserved:host",))
    assert all(model.id for model in listed), "unknown is no identity"
    assert listed[-2:] == [
        agent.IdentityModel(id=999, labels=("k8s:app=web", "k8s:b")),
        agent.IdentityModel(id=10000, labels=("k8s:app=web", "k8s:b")),
    ]
