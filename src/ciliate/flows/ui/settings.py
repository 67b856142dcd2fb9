"""What the page's server is told by its environment: Cilium's variables. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ciliate.config import values
from ciliate.errors import CiliateError
from ciliate.flows.relay.settings import TlsClient

#: Where flows are asked for.
_RELAY: Final = "FLOWS_API_ADDR"
_LISTEN: Final = "UI_LISTEN_ADDRESS"
_TLS: Final = "TLS_TO_RELAY_ENABLED"
_SERVER_NAME: Final = "TLS_RELAY_SERVER_NAME"
_AUTHORITIES: Final = "TLS_RELAY_CA_CERT_FILES"
_CERTIFICATE: Final = "TLS_RELAY_CLIENT_CERT_FILE"
_KEY: Final = "TLS_RELAY_CLIENT_KEY_FILE"

_DEFAULTS: Final[Mapping[str, str]] = {_RELAY: "hubble-relay:80", _LISTEN: ":8081", _TLS: "false"}


class UiSettingError(CiliateError):
    """A variable of the page's server cannot be used: names it, its value and what would do."""

    def __init__(self, variable: str, value: str, problem: str) -> None:
        self.variable = variable
        super().__init__(f"{variable}={value!r}: {problem}")


@dataclass(frozen=True, slots=True)
class UiSettings:
    """Where the page is served, and whom it asks."""

    listen_address: str
    relay: str
    #: Whose certificate the relay shows; empty: no TLS.
    server_name: str
    tls: TlsClient | None


def read_ui_settings(environment: Mapping[str, str]) -> UiSettings:
    """Return what the environment says.

    Raises:
        UiSettingError: A value cannot be used, or one that is needed is missing.
    """
    found = {**_DEFAULTS, **{key: value for key, value in environment.items() if value}}
    try:
        variable = _LISTEN
        values.read_listen_address(found[variable])
        variable = _TLS
        with_tls = values.read_bool(found[variable])
    except values.ValueTextError as error:
        raise UiSettingError(variable, found[variable], str(error)) from error
    if not with_tls:
        return UiSettings(found[_LISTEN], found[_RELAY], "", None)
    for variable in (_SERVER_NAME, _AUTHORITIES, _CERTIFICATE, _KEY):
        if variable not in found:
            raise UiSettingError(variable, "", f"is needed with {_TLS}=true: set it")
    authorities = tuple(map(Path, found[_AUTHORITIES].replace(",", " ").split()))
    tls = TlsClient(Path(found[_CERTIFICATE]), Path(found[_KEY]), authorities)
    return UiSettings(found[_LISTEN], found[_RELAY], found[_SERVER_NAME], tls)
