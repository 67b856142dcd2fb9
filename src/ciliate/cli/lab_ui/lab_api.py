"""What the lab's view asks for: the lab as it stands, and the ways of connections."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web

from ciliate.cli.hubble.target import Target
from ciliate.cli.lab_ui.view_files import add_view
from ciliate.cli.trace.destination import read_destination
from ciliate.cli.trace.document import WayObject, way_object
from ciliate.cli.trace.search import seek
from ciliate.cli.trace.server_flows import ServerFlows
from ciliate.cli.trace.tracing import Tracing
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.lab.paths import LabPaths
from ciliate.lab.picture import observe
from ciliate.lab.state import read_state

#: Of the connections between two, the newest; a page shows one of them.
_WAYS_MAX: Final = 20
#: Until all that nodes have kept is told.
_TRACE_S: Final = 20.0

_JSON: Final = "application/json"


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """Whose ways are asked for."""

    pod: str
    destination: str
    protocol: str = ""


class Ways(msgspec.Struct):
    """What nodes still know of them, the newest last, and which nodes say nothing."""

    ways: list[WayObject]
    silent: dict[str, str]


class LabApi:
    """Answers for one lab; each question has its turn, so that no page can keep the nodes busy."""

    def __init__(self, paths: LabPaths, client: ApiClient, relay: str, aggregation: str) -> None:
        """Ask `relay`, an address, for flows; `aggregation` is what nodes tell."""
        self._paths = paths
        self._client = client
        self._relay = relay
        self._aggregation = aggregation
        self._looking = asyncio.Lock()
        self._tracing = asyncio.Lock()

    def add(self, application: web.Application) -> None:
        """Serve the view's files and its questions."""
        add_view(application)
        application.router.add_get("/lab-api/picture", _answering(self.picture))
        application.router.add_post("/lab-api/ways", _answering(self.ways))

    async def picture(self, _request: web.Request) -> object:
        """Return machines, networks and pods as they are now."""
        async with self._looking:
            return await observe(self._paths, read_state(self._paths))

    async def ways(self, request: web.Request) -> Ways:
        """Return the ways between a pod and a destination that nodes still know.

        Raises:
            CiliateError: There is no such pod, nobody is called so, or no node answers.
        """
        if request.content_type != _JSON:
            raise web.HTTPUnsupportedMediaType(text=f"ask with {_JSON}\n")
        asked = msgspec.json.decode(await request.read(), type=Question)
        namespace, _, name = asked.pod.rpartition("/")
        async with self._tracing, asyncio.timeout(_TRACE_S):
            sought = await seek(
                self._client,
                namespace=namespace or "default",
                name=name,
                destination=read_destination(asked.destination),
                protocol=asked.protocol.lower(),
            )
            source = ServerFlows(Target(server=self._relay), sought, follows=False)
            tracing = Tracing(sought, source, self._aggregation)
            found = (await tracing.kept())[-_WAYS_MAX:]
        around = tracing.around
        return Ways([way_object(way, around) for way in found], dict(around.silent))


def _answering(
    ask: Callable[[web.Request], Awaitable[object]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return what answers with JSON; what went wrong is said in `problem`."""

    async def answer(request: web.Request) -> web.Response:
        try:
            found, status = await ask(request), 200
        except TimeoutError:
            found, status = {"problem": f"no answer within {_TRACE_S:g} s"}, 504
        except msgspec.MsgspecError as error:
            found, status = {"problem": f"the question cannot be read: {error}"}, 422
        except CiliateError as error:
            found, status = {"problem": str(error)}, 422
        return web.Response(body=msgspec.json.encode(found), status=status, content_type=_JSON)

    return answer
