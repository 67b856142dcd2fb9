import pytest

from ciliate.config.helm import helm_names, read_changes, words_of_values
from ciliate.config.keys import KEYS
from ciliate.errors import SettingError


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("ipam.mode=cluster-pool", "ipam", "cluster-pool"),
        (
            "ipam.operator.clusterPoolIPv4PodCIDRList={172.20.0.0/16,172.21.0.0/16}",
            "cluster-pool-ipv4-cidr",
            "172.20.0.0/16 172.21.0.0/16",
        ),
        (
            'ipam.operator.clusterPoolIPv4PodCIDRList={"172.20.0.0/16"}',
            "cluster-pool-ipv4-cidr",
            "172.20.0.0/16",
        ),
        ("ipv4NativeRoutingCIDR=172.20.0.0/16", "ipv4-native-routing-cidr", "172.20.0.0/16"),
        ("routingMode=native", "routing-mode", "native"),
        ("bpf.masquerade=false", "enable-bpf-masquerade", "false"),
        ("endpointRoutes.enabled=true", "enable-endpoint-routes", "true"),
        ("devices=eth0,eth1", "devices", "eth0,eth1"),
        ("devices={eth0,eth1}", "devices", "eth0 eth1"),
        ("ipMasqAgent.enabled=true", "enable-ip-masq-agent", "true"),
        ("auto-direct-node-routes=false", "auto-direct-node-routes", "false"),
        ('devices=["eth0","eth1"]', "devices", "eth0 eth1"),
        ("labels=k8s:app=web", "labels", "k8s:app=web"),
        ("labels={k8s:app=web,k8s:tier=front}", "labels", "k8s:app=web k8s:tier=front"),
        ("debug.enabled = true", "debug", " true"),
    ],
)
def test_value_becomes_its_key_of_the_config_map(word: str, key: str, value: str) -> None:
    assert read_changes([word]).config == {key: value}


def test_one_word_may_hold_several_values_as_for_helm() -> None:
    changes = read_changes(["ipam.mode=cluster-pool,debug.enabled=false", "ipam.mode=kubernetes"])

    assert changes.config == {"ipam": "kubernetes", "debug": "false"}


def test_ranges_of_ip_masq_agent_go_to_its_own_config_map() -> None:
    changes = read_changes(["ipMasqAgent.config.nonMasqueradeCIDRs={10.10.1.0/24,10.10.2.0/24}"])

    assert not changes.config
    assert changes.ip_masq_agent == {"nonMasqueradeCIDRs": ["10.10.1.0/24", "10.10.2.0/24"]}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("ipam.mod=cluster-pool", "did you mean 'ipam.mode'"),
        ("routing-mod=native", "did you mean 'routing-mode'"),
        ("ipMasqAgent.config.nonMasqCIDRs={}", "nonMasqueradeCIDRs"),
        ("qqqqqqqq=1", "docs/CONFIGURATION.md"),
        ("ipam.mode", "write NAME=VALUE"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_remedy(word: str, message: str) -> None:
    with pytest.raises(SettingError, match=message.replace("(", r"\(")) as caught:
        read_changes([word])

    name, equals, value = word.partition("=")
    assert (caught.value.key, caught.value.value) == (name, value)
    assert caught.value.problem == ("is not a known setting" if equals else "has no value")


def test_what_follows_a_setting_of_ip_masq_agent_is_read_as_well() -> None:
    changes = read_changes(
        ["ipMasqAgent.config.masqLinkLocal=true,devices={eth0,eth1},debug.enabled=true"]
    )

    assert changes.ip_masq_agent == {"masqLinkLocal": True}
    assert changes.config == {"devices": "eth0 eth1", "debug": "true"}


def test_switches_of_ip_masq_agent_are_booleans() -> None:
    changes = read_changes(
        [
            "ipMasqAgent.config.masqLinkLocal=false",
            "ipMasqAgent.config.masqLinkLocalIPv6=true",
            'ipMasqAgent.config.nonMasqueradeCIDRs=["10.0.0.0/8","10.1.0.0/16"]',
        ]
    )

    assert changes.ip_masq_agent == {
        "masqLinkLocal": False,
        "masqLinkLocalIPv6": True,
        "nonMasqueradeCIDRs": ["10.0.0.0/8", "10.1.0.0/16"],
    }


def test_comma_of_an_element_has_a_backslash_as_for_helm() -> None:
    word = (
        r"hubble.metrics.enabled={dns,flow:labelsContext=source_ip\,source_pod;sourceContext=ip}"
    )

    assert read_changes([word]).config == {
        "hubble-metrics": "dns flow:labelsContext=source_ip,source_pod;sourceContext=ip"
    }


def test_list_of_a_values_file_keeps_the_commas_of_its_elements() -> None:
    document = {
        "hubble": {"metrics": {"enabled": ["dns", "flow:labelsContext=source_ip,source_pod"]}}
    }

    assert read_changes(words_of_values(document)).config == {
        "hubble-metrics": "dns flow:labelsContext=source_ip,source_pod"
    }


def test_port_of_the_chart_is_an_address_without_a_host() -> None:
    assert read_changes(["hubble.metrics.port=9000"]).config == {"hubble-metrics-server": ":9000"}


def test_every_helm_name_leads_to_a_known_key() -> None:
    assert set(helm_names().values()) <= KEYS.keys()


@pytest.mark.parametrize(
    "name",
    [
        *("k8sServiceHost", "hubble.relay.replicas", "operator.replicas", "image.tag"),
        # Near settings of ours, and values of their own.
        *("hubble.ui.replicas", "hubble.tls.enabled", "hubble.relay.listenHost"),
        *("bpf.events.policyVerdict.enabled", "debug.verbose"),
    ],
)
def test_value_of_the_chart_that_is_nothing_here_is_known_and_told(name: str) -> None:
    changes = read_changes([f"{name}=1"])

    assert changes.config == {}
    assert any(name in line for line in changes.warnings())


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ipam.mod", "ipam.mode"),
        ("bpf.masquerde", "bpf.masquerade"),
        ("hubble.enable", "hubble.enabled"),
    ],
)
def test_slip_of_the_finger_in_a_known_section_is_refused(name: str, meant: str) -> None:
    with pytest.raises(SettingError, match=f"did you mean '{meant}'"):
        read_changes([f"{name}=x"])


