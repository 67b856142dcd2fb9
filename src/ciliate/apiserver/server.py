"""The process: TLS, with client certificates where they have one, the sockets, the tasks beside."""

import asyncio
import platform
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from ciliate.apiserver.account_tokens import AccountTokens
from ciliate.apiserver.authenticator import Authenticator
from ciliate.apiserver.authorizer import Authorizer
from ciliate.apiserver.bootstrap import bootstrap
from ciliate.apiserver.collector import GarbageCollector
from ciliate.apiserver.crds import definition_resource
from ciliate.apiserver.dispatch import Dispatcher
from ciliate.apiserver.errors import StoreError
from ciliate.apiserver.handlers import Verbs
from ciliate.apiserver.journal import Journal
from ciliate.apiserver.kinds import built_in
from ciliate.apiserver.modifications import Modifications
from ciliate.apiserver.openapi import OpenApi
from ciliate.apiserver.pods import PodSubresources
from ciliate.apiserver.proxies import Proxies
from ciliate.apiserver.refused_kinds import refused_kinds, review_kinds
from ciliate.apiserver.resources import Registry
from ciliate.apiserver.reviews import Reviews
from ciliate.apiserver.settings import ApiServerSettings
from ciliate.apiserver.store import FieldsOf, Store, no_fields
from ciliate.apiserver.streams import Kubelets
from ciliate.apiserver.token_requests import TokenRequests
from ciliate.apiserver.writes import Writer
from ciliate.errors import SettingError
from ciliate.system.admission import Bounds
from ciliate.system.descriptors import share
from ciliate.system.http_server import HttpServer
from ciliate.system.threads import use_for_to_thread

#: Connections the kernel holds for us while the loop is busy: a lab's nodes come all at once.
_BACKLOG: Final = 1024
#: Every agent has about ten, and the lab's own process some hundreds, from one address.
_CONNECTIONS_MAX: Final = 8192
#: What shares the process's descriptors: this, and the connections to kubelets.
_LISTENERS: Final = 2
_FILE: Final = "objects.sqlite"


@dataclass(slots=True)
class Parts:
    """The server's parts, wired."""

    store: Store
    registry: Registry
    writer: Writer
    dispatcher: Dispatcher


def assemble(settings: ApiServerSettings) -> Parts:
    """Open the store and wire the parts; nothing runs yet.

    Raises:
        StoreError: The store cannot be opened.
    """
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = Store(
        Journal(settings.data_dir / _FILE),
        entries_max=settings.history_entries_max,
        bytes_max=settings.history_bytes_max,
    )
    registry = Registry()
    registry.add([*built_in(), *refused_kinds(), *review_kinds(), definition_resource()])
    writer = Writer(store, registry)
    store.load(lambda resource: _fields_of(registry, resource))
    modifications = Modifications(store, writer)
    verbs = Verbs(store, writer, modifications, settings.bookmark_interval_s)
    kubelets = Kubelets(settings.kubelet_sockets)
    tokens = AccountTokens.load(settings.data_dir)
    authenticator = Authenticator(store, tokens, Authorizer(store))
    dispatcher = Dispatcher(
        registry=registry,
        verbs=verbs,
        pods=PodSubresources(verbs, kubelets),
        proxies=Proxies(verbs, kubelets),
        authenticator=authenticator,
        reviews=Reviews(authenticator),
        tokens=TokenRequests(store, authenticator),
        openapi=OpenApi(registry),
        version=_version(settings.kubernetes_version),
        advertise_url=settings.advertise_url,
    )
    return Parts(store, registry, writer, dispatcher)


def _fields_of(registry: Registry, resource_id: str) -> FieldsOf:
    resource = registry.by_id(resource_id)
    return no_fields if resource is None or resource.fields_of is None else resource.fields_of


async def serve(
    settings: ApiServerSettings,
    sockets: Sequence[socket.socket],
    *,
    ready: asyncio.Event | None = None,
) -> None:
    """Serve on bound sockets until cancelled; `ready` is set once requests are answered.

    Raises:
        StoreError: The store cannot be opened or written; nothing acknowledged is lost.
        SettingError: A certificate or key cannot be used.
    """
    use_for_to_thread()
    context = _tls(settings)
    parts = assemble(settings)
    bootstrap(parts.writer, settings)
    collector = GarbageCollector(parts.store, parts.registry, parts.writer)
    collector.start()
    await parts.store.durable()
    server = web.Server(parts.dispatcher.handle, handler_cancellation=True, access_log=None)
    runner = web.ServerRunner(server, access_log=None, shutdown_timeout=0.5)
    bounds = Bounds.of_peers(share(_CONNECTIONS_MAX, listeners=_LISTENERS))
    front = HttpServer("apiserver", runner, bounds, tls=context)
    try:
        for listener in sockets:
            listener.listen(_BACKLOG)
        await front.start(*sockets)
        if ready is not None:
            ready.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(collector.run())
            tasks.create_task(_checkpoints(parts.store))
            tasks.create_task(_end_on_failure(parts.store))
    except BaseExceptionGroup as group:
        if parts.store.failure is not None:
            raise parts.store.failure from group
        raise
    finally:
        await front.stop()
        parts.store.close()


def _tls(settings: ApiServerSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client without one has a token, or is told 401; a false one ends the handshake.
    context.verify_mode = ssl.CERT_OPTIONAL
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file)
        context.load_verify_locations(settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingError(
            key="cert_file, key_file, ca_file",
            value=f"{settings.cert_file}, {settings.key_file}, {settings.ca_file}",
            problem=f"cannot be used ({error})",
            remedy="give PEM files of one authority",
        ) from error
    return context


async def _checkpoints(store: Store) -> None:
    while True:
        await store.checkpoint_due.wait()
        store.checkpoint_due.clear()
        await asyncio.to_thread(store.checkpoint)


async def _end_on_failure(store: Store) -> None:
    await store.failed.wait()
    assert isinstance(store.failure, StoreError)
    raise store.failure


def _version(kubernetes: str) -> dict[str, Any]:
    major, minor, *_ = kubernetes.removeprefix("v").split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"{kubernetes}+ciliate",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation(),
        "platform": f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }",
    }
