"""Where other machines ask a node for flows, and who may, out of `cilium-config`. Pure."""

from dataclasses import dataclass

from ciliate.config import values
from ciliate.config.texts import Texts


@dataclass(frozen=True, slots=True)
class HubbleListenSettings:
    """The listener for relays; `address` is empty where there is none."""

    address: str
    tls: bool
    cert_file: str
    key_file: str
    client_ca_files: tuple[str, ...]
    prefer_ipv6: bool

    @property
    def port(self) -> int:
        """The port that it listens at; 0: at none."""
        return values.read_listen_address(self.address)[1] if self.address else 0


def read_hubble_listen_settings(texts: Texts) -> HubbleListenSettings:
    """Return the settings of the listener.

    Raises:
        SettingError: A value cannot be read.
    """
    return HubbleListenSettings(
        address=texts.text("hubble-listen-address"),
        tls=not texts.flag("hubble-disable-tls"),
        cert_file=texts.text("hubble-tls-cert-file"),
        key_file=texts.text("hubble-tls-key-file"),
        client_ca_files=tuple(values.read_words(texts.text("hubble-tls-client-ca-files"))),
        prefer_ipv6=texts.flag("hubble-prefer-ipv6"),
    )
