"""The page with the lab's view, and in the lab's place what one once answered: `recorded_lab.json`.

`python -m tests.page.played_lab PORT RELAY FILE` serves it; the file is read for every answer, so a test
changes the lab by writing it anew.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from tests.deadlines import Deadline
from tests.unit.flows.grpc_listener.fronted_server import HERE, free_port

from ciliate.cli.lab_ui.view_files import add_view
from ciliate.flows.ui.serving import serve_page
from ciliate.flows.ui.settings import UiSettings

RECORDED: Final = Path(__file__).parent / "recorded_lab.json"


@dataclass(frozen=True, slots=True)
class PlayedLab:
    """A lab that is what its file says."""

    url: str
    file: Path

    def begin(self) -> None:
        """Be the recorded lab again."""
        self.change(recorded())

    def change(self, lab: Any) -> None:
        """Be another lab."""
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(lab))
        new.rename(self.file)


def recorded() -> Any:
    """The lab's picture, and its answers by destination."""
    return json.loads(RECORDED.read_text())


@contextlib.contextmanager
def played_lab(relay: str, file: Path) -> Iterator[PlayedLab]:
    """Serve the page beside a relay and a lab that `file` holds."""
    port = free_port()
    lab = PlayedLab(f"http://{HERE}:{port}", file)
    lab.begin()
    words = [sys.executable, "-m", __name__, str(port), relay, str(file)]
    process = subprocess.Popen(words, env=dict(os.environ))
    try:
        deadline = Deadline(20)
        while not _answers(lab.url):
            assert not deadline.passed, "the played lab's page is not served"
            assert process.poll() is None, "the played lab's server ended"
            time.sleep(0.05)  # It tells nobody that it listens.
        yield lab
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/healthz").close()
    except urllib.error.URLError:
        return False
    return True


def _serve(port: str, relay: str, file: str) -> None:
    def lab() -> Any:
        return json.loads(Path(file).read_text())

    async def picture(_request: web.Request) -> web.Response:
        return web.json_response(lab()["picture"])

    async def ways(request: web.Request) -> web.Response:
        asked = await request.json()
        found = lab()["ways"].get(asked["destination"])
        if found is None:
            problem = {"problem": f"nobody is called {asked['destination']}"}
            return web.json_response(problem, status=422)
        return web.json_response(found)

    def add(application: web.Application) -> None:
        add_view(application)
        application.router.add_get("/lab-api/picture", picture)
        application.router.add_post("/lab-api/ways", ways)

    asyncio.run(serve_page(UiSettings(f"{HERE}:{port}", relay, "", None), add))


if __name__ == "__main__":
    _serve(*sys.argv[1:])
