"""`flows/ui/settings.py`: the variables of Cilium's page, and wrong values of them."""

from pathlib import Path

import pytest

from ciliate.flows.relay.settings import TlsClient
from ciliate.flows.ui.settings import UiSettingError, UiSettings, read_ui_settings

TLS = {
    "TLS_TO_RELAY_ENABLED": "true",
    "TLS_RELAY_SERVER_NAME": "ui.hubble-relay.cilium.io",
    "TLS_RELAY_CA_CERT_FILES": "/tls/ca.crt,/tls/other.crt",
    "TLS_RELAY_CLIENT_CERT_FILE": "/tls/client.crt",
    "TLS_RELAY_CLIENT_KEY_FILE": "/tls/client.key",
}


def test_nothing_said_is_the_relay_of_the_own_namespace_without_tls() -> None:
    assert read_ui_settings({}) == UiSettings(":8081", "hubble-relay:80", "", None)
    assert read_ui_settings({"FLOWS_API_ADDR": ""}) == read_ui_settings({})


def test_tls_is_by_files_and_the_relays_name() -> None:
    settings = read_ui_settings(TLS | {"FLOWS_API_ADDR": "hubble-relay:443"})

    assert settings.relay == "hubble-relay:443"
    assert settings.server_name == "ui.hubble-relay.cilium.io"
    authorities = (Path("/tls/ca.crt"), Path("/tls/other.crt"))
    assert settings.tls == TlsClient(Path("/tls/client.crt"), Path("/tls/client.key"), authorities)


@pytest.mark.parametrize("missing", sorted(TLS.keys() - {"TLS_TO_RELAY_ENABLED"}))
def test_tls_without_one_of_its_variables_names_it(missing: str) -> None:
    said = {key: value for key, value in TLS.items() if key != missing}

    with pytest.raises(UiSettingError, match=f"{missing}='': is needed with"):
        read_ui_settings(said)


@pytest.mark.parametrize(
    ("variable", "value"), [("TLS_TO_RELAY_ENABLED", "perhaps"), ("UI_LISTEN_ADDRESS", "8081")]
)
def test_wrong_value_names_variable_and_value(variable: str, value: str) -> None:
    with pytest.raises(UiSettingError, match=f"{variable}='{value}'"):
        read_ui_settings({variable: value})
