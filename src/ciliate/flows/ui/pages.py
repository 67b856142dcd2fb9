"""The files of the page, and the libraries it needs: nothing is loaded from anywhere else."""

import logging
import mimetypes
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Final

from aiohttp import web

_log = logging.getLogger(__name__)

#: d3's modules by Debian's packages node-d3-*: the layout and the movement of the map.
LIBRARIES: Final = (
    *("d3-collection", "d3-color", "d3-dispatch", "d3-drag", "d3-ease", "d3-force"),
    *("d3-interpolate", "d3-quadtree", "d3-selection", "d3-timer", "d3-transition", "d3-zoom"),
)
_LIBRARIES_FOLDER: Final = Path("/usr/share/nodejs")

#: A page shows what pods are named: nothing but our own files is run, loaded or asked.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # A new version of the server has new files under the same names.
    "Cache-Control": "no-cache",
}


async def protect(_request: web.Request, response: web.StreamResponse) -> None:
    """Add to every answer what a browser may do with it (a signal handler of aiohttp's)."""
    response.headers.update(_HEADERS)


def add_pages(application: web.Application) -> None:
    """Serve the page and its libraries, all of which are read now.

    Raises:
        OSError: A file of the page cannot be read.
    """
    folder = Path(str(files("ciliate.flows.ui") / "web"))
    add_files(application, folder)
    application.router.add_get("/", _file(folder / "index.html"))
    for name in LIBRARIES:
        library = _LIBRARIES_FOLDER / name / "dist" / f"{name}.min.js"
        try:
            application.router.add_get(f"/lib/{name}.js", _file(library))
        except OSError as error:
            remedy = f"`apt-get install node-{name}` brings it"
            _log.warning("%s: %s: %s", library, error.strerror, remedy)


def add_files(application: web.Application, folder: Path, *, at: str = "") -> None:
    """Serve every file that a folder has now, below the path `at`.

    Raises:
        OSError: One cannot be read.
    """
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        application.router.add_get(f"{at}/{file.relative_to(folder)}", _file(file))


def _file(path: Path) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return what answers with a file's content."""
    body, (kind, _encoding) = path.read_bytes(), mimetypes.guess_type(path.name)
    kind = kind or "application/octet-stream"
    charset = "utf-8" if kind.startswith("text/") or kind.endswith("javascript") else None

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset=charset)

    return answer


async def well(_request: web.Request) -> web.Response:
    """Answer a probe: the page is served; how the relay is, it shows itself."""
    return web.Response(text="ok\n")
