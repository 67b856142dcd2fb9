"""`config/hubble_server_settings.py`: where relays ask a node, and by what both are known."""

import pytest

from ciliate.config.hubble_server_settings import (
    HubbleListenSettings,
    read_hubble_listen_settings,
)
from ciliate.config.texts import Texts
from ciliate.errors import SettingError


def read(config: dict[str, str]) -> HubbleListenSettings:
    return read_hubble_listen_settings(Texts(config))


def test_defaults_are_those_of_cilium() -> None:
    found = read({})

    assert found == HubbleListenSettings(
        address="",
        tls=True,
        cert_file="/var/lib/cilium/tls/hubble/server.crt",
        key_file="/var/lib/cilium/tls/hubble/server.key",
        client_ca_files=("/var/lib/cilium/tls/hubble/client-ca.crt",),
        prefer_ipv6=False,
    )
    assert found.port == 0


def test_everything_may_be_said_otherwise() -> None:
    found = read(
        {
            "hubble-listen-address": "[::1]:5000",
            "hubble-disable-tls": "true",
            "hubble-tls-cert-file": "/a.crt",
            "hubble-tls-key-file": "/a.key",
            "hubble-tls-client-ca-files": "/b.crt, /c.crt",
            "hubble-prefer-ipv6": "true",
        }
    )

    assert found == HubbleListenSettings(
        address="[::1]:5000",
        tls=False,
        cert_file="/a.crt",
        key_file="/a.key",
        client_ca_files=("/b.crt", "/c.crt"),
        prefer_ipv6=True,
    )
    assert found.port == 5000


@pytest.mark.parametrize("text", ["4244", ":", ":0", ":70000", "::1:4244", "host"])
def test_address_without_a_port_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingError) as refused:
        read({"hubble-listen-address": text})

    assert refused.value.key == "hubble-listen-address"
    assert refused.value.value == text
    assert refused.value.remedy
