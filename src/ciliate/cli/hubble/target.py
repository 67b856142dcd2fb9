"""Whom `hubble` asks, and how it proves itself: flags, environment, defaults.

`HUBBLE_SERVER` and its like stand for a flag each. In an agent's container the agent of that node is
asked, everywhere else the relay, which is expected behind a port of this machine. On a node where
nobody listens at that port its own agent answers instead.
"""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, Final, TypeVar

import click

from ciliate.cli.agent_container import in_agent_container
from ciliate.cli.duration import DURATION
from ciliate.cli.hubble.errors import HubbleError

R = TypeVar("R")

AGENT_TARGET: Final = "unix:///var/run/cilium/hubble.sock"
RELAY_TARGET: Final = "localhost:4245"

#: How long a port of this machine may take to say that somebody listens there.
_LOOK_S: Final = 1.0

_TLS_PREFIX: Final = "tls://"


class PortForwardError(HubbleError):
    """`--port-forward` was asked for."""

    def __init__(self) -> None:
        super().__init__(
            "--port-forward is not there yet: forward the relay's port with"
            " `kubectl -n kube-system port-forward service/hubble-relay 4245:80` and leave it out"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server, and what to show it."""

    #: Without the prefix that asks for TLS.
    server: str
    tls: bool = False
    tls_allow_insecure: bool = False
    tls_ca_cert_files: tuple[str, ...] = ()
    tls_client_cert_file: str | None = None
    tls_client_key_file: str | None = None
    tls_server_name: str | None = None
    basic_auth_username: str | None = None
    basic_auth_password: str | None = None
    #: Until the server has answered at all, and until it has answered one question.
    timeout: float = 5.0
    request_timeout: float = 12.0
    #: More on standard error.
    debug: bool = False


def default_server(environment: Mapping[str, str], agent: str = AGENT_TARGET) -> str:
    """Return whom a command asks that was told nothing."""
    if in_agent_container(environment):
        return agent
    is_node = os.path.exists(agent.removeprefix("unix://"))
    return agent if is_node and not _is_served(RELAY_TARGET) else RELAY_TARGET


def _is_served(target: str) -> bool:
    """Whether somebody listens at a port of this machine."""
    host, _, port = target.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_LOOK_S):
            return True
    except OSError:
        return False


def variable(flag: str) -> str:
    """Return the variable of the environment that stands for a flag: `HUBBLE_TLS_SERVER_NAME`."""
    return f"HUBBLE_{flag.lstrip('-').replace('-', '_').upper()}"


def _option(flag: str, help_text: str, *more: str, **settings: Any) -> click.Option:
    return click.Option([flag, *more], help=help_text, envvar=variable(flag), **settings)


def _refuse(_context: click.Context, _option: click.Parameter, asked: object) -> None:
    if asked:
        raise PortForwardError


def _options() -> list[click.Option]:
    existing = click.Path(exists=True, dir_okay=False)
    return [
        _option(
            "--server",
            f"Whom to ask.  [default: {RELAY_TARGET}; on a node without it {AGENT_TARGET}]",
            metavar="ADDRESS",
        ),
        _option("--tls", "Speak TLS, as with an address that begins with tls://.", is_flag=True),
        _option(
            "--tls-allow-insecure",
            "Take the server's certificate whoever signed it.",
            is_flag=True,
        ),
        _option(
            "--tls-ca-cert-files",
            "Who signs servers' certificates: files in PEM.",
            metavar="FILE[,FILE]",
        ),
        _option("--tls-client-cert-file", "Our certificate, in PEM.", type=existing),
        _option("--tls-client-key-file", "Its key, in PEM.", type=existing),
        _option(
            "--tls-server-name",
            "The name to look for in the server's certificate.",
            metavar="NAME",
        ),
        _option("--basic-auth-username", "Log in by this name; over TLS alone.", metavar="NAME"),
        _option("--basic-auth-password", "The password of that.", metavar="TEXT"),
        _option(
            "--timeout",
            "How long to wait for the server.",
            type=DURATION,
            default="5s",
            show_default=True,
        ),
        _option(
            "--request-timeout",
            "How long to wait for an answer; streams have no limit.",
            type=DURATION,
            default="12s",
            show_default=True,
        ),
        _option("--debug", "Say more on standard error.", "-D", is_flag=True),
        _option(
            "--port-forward",
            "",
            "-P",
            is_flag=True,
            hidden=True,
            is_eager=True,
            expose_value=False,
            callback=_refuse,
        ),
    ]


def target_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the flags; it is called with the Target that they describe."""

    @wraps(function)
    def command(**flags: Any) -> R:
        found = {field.name: flags.pop(field.name) for field in fields(Target)}
        return function(_target(found, os.environ), **flags)

    known = getattr(command, "__click_params__", [])
    # As `click.option` does for a function that is no command yet.
    command.__click_params__ = [*reversed(_options()), *known]  # type: ignore[attr-defined]
    return command


def _target(found: Mapping[str, Any], environment: Mapping[str, str]) -> Target:
    server = found["server"] or default_server(environment)
    files = (found["tls_ca_cert_files"] or "").split(",")
    return Target(
        **{
            **found,
            "server": server.removeprefix(_TLS_PREFIX),
            "tls": found["tls"] or server.startswith(_TLS_PREFIX),
            "tls_ca_cert_files": tuple(filter(None, (each.strip() for each in files))),
        }
    )
