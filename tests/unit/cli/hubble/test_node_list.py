"""Nodes and namespaces as tables."""

from google.protobuf.json_format import ParseDict

from ciliate.cli.hubble.node_list import render_namespaces, render_nodes, sorted_nodes
from ciliate.flows.pb.observer import observer_pb2

NODES = ParseDict(
    {
        "nodes": [
            {"name": "k8s-w9", "state": "NODE_UNAVAILABLE"},
            {
                "name": "k8s-w1",
                "version": "cilium v1.17.6+g8f5e9c3",
                "address": "192.168.10.101:4244",
                "state": "NODE_CONNECTED",
                "tls": {"enabled": True},
                "uptime_ns": 3723000000000,
                "num_flows": 4095,
                "max_flows": 4095,
                "seen_flows": 171258,
            },
            {
                "name": "k8s-ctr",
                "version": "cilium v1.17.6",
                "address": "192.168.10.100:4244",
                "state": "NODE_CONNECTED",
                "tls": {},
                "uptime_ns": 100000000000,
                "num_flows": 1470,
                "max_flows": 4095,
                "seen_flows": 1470,
            },
        ]
    },
    observer_pb2.GetNodesResponse(),
).nodes


def test_wide_table_says_where_nodes_answer() -> None:
    assert render_nodes(sorted_nodes(NODES), wide=True) == (
        "NAME      STATUS        AGE      FLOWS/S   CURRENT/MAX-FLOWS     VERSION"
        "                   ADDRESS               TLS\n"
        "k8s-ctr   Connected     1m40s    14.70     1470/4095 ( 35.90%)   cilium v1.17.6"
        "            192.168.10.100:4244   Disabled\n"
        "k8s-w1    Connected     1h2m3s   46.00     4095/4095 (100.00%)   cilium v1.17.6+g8f5e9c3"
        "   192.168.10.101:4244   Enabled\n"
        "k8s-w9    Unavailable   N/A      N/A       N/A                   N/A"
        "                                             N/A\n"
    )


def test_table_ends_with_the_flows() -> None:
    header, *rows = render_nodes(sorted_nodes(NODES), wide=False).splitlines()

    assert header == "NAME      STATUS        AGE      FLOWS/S   CURRENT/MAX-FLOWS"
    assert rows[2] == "k8s-w9    Unavailable   N/A      N/A       N/A"


def test_namespaces_have_their_cluster_when_it_is_asked_for() -> None:
    found = [
        observer_pb2.Namespace(cluster="default", namespace="kube-system"),
        observer_pb2.Namespace(cluster="default", namespace="prod"),
    ]

    assert render_namespaces(found, wide=False) == "NAMESPACE\nkube-system\nprod\n"
    assert render_namespaces(found, wide=True) == (
        "NAMESPACE     CLUSTER\nkube-system   default\nprod          default\n"
    )
    assert render_namespaces([], wide=True) == "NAMESPACE   CLUSTER\n"