def test_key_that_is_known_only_is_told() -> None:
    assert "no effect" in "".join(read_changes(["healthChecking=true"]).warnings())


@pytest.mark.parametrize(("text", "wanted"), [("true", True), ("false", False), ("1", True)])
def test_part_is_wanted_or_not_and_no_key_is_written(*, text: str, wanted: bool) -> None:
    changes = read_changes([f"hubble.relay.enabled={text}"])

    assert changes.parts == {"hubble-relay": wanted}
    assert changes.config == {}
    assert changes.warnings() == []


def test_later_word_about_a_part_wins() -> None:
    words = ["hubble.relay.enabled=true,hubble.enabled=true", "hubble.relay.enabled=false"]

    changes = read_changes(words)

    assert changes.parts == {"hubble-relay": False}
    assert changes.config == {"enable-hubble": "true"}


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("hubble.relay.enabled=perhaps", 'is no boolean: write "true" or "false"'),
        ("hubble.relay.enable=true", "did you mean 'hubble.relay.enabled'"),
    ],
)
def test_part_that_cannot_be_meant_is_refused(word: str, words: str) -> None:
    with pytest.raises(SettingError, match=words) as refused:
        read_changes([word])

    assert (refused.value.key, refused.value.value) == tuple(word.split("="))


def test_address_to_listen_at_may_be_a_port_alone() -> None:
    written = read_changes(["hubble.listenAddress=4244"]).config

    assert written == read_changes(["hubble.listenAddress=:4244"]).config
    assert written == {"hubble-listen-address": ":4244"}


def test_extra_config_writes_the_key_it_names() -> None:
    assert read_changes(["extraConfig.debug=true"]).config == {"debug": "true"}


def test_values_file_says_the_same_as_words() -> None:
    pools = ["172.20.0.0/16", "172.21.0.0/16"]
    document = {
        "ipam": {"mode": "cluster-pool", "operator": {"clusterPoolIPv4PodCIDRList": pools}},
        "debug": {"enabled": True},
        "MTU": 1400,
        "nodeSelector": {},
        "affinity": None,
    }

    changes = read_changes(words_of_values(document))

    assert changes.config == {
        "ipam": "cluster-pool",
        "cluster-pool-ipv4-cidr": " ".join(pools),
        "debug": "true",
        "mtu": "1400",
    }


def test_map_of_pools_becomes_the_one_key_that_carries_them() -> None:
    prefix = "ipam.operator.autoCreateCiliumPodIPPools"

    changes = read_changes(
        [
            f"{prefix}.default.ipv4.cidrs={{10.10.0.0/16,10.11.0.0/16}}",
            f"{prefix}.default.ipv4.maskSize=27",
            f"{prefix}.mars.ipv6.cidrs={{fd00::/104}},{prefix}.mars.ipv6.maskSize=120",
        ]
    )

    assert changes.config == {
        "auto-create-cilium-pod-ip-pools": "default=ipv4-cidrs:10.10.0.0/16,10.11.0.0/16;"
        "ipv4-mask-size:27,mars=ipv6-cidrs:fd00::/104;ipv6-mask-size:120"
    }


def test_unknown_field_of_a_pool_is_refused() -> None:
    with pytest.raises(SettingError, match=r"did you mean .*maskSize") as caught:
        read_changes(["ipam.operator.autoCreateCiliumPodIPPools.default.ipv4.masksize=27"])

    assert caught.value.value == "27"
