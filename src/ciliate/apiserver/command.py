"""`ciliate apiserver`: the embedded API server as a process."""

import asyncio
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TypeVar

import click

from ciliate.apiserver.settings import ApiServerSettings, port_range
from ciliate.errors import SettingError
from ciliate.system.descriptors import raise_limit

_Network = TypeVar("_Network", IPv4Network, IPv6Network)


def _bound(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family, backlog=1024)
    except (OSError, ValueError) as error:
        raise SettingError(
            key="--listen",
            value=listen,
            problem=f"cannot be bound ({error})",
            remedy="give HOST:PORT of an address of this machine and a free port",
        ) from error


def _network(kind: type[_Network], key: str, text: str) -> _Network:
    try:
        return kind(text)
    except ValueError as error:
        raise SettingError(
            key=key, value=text, problem=f"is no range ({error})", remedy="give ADDRESS/PREFIX"
        ) from error


@click.command("apiserver")
@click.option("--data-dir", required=True, type=click.Path(path_type=Path), help="SQLite files.")
@click.option("--listen", "listens", multiple=True, default=("127.0.0.1:6443",), show_default=True)
@click.option("--ca-file", required=True, type=click.Path(path_type=Path), help="Clients' CA.")
@click.option("--cert-file", required=True, type=click.Path(path_type=Path))
@click.option("--key-file", required=True, type=click.Path(path_type=Path))
@click.option("--kubelet-sockets", required=True, help="Path with {node} for the node's name.")
@click.option("--advertise-url", default="", help="Where pods reach this server.")
@click.option("--service-cidr-v4", default="10.96.0.0/16", show_default=True)
@click.option("--service-cidr-v6", default="", help="Makes Services dual-stack.")
@click.option("--service-node-port-range", default="30000-32767", show_default=True)
@click.option("--crd-file", "crd_files", multiple=True, type=click.Path(path_type=Path))
def command(
    *,
    data_dir: Path,
    listens: tuple[str, ...],
    ca_file: Path,
    cert_file: Path,
    key_file: Path,
    kubelet_sockets: str,
    advertise_url: str,
    service_cidr_v4: str,
    service_cidr_v6: str,
    service_node_port_range: str,
    crd_files: tuple[Path, ...],
) -> None:
    """Serve the Kubernetes API of a lab out of a SQLite file."""
    settings = ApiServerSettings(
        data_dir=data_dir,
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        kubelet_sockets=kubelet_sockets,
        advertise_url=advertise_url,
        crd_files=crd_files,
        service_cidr_v4=_network(IPv4Network, "--service-cidr-v4", service_cidr_v4),
        service_cidr_v6=(
            _network(IPv6Network, "--service-cidr-v6", service_cidr_v6)
            if service_cidr_v6
            else None
        ),
        service_node_ports=port_range("--service-node-port-range", service_node_port_range),
    )
    raise_limit()
    asyncio.run(_serve(settings, [_bound(listen) for listen in listens]))


async def _serve(settings: ApiServerSettings, sockets: Sequence[socket.socket]) -> None:
    """Serve until SIGTERM, which ends watches and closes the store."""
    from ciliate.apiserver.server import serve  # noqa: PLC0415 - aiohttp only when it serves

    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with suppress(asyncio.CancelledError):
        await serve(settings, sockets)
