"""Whom `hubble` asks, and how it proves itself: flags, environment, defaults.

`HUBBLE_SERVER` and its like stand for a flag each. In an agent's container the agent of that node is
asked, everywhere else the relay, which is expected behind a port of this machine. On a node where
nobody listens at that port its own agent answers instead. `--port-forward` makes such a port for as
long as the command runs (`connection`).
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
from ciliate.cli.hubble.setting import Setting
from ciliate.cli.name_completion import complete_namespaces

R = TypeVar("R")

AGENT_TARGET: Final = "unix:///var/run/cilium/hubble.sock"
RELAY_TARGET: Final = "localhost:4245"

#: Where the relay is expected on this machine, and where its port is forwarded to.
FORWARD_PORT: Final = 4245

#: How long a port of this machine may take to say that somebody listens there.
_LOOK_S: Final = 1.0

_TLS_PREFIX: Final = "tls://"


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
    #: The relay is asked, by way of the API server; None: of a port that is free.
    port_forward: bool = False
    port_forward_port: int | None = None
    kube_context: str | None = None
    kube_namespace: str | None = None
    kubeconfig: str | None = None


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


def target_settings() -> list[Setting]:
    """Return the flags."""
    return [*_server_settings(), *_forward_settings()]


def _server_settings() -> list[Setting]:
    existing = click.Path(exists=True, dir_okay=False)
    return [
        Setting(
            "--server",
            f"Whom to ask.  [default: {RELAY_TARGET}; on a node without it {AGENT_TARGET}]",
            metavar="ADDRESS",
        ),
        Setting("--tls", "Speak TLS, as with an address that begins with tls://.", is_flag=True),
        Setting(
            "--tls-allow-insecure",
            "Take the server's certificate whoever signed it.",
            is_flag=True,
        ),
        Setting(
            "--tls-ca-cert-files",
            "Who signs servers' certificates: files in PEM.",
            is_listed=True,
            metavar="FILE[,FILE]",
        ),
        Setting("--tls-client-cert-file", "Our certificate, in PEM.", type=existing),
        Setting("--tls-client-key-file", "Its key, in PEM.", type=existing),
        Setting(
            "--tls-server-name",
            "The name to look for in the server's certificate.",
            metavar="NAME",
        ),
        Setting("--basic-auth-username", "Log in by this name; over TLS alone.", metavar="NAME"),
        Setting("--basic-auth-password", "The password of that.", metavar="TEXT"),
        Setting(
            "--timeout",
            "How long to wait for the server.",
            type=DURATION,
            default="5s",
            show_default=True,
        ),
        Setting(
            "--request-timeout",
            "How long to wait for an answer; streams have no limit.",
            type=DURATION,
            default="12s",
            show_default=True,
        ),
        Setting("--debug", "Say more on standard error.", "-D", is_flag=True),
    ]


def _forward_settings() -> list[Setting]:
    return [
        Setting(
            "--port-forward",
            "Ask the relay of the cluster: forward a local port to it meanwhile.",
            "-P",
            is_flag=True,
        ),
        Setting(
            "--port-forward-port",
            f"With -P: that port; 0 is any.  [default: {FORWARD_PORT}, or any if it is in use]",
            type=click.IntRange(0, 65535),
            metavar="PORT",
        ),
        Setting("--kube-context", "With -P: the kubeconfig's context to use.", metavar="NAME"),
        Setting(
            "--kube-namespace",
            "With -P: the relay's namespace.  [default: kube-system]",
            metavar="NAME",
            shell_complete=complete_namespaces,
        ),
        Setting(
            "--kubeconfig",
            "With -P: how to reach the cluster.",
            type=click.Path(dir_okay=False),
            metavar="FILE",
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
    command.__click_params__ = [*reversed(target_settings()), *known]  # type: ignore[attr-defined]
    return command


def _target(found: Mapping[str, Any], environment: Mapping[str, str]) -> Target:
    # The address of a forwarded port is known later, and says nothing of TLS: --tls does.
    server = "" if found["port_forward"] else found["server"] or default_server(environment)
    files = (found["tls_ca_cert_files"] or "").split(",")
    return Target(
        **{
            **found,
            "server": server.removeprefix(_TLS_PREFIX),
            "tls": found["tls"] or server.startswith(_TLS_PREFIX),
            "tls_ca_cert_files": tuple(filter(None, (each.strip() for each in files))),
        }
    )
