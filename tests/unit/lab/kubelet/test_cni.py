import json

import pytest

from ciliate.api.core import ContainerPort
from ciliate.lab.kubelet.cni import (
    CniCommand,
    SandboxAttachment,
    _plugin_conf,
    addresses,
    capabilities,
    parse_network_list,
)
from ciliate.lab.kubelet.errors import NetworkNotReadyError, PluginFailedError
from ciliate.lab.objects import Container, Pod, PodSpec


def test_conflist_is_read_with_its_plugins_in_order() -> None:
    text = json.dumps(
        {"cniVersion": "1.1.0", "name": "n", "plugins": [{"type": "a", "x": 1}, {"type": "b"}]}
    )

    network = parse_network_list(text, source="f")

    assert network.name == "n"
    assert network.cni_version == "1.1.0"
    assert [plugin["type"] for plugin in network.plugins] == ["a", "b"]


def test_single_configuration_is_a_list_of_one() -> None:
    network = parse_network_list('{"name": "n", "type": "ptp"}', source="f")

    assert [plugin["type"] for plugin in network.plugins] == ["ptp"]


def test_plugin_of_a_list_without_version_is_given_an_empty_one() -> None:
    network = parse_network_list('{"name": "n", "plugins": [{"type": "ptp"}]}', source="f")

    assert _plugin_conf(network, network.plugins[0], None, {})["cniVersion"] == ""


def test_kept_list_reads_back_the_same() -> None:
    text = '{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "a", "ipam": {"k": [1]}}]}'
    network = parse_network_list(text, source="f")

    assert parse_network_list(network.to_json(), source="f") == network


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"name": "n"}',
        '{"name": "n", "plugins": []}',
        '{"plugins": [{"type": "a"}]}',
        '{"name": "n", "plugins": [{}]}',
        '{"name": "n", "plugins": {"type": "a"}}',
    ],
)
def test_unusable_configuration_is_refused_by_file_name(text: str) -> None:
    with pytest.raises(NetworkNotReadyError, match=r"10-x\.conflist"):
        parse_network_list(text, source="10-x.conflist")


def test_plugin_gets_the_pod_in_its_arguments() -> None:
    attachment = SandboxAttachment(container_id="c1", netns="/n", namespace="ns", pod="p", uid="u")

    environment = attachment.environment(CniCommand.ADD)

    assert environment["CNI_COMMAND"] == "ADD"
    assert environment["CNI_CONTAINERID"] == "c1"
    assert environment["CNI_NETNS"] == "/n"
    assert environment["CNI_IFNAME"] == "eth0"
    assert environment["CNI_ARGS"].split(";") == [
        "IgnoreUnknown=1",
        "K8S_POD_NAMESPACE=ns",
        "K8S_POD_NAME=p",
        "K8S_POD_INFRA_CONTAINER_ID=c1",
        "K8S_POD_UID=u",
    ]


def test_addresses_are_those_of_interfaces_in_the_sandbox() -> None:
    result = {
        "interfaces": [{"name": "veth1"}, {"name": "eth0", "sandbox": "/var/run/netns/x"}],
        "ips": [
            {"address": "10.0.0.1/32", "interface": 0},
            {"address": "10.0.0.2/32", "interface": 1},
            {"address": "fd00::2/128", "interface": 1},
        ],
    }

    assert addresses(result) == ("10.0.0.2", "fd00::2")


def test_addresses_without_interfaces_are_the_pods() -> None:
    assert addresses({"ips": [{"version": "4", "address": "10.0.0.2/24"}]}) == ("10.0.0.2",)


def test_addresses_are_found_in_the_shape_of_0_2_0() -> None:
    result = {"ip4": {"ip": "10.244.0.7/32"}, "ip6": {"ip": "fd00::7/128"}}

    assert addresses(result) == ("fd00::7", "10.244.0.7")


def test_only_error_11_asks_for_another_try() -> None:
    def error(code: int) -> PluginFailedError:
        return PluginFailedError(plugin="p", command="ADD", code=code, message="m")

    assert error(11).try_again_later
    assert not error(7).try_again_later


def test_capability_reaches_the_plugin_that_declares_it() -> None:
    network = parse_network_list(
        json.dumps(
            {
                "cniVersion": "1.0.0",
                "name": "n",
                "plugins": [
                    {"type": "ours"},
                    {"type": "portmap", "capabilities": {"portMappings": True}},
                    {"type": "off", "capabilities": {"portMappings": False}},
                ],
            }
        ),
        source="f",
    )
    asked = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}

    ours, portmap, off = (_plugin_conf(network, each, None, asked) for each in network.plugins)

    base = {"name": "n", "cniVersion": "1.0.0"}
    assert ours == {"type": "ours", **base}
    assert portmap == {"type": "portmap", **base, "runtimeConfig": asked}
    assert off == {"type": "off", **base}


def test_host_ports_of_all_containers_are_the_pods_port_mappings() -> None:
    ports = (ContainerPort(80, host_port=8080), ContainerPort(81))
    udp = ContainerPort(53, host_port=5353, protocol="UDP", host_ip="192.168.10.101")
    containers = (Container(name="a", ports=ports), Container(name="b", ports=(udp,)))
    pod = Pod(spec=PodSpec(containers=containers))

    assert capabilities(pod) == {
        "portMappings": [
            {"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""},
            {
                "hostPort": 5353,
                "containerPort": 53,
                "protocol": "udp",
                "hostIP": "192.168.10.101",
            },
        ]
    }
    assert capabilities(Pod()) == {}
