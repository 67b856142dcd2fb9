"""A local port that leads to a Service of Hubble's, as long as a command wants it.

`hubble --port-forward` has it in a thread of its own, beside gRPC; `cilium hubble port-forward` is
nothing else (`cluster_hubble_forward`).
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Generator
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

import click

from ciliate.api.resource import ObjectKey
from ciliate.cli.cluster import cluster_client
from ciliate.cli.hubble.errors import HubbleError
from ciliate.cli.hubble.target import FORWARD_PORT, Target
from ciliate.console.installation import installation
from ciliate.kube.errors import NotFoundError
from ciliate.kube.port_forward import LOOPBACK, LocalPortInUseError, forwarded

if TYPE_CHECKING:
    from ciliate.kube.client import ApiClient

RELAY: Final = "hubble-relay"
_REMEDY: Final = (
    "`cilium hubble enable` deploys the relay, --kube-namespace names another namespace"
)

#: How long connections may take to end when a command does.
_END_S: Final = 5.0


class NoServiceError(HubbleError):
    """The cluster has no such Service."""

    def __init__(self, service: ObjectKey, remedy: str) -> None:
        self.service = service
        super().__init__(f"there is no Service {'/'.join(service)} to forward to: {remedy}")


class PortTakenError(HubbleError):
    """The local port belongs to another program."""

    def __init__(self, port: int, flag: str) -> None:
        self.port = port
        super().__init__(
            f"port {port} of this machine is in use, by another forwarding perhaps:"
            f" {flag} takes another one, or 0 for any that is free"
        )


def tell(problem: str) -> None:
    """Say what went wrong with a connection; the forwarding goes on."""
    click.echo(f"port-forward: {problem}", err=True)


@asynccontextmanager
async def service_forwarded(
    client: "ApiClient", service: ObjectKey, local_port: int, *, flag: str, remedy: str
) -> AsyncGenerator[int]:
    """Forward a local port, 0 for any, to the first of a Service; yields the port.

    Raises:
        NoServiceError: There is no such Service; `remedy` says what makes it.
        PortTakenError: Another program has the local port; `flag` chooses another.
        CiliateError: As `kube.port_forward` says.
    """
    try:
        async with forwarded(client, service, tell=tell, local_port=local_port) as port:
            yield port
    except NotFoundError as error:
        raise NoServiceError(service, remedy) from error
    except LocalPortInUseError as error:
        raise PortTakenError(error.port, flag) from error


@contextmanager
def relay_forwarded(target: Target) -> Generator[str]:
    """Forward a port to the relay for as long as the block takes; yields where it listens.

    Raises:
        CiliateError: As `service_forwarded` says.
    """
    begun: Future[int] = Future()
    end: Future[None] = Future()
    service = (target.kube_namespace or installation().namespace, RELAY)

    def work() -> None:
        asyncio.run(_until(end, _forward(target, service, begun)))

    thread = threading.Thread(target=work, name="port-forward", daemon=True)
    thread.start()
    try:
        yield f"{LOOPBACK}:{begun.result()}"
    finally:
        end.set_result(None)
        thread.join(_END_S)


async def _until(end: "Future[None]", work: Coroutine[None, None, None]) -> None:
    """Do work until it is over, or another thread ends it."""
    working = asyncio.ensure_future(work)
    ending = asyncio.wrap_future(end)
    await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def _forward(target: Target, service: ObjectKey, begun: "Future[int]") -> None:
    try:
        async with (
            cluster_client(target.kubeconfig or "", target.kube_context or "") as client,
            _on_a_port(client, service, target.port_forward_port) as port,
        ):
            begun.set_result(port)
            await asyncio.Event().wait()
    except BaseException as error:
        if begun.done():
            raise
        begun.set_exception(error)  # Raised where it is waited for.


@asynccontextmanager
async def _on_a_port(
    client: "ApiClient", service: ObjectKey, wanted: int | None
) -> AsyncGenerator[int]:
    """Forward the port that is wanted; without a wish the usual one, or any if that is taken."""
    places = {"flag": "--port-forward-port PORT", "remedy": _REMEDY}
    async with AsyncExitStack() as stack:
        first = FORWARD_PORT if wanted is None else wanted
        try:
            port = await stack.enter_async_context(
                service_forwarded(client, service, first, **places)
            )
        except PortTakenError:
            if wanted is not None:
                raise
            port = await stack.enter_async_context(service_forwarded(client, service, 0, **places))
        yield port
