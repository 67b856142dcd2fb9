"""The view's files beside those of the page."""

from importlib.resources import files
from pathlib import Path

from aiohttp import web

from ciliate.flows.ui.pages import add_files


def add_view(application: web.Application) -> None:
    """Serve the view at `lab/`, and what takes the place of the page's own files.

    That is `view/further.js`, which names further views: the page's own knows of none. The first route
    of a path is the one that answers, so these have to be added before the page's.

    Raises:
        OSError: A file cannot be read.
    """
    folder = Path(str(files("ciliate.cli.lab_ui") / "web"))
    add_files(application, folder, at="/lab")
    add_files(application, folder / "in_page")
