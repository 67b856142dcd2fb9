"""`flows/relay/settings.py`: Cilium's keys are taken, and what is wrong is named with what would do."""

from pathlib import Path
from typing import Any

import pytest

from ciliate.flows.relay.settings import (
    RelaySettingError,
    RelaySettings,
    TlsClient,
    TlsServer,
    read_relay_settings,
    relay_settings,
)

FILE = Path("/etc/hubble-relay/config.yaml")
FILES = "/var/lib/hubble-relay/tls"

#: As the chart of Cilium 1.17 writes it where nothing but the relay is switched on.
CHART = f"""\
cluster-name: default
peer-service: "hubble-peer.kube-system.svc.cluster.local.:443"
listen-address: :4245
gops: true
gops-port: "9893"
retry-timeout:
sort-buffer-len-max:
sort-buffer-drain-timeout:
tls-hubble-client-cert-file: {FILES}/client.crt
tls-hubble-client-key-file: {FILES}/client.key
tls-hubble-server-ca-files: {FILES}/hubble-server-ca.crt

disable-server-tls: true
"""

OPEN = {"disable-client-tls": True, "disable-server-tls": True}
CLIENT = {
    "tls-hubble-client-cert-file": f"{FILES}/client.crt",
    "tls-hubble-client-key-file": f"{FILES}/client.key",
    "tls-hubble-server-ca-files": f"{FILES}/ca.crt",
}
SERVER = {
    "tls-relay-server-cert-file": f"{FILES}/server.crt",
    "tls-relay-server-key-file": f"{FILES}/server.key",
}


def read(**keys: Any) -> RelaySettings:
    """Return what is read of keys, written with underscores, on top of no TLS."""
    return relay_settings(OPEN | {key.replace("_", "-"): keys[key] for key in keys}, FILE)


def refusal(document: dict[str, Any]) -> str:
    """Return why a document is refused, without the file's name, which stands first."""
    with pytest.raises(RelaySettingError) as refused:
        relay_settings(document, FILE)
    assert refused.value.file == FILE
    text = str(refused.value)
    assert text.startswith(f"{FILE}: ")
    return text.removeprefix(f"{FILE}: ")


def test_file_of_ciliums_chart_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CHART, encoding="utf-8")

    assert read_relay_settings(file) == RelaySettings(
        cluster="default",
        peer_service="hubble-peer.kube-system.svc.cluster.local.:443",
        listen_address=":4245",
        health_address=":4222",
        client_tls=TlsClient(
            Path(f"{FILES}/client.crt"),
            Path(f"{FILES}/client.key"),
            (Path(f"{FILES}/hubble-server-ca.crt"),),
        ),
        server_tls=None,
        without_effect=(
            "gops",
            "gops-port",
            "retry-timeout",
            "sort-buffer-drain-timeout",
            "sort-buffer-len-max",
        ),
    )


def test_defaults_are_those_of_cilium() -> None:
    assert read() == RelaySettings(
        cluster="default",
        peer_service="unix:///var/run/cilium/hubble.sock",
        listen_address=":4245",
        health_address=":4222",
        client_tls=None,
        server_tls=None,
        without_effect=(),
    )


def test_key_without_a_value_has_its_default() -> None:
    assert read(cluster_name=None, peer_service=None, listen_address=None) == read()


def test_clients_and_nodes_are_each_known_by_their_own_files() -> None:
    several = {"tls-relay-client-ca-files": "/a.crt, /b.crt"}

    found = relay_settings(CLIENT | SERVER | several, FILE)

    assert found.client_tls == TlsClient(
        Path(f"{FILES}/client.crt"), Path(f"{FILES}/client.key"), (Path(f"{FILES}/ca.crt"),)
    )
    assert found.server_tls == TlsServer(
        Path(f"{FILES}/server.crt"), Path(f"{FILES}/server.key"), (Path("/a.crt"), Path("/b.crt"))
    )


@pytest.mark.parametrize("value", [["/a.crt", "/b.crt"], "/a.crt /b.crt", "/a.crt,/b.crt"])
def test_several_files_are_a_list_or_words(value: object) -> None:
    found = relay_settings(
        OPEN | CLIENT | {"disable-client-tls": False, "tls-hubble-server-ca-files": value}, FILE
    )

    assert found.client_tls is not None
    assert found.client_tls.authorities == (Path("/a.crt"), Path("/b.crt"))


def test_certificates_of_clients_need_not_be_wanted() -> None:
    found = relay_settings(CLIENT | SERVER, FILE).server_tls

    assert found is not None
    assert found.client_authorities == ()


@pytest.mark.parametrize("value", [True, "true", "True", "1"])
def test_switch_may_be_a_text(value: object) -> None:
    assert relay_settings(OPEN | {"disable-client-tls": value}, FILE).client_tls is None


@pytest.mark.parametrize("off", ["disable-client-tls", "disable-server-tls"])
def test_switch_that_is_none_is_refused_rather_than_off(off: str) -> None:
    text = refusal(OPEN | {off: "flase"})

    assert text == f"""{off}='flase' is no boolean: write "true" or "false\""""


@pytest.mark.parametrize(
    ("key", "off"),
    [
        *((key, "disable-client-tls") for key in CLIENT),
        *((key, "disable-server-tls") for key in SERVER),
    ],
)
@pytest.mark.parametrize("value", ["", None])
def test_file_that_is_missing_is_named_with_the_switch_for_doing_without(
    key: str, off: str, value: object
) -> None:
    text = refusal(CLIENT | SERVER | {key: value})

    assert text == f"{key}: is missing: name a file, or set {off}: true"


@pytest.mark.parametrize("key", ["listen-address", "health-listen-address"])
@pytest.mark.parametrize("value", ["4245", 4245, ":0", "nowhere"])
def test_address_without_a_port_is_refused_with_what_would_do(key: str, value: object) -> None:
    text = refusal(OPEN | {key: value})

    assert text.startswith(f"{key}={value!r} is no address with a port: write such as ")


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("listen-adress", "listen-address"),
        ("peer-servce", "peer-service"),
        ("tls-hubble-client-cert", "tls-hubble-client-cert-file"),
    ],
)
def test_unknown_key_is_answered_with_the_nearest(key: str, near: str) -> None:
    assert refusal(OPEN | {key: "x"}) == f"{key}: is not a known key: did you mean {near!r}?"


def test_unknown_key_near_none_is_answered_with_all() -> None:
    text = refusal(OPEN | {"zzz": "x"})

    assert text.startswith("zzz: is not a known key: there are cluster-name, peer-service, ")


def test_file_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(RelaySettingError, match="tls-hubble-server-ca-files: is missing"):
        read_relay_settings(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (b"a: [", "cannot be read: "),
        (b"\xff\xfe\xff", "cannot be read: "),
        (b"- a\n- b\n", "is no map of keys"),
        (b"text", "is no map of keys"),
    ],
)
def test_file_that_is_none_is_refused_by_name(tmp_path: Path, octets: bytes, problem: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(octets)

    with pytest.raises(RelaySettingError) as refused:
        read_relay_settings(file)

    assert str(refused.value).startswith(f"{file}: {problem}")


def test_folder_in_its_place_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RelaySettingError, match="cannot be read"):
        read_relay_settings(tmp_path)
