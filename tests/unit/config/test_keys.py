"""The registry of keys against the ConfigMap of a real 1.17.6 cluster, and its errors."""

import json
from importlib import resources

import pytest

from ciliate.config import keys
from ciliate.config.known import KNOWN
from ciliate.config.supported import GROUPS
from ciliate.errors import SettingError

# The walk-through's start state, the keys that ask for what we have.
START = {
    "ipam": "kubernetes",
    "routing-mode": "native",
    "auto-direct-node-routes": "true",
    "ipv4-native-routing-cidr": "10.244.0.0/16",
    "enable-bpf-masquerade": "true",
    "enable-endpoint-routes": "true",
    "write-cni-conf-when-ready": "/host/etc/cni/net.d/05-cilium.conflist",
    "identity-gc-interval": "15m0s",
}


def test_no_key_stands_in_both_tables() -> None:
    supported = {key.name for group in GROUPS.values() for key in group}

    assert len(keys.KEYS) == len(supported) + len(KNOWN)


def test_supported_defaults_are_accepted_by_their_own_keys_unless_a_later_choice() -> None:
    for key in keys.KEYS.values():
        if key.default and key.default not in key.choices_later:
            key.check(key.default)


@pytest.mark.parametrize(("name", "text"), START.items())
def test_walkthrough_values_are_accepted(name: str, text: str) -> None:
    keys.check(name, text)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ipam", "eni", "is not supported by this version"),
        ("ipam", "kubernets", "is not known"),
        ("default-lb-service-ipam", "nodeipam", "is not supported by this version"),
        ("ipv4-native-routing-cidr", "10.244.0.1/16", "zero host bits"),
        ("ipv4-native-routing-cidr", "fd00::/64", "is an IPv6 prefix"),
        ("ipv4-native-routing-cidr", "10.244.0.0", "has no prefix length"),
        ("enable-ipv4", "yes", "is no boolean"),
        ("nodes-gc-interval", "5 minutes", "is no duration"),
        ("mtu", "1.5k", "is no whole number"),
        ("node-port-range", "32767,30000", "is no rising range"),
        ("devices", "eth0 a-name-that-is-too-long", "is no device name"),
        ("local-router-ipv4", "fd00::1", "is an IPv6 address"),
        ("bpf-map-dynamic-size-ratio", "a bit", "is no number"),
        ("cluster-pool-ipv4-cidr", "10.0.0.0/8 10.1.0.1/8", "is no prefix"),
        ("nodeport-addresses", "primary", "is no prefix"),
        ("kube-proxy-replacement", "strict", "is no boolean"),
        ("kube-proxy-replacement-healthz-bind-address", "10256", "is no address with a port"),
        ("bpf-lb-mode", "dsr", "is not supported by this version"),
        ("bpf-lb-mode", "hybrid", "is not supported by this version"),
        ("bpf-lb-acceleration", "native", "is not supported by this version"),
        ("bpf-lb-maglev-table-size", "65536", "is not known"),
    ],
)
def test_bad_value_is_refused_naming_key_value_and_remedy(
    name: str, text: str, words: str
) -> None:
    with pytest.raises(SettingError) as caught:
        keys.check(name, text)

    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert text in message
    assert words in message


def test_empty_value_means_unset() -> None:
    keys.check("ipv4-native-routing-cidr", "")
    keys.check("mtu", "")


def test_unknown_key_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(SettingError, match="did you mean routing-mode") as caught:
        keys.check("routing-mod", "native")

    assert (caught.value.key, caught.value.value) == ("routing-mod", "native")
    assert caught.value.problem == "is set for a key that is not known"


def test_unknown_key_that_resembles_none_is_refused_with_where_to_look() -> None:
    with pytest.raises(SettingError, match=r"see docs/CONFIGURATION\.md"):
        keys.check("zzzzzzzz", "1")


def test_choice_that_is_not_taken_is_answered_with_those_that_are() -> None:
    with pytest.raises(SettingError) as caught:
        keys.check("ipam", "kubernets")

    assert caught.value.remedy.startswith('choose "')
    assert '" or "' in caught.value.remedy


def test_switch_whose_text_is_unreadable_asks_for_something() -> None:
    assert keys.review({"external-envoy-proxy": "perhaps"}).unsupported == {
        "external-envoy-proxy": "perhaps"
    }


def test_review_finds_unknown_keys_and_switches_without_effect() -> None:
    review = keys.review({**START, "external-envoy-proxy": "true", "ipamm": "x", "zzzzzzzz": "1"})

    assert review.unsupported == {"external-envoy-proxy": "true"}
    assert review.unknown == {"ipamm": "ipam", "zzzzzzzz": None}
    assert review.warnings() == (
        "external-envoy-proxy: 'true' is known but not supported by this version: it has no effect",
        "ipamm is not a known key: did you mean ipam?",
        "zzzzzzzz is not a known key: remove it or correct its name",
    )


@pytest.mark.parametrize("name", ["enable-node-port", "enable-host-port", "enable-external-ips"])
def test_deprecated_switch_asks_for_nothing_where_kube_proxy_is_replaced(name: str) -> None:
    """Cilium 1.18 deprecates them: the one switch turns all of it on, whatever they say."""
    assert not keys.review({name: "true", "kube-proxy-replacement": "true"}).unsupported
    assert name in keys.review({name: "true", "kube-proxy-replacement": "false"}).unsupported
    assert name in keys.review({name: "true"}).unsupported


def test_switch_that_is_off_asks_for_nothing() -> None:
    assert keys.review({"enable-vtep": "false", "enable-sctp": "", "enable-tcx": "true"}) == (
        keys.Review(unsupported={}, unknown={})
    )


def test_every_key_of_a_real_cluster_is_known_and_every_value_readable() -> None:
    """The lab starts as the walk-through's cluster did: Cilium 1.17.6, installed by Helm."""
    start = json.loads(
        (resources.files("ciliate.lab") / "cilium-config.json").read_text(encoding="utf-8")
    )

    for name, text in start.items():
        keys.check(name, text)

    review = keys.review(start)
    assert review.unknown == {}
    assert "external-envoy-proxy" in review.unsupported
    assert "enable-bpf-masquerade" not in review.unsupported
