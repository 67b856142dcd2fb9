"""`dbg endpoint list`, `ip list`, `node list` in Cilium's columns."""

from ciliate.api.agent import (
    POLICY_NOT_ENFORCED,
    AddressPair,
    ClusterNodes,
    EndpointLabels,
    EndpointModel,
    EndpointNetworking,
    EndpointPolicy,
    EndpointPolicyRealized,
    EndpointStatus,
    IdentityModel,
    IpListEntry,
    IpMetadata,
    NodeElement,
    NodeFamilyAddress,
    NodePrimaryAddress,
)
from ciliate.cli.endpoint_list import (
    render_endpoints,
    render_identities,
    render_ips,
    render_nodes,
)

WEBPOD_LABELS = (
    "k8s:io.kubernetes.pod.namespace=default",
    "k8s:app=webpod",
    "k8s:io.cilium.k8s.policy.cluster=default",
    "k8s:io.cilium.k8s.policy.serviceaccount=default",
    "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=default",
)
WEBPOD = EndpointModel(
    id=1234,
    status=EndpointStatus(
        state="ready",
        identity=IdentityModel(id=8066, labels=WEBPOD_LABELS),
        labels=EndpointLabels(security_relevant=WEBPOD_LABELS),
        networking=EndpointNetworking(addressing=(AddressPair(ipv4="10.244.0.53"),)),
        policy=POLICY_NOT_ENFORCED,
    ),
)
HOST = EndpointModel(
    id=361,
    status=EndpointStatus(
        state="ready",
        identity=IdentityModel(id=1, labels=("reserved:host",)),
        labels=EndpointLabels(security_relevant=("reserved:host",)),
        networking=EndpointNetworking(addressing=(AddressPair(),)),
        policy=POLICY_NOT_ENFORCED,
    ),
)

GOLDEN = """\
ENDPOINT   POLICY (ingress)   POLICY (egress)   IDENTITY   LABELS (source:key[=value])                                              IPv6   IPv4          STATUS   
           ENFORCEMENT        ENFORCEMENT                                                                                                                
361        Disabled           Disabled          1          reserved:host                                                                                 ready    
1234       Disabled           Disabled          8066       k8s:app=webpod                                                                  10.244.0.53   ready    
                                                           k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=default                                 
                                                           k8s:io.cilium.k8s.policy.cluster=default                                                               
                                                           k8s:io.cilium.k8s.policy.serviceaccount=default                                                        
                                                           k8s:io.kubernetes.pod.namespace=default                                                                
"""  # noqa: W291 - Cilium pads the last cell too.


def test_endpoint_list_has_two_header_rows_and_one_label_a_line() -> None:
    lines = render_endpoints([WEBPOD, HOST], headers=True).splitlines()

    assert [line.rstrip() for line in lines] == [line.rstrip() for line in GOLDEN.splitlines()]


def test_headers_can_be_left_out() -> None:
    assert "ENDPOINT" not in render_endpoints([WEBPOD, HOST], headers=False)


def test_enforcement_is_shown_by_direction() -> None:
    policy = EndpointPolicy(realized=EndpointPolicyRealized(policy_enabled="ingress"))
    enforced = EndpointModel(id=7, status=EndpointStatus(state="ready", policy=policy))

    row = render_endpoints([enforced], headers=False)

    assert row.split()[:3] == ["7", "Enabled", "Disabled"]
    assert "<no label id>" in row
    assert "no labels" in row
    assert "No address" in row


def test_ip_list_names_identities_by_their_labels() -> None:
    entries = [
        IpListEntry(cidr="0.0.0.0/0", identity=2),
        IpListEntry(
            cidr="10.244.0.53/32", identity=8066, metadata=IpMetadata(source="custom-resource")
        ),
        IpListEntry(cidr="10.244.0.99/32", identity=9999),
    ]
    labels = {8066: ("k8s:b=2", "k8s:a=1")}

    assert render_ips(entries, labels, numeric=False, verbose=False) == (
        "IP               IDENTITY         SOURCE\n"
        "0.0.0.0/0        reserved:world   \n"
        "10.244.0.53/32   k8s:a=1          custom-resource\n"
        "                 k8s:b=2          \n"
        "10.244.0.99/32   9999             \n"
    )
    assert render_ips(entries[:1], {}, numeric=True, verbose=True) == (
        "IP          IDENTITY   SOURCE   HOST   ENCRYPT_KEY\n0.0.0.0/0   2                          0\n"
    )


def test_node_list_has_both_families() -> None:
    node = NodeElement(
        name="default/k8s-ctr",
        primary_address=NodePrimaryAddress(
            ipv4=NodeFamilyAddress(enabled=True, ip="192.168.10.100", alloc_range="10.244.0.0/24")
        ),
        source="local",
    )

    assert render_nodes(ClusterNodes(nodes_added=(node,))) == (
        "Name              IPv4 Address     Endpoint CIDR   IPv6 Address   Endpoint CIDR   Source\n"
        "default/k8s-ctr   192.168.10.100   10.244.0.0/24                                  local\n"
    )


def test_identity_list_is_sorted_by_number() -> None:
    identities = [
        IdentityModel(id=8066, labels=("k8s:b=2", "k8s:a=1")),
        IdentityModel(id=1, labels=("reserved:host",)),
    ]

    assert render_identities(identities) == (
        "ID     LABELS\n1      reserved:host\n8066   k8s:a=1\n       k8s:b=2\n"
    )
