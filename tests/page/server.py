"""The page's server as a process of its own, as in a pod."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

from tests.deadlines import Deadline
from tests.unit.flows.grpc_listener.fronted_server import HERE, free_port


@contextlib.contextmanager
def page_server(relay: str) -> Iterator[str]:
    """Serve the page beside a relay; yield its URL."""
    port = free_port()
    command = [sys.executable, "-m", "ciliate.cli.main", "hubble-ui", "serve"]
    told = {"FLOWS_API_ADDR": relay, "UI_LISTEN_ADDRESS": f"{HERE}:{port}"}
    process = subprocess.Popen(command, env={**os.environ, **told})
    try:
        url = f"http://{HERE}:{port}"
        _until_it_answers(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _until_it_answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = Deadline(20)
    while process.poll() is None:
        with contextlib.suppress(urllib.error.URLError):
            urllib.request.urlopen(f"{url}/healthz").close()
            return
        if deadline.passed:
            break
        time.sleep(0.05)  # It tells nobody that it listens.
    raise AssertionError(f"the page's server does not answer at {url}: {process.poll()}")
