"""`flows/feature.py`: what the flow server is told of the settings."""

import pytest

from ciliate.config.hubble_server_settings import read_hubble_listen_settings
from ciliate.config.texts import Texts
from ciliate.flows.feature import listener_of
from ciliate.flows.feed import ListenBegin, TlsBegin


def listener(config: dict[str, str]) -> ListenBegin | None:
    return listener_of(read_hubble_listen_settings(Texts(config)))


def test_without_an_address_there_is_no_listener() -> None:
    assert listener({}) is None


def test_listener_has_the_files_of_the_settings() -> None:
    files = "/var/lib/cilium/tls/hubble"

    assert listener({"hubble-listen-address": ":4244"}) == ListenBegin(
        address=":4244",
        tls=TlsBegin(
            certificate=f"{files}/server.crt",
            key=f"{files}/server.key",
            client_authorities=(f"{files}/client-ca.crt",),
        ),
    )


@pytest.mark.parametrize("text", ["true", "1"])
def test_listener_speaks_no_tls_where_that_is_said(text: str) -> None:
    config = {"hubble-listen-address": "[::1]:1", "hubble-disable-tls": text}

    assert listener(config) == ListenBegin(address="[::1]:1", tls=None)
