"""What a server that was killed still knows: everything it acknowledged."""

import json
import threading
import urllib.error
import urllib.request
from typing import Any

from .conftest import DEADLINE_S, ServerProcess, wait_for

MAPS = "/api/v1/namespaces/default/configmaps"
WRITERS = 4
BEFORE_KILL = 100
#: Each write is a TLS connection of its own: on busy cores there are ten a second, or fewer.
WRITES_S = 120.0


class Writer(threading.Thread):
    """Creates objects until the server is gone, and notes each that was acknowledged."""

    def __init__(self, server: ServerProcess, number: int) -> None:
        super().__init__()
        self.server = server
        self.number = number
        self.acknowledged: list[str] = []

    def run(self) -> None:
        for index in range(100_000):
            name = f"w{self.number}-{index}"
            try:
                code, _ = self.server.request("POST", MAPS, {"metadata": {"name": name}})
            except (OSError, ValueError):
                return
            assert code == 201
            self.acknowledged.append(name)


def test_a_killed_server_loses_no_acknowledged_write(own_server: ServerProcess) -> None:
    writers = [Writer(own_server, number) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    wait_for(
        lambda: sum(len(w.acknowledged) for w in writers) > BEFORE_KILL,
        what="the writes",
        deadline_s=WRITES_S,
    )

    own_server.kill()
    for writer in writers:
        writer.join(timeout=DEADLINE_S)
    own_server.start()

    _, listed = own_server.request("GET", MAPS)
    present = {item["metadata"]["name"] for item in listed["items"]}
    acknowledged = {name for writer in writers for name in writer.acknowledged}
    assert len(acknowledged) > BEFORE_KILL
    assert acknowledged <= present
    assert len(present - acknowledged) <= WRITERS  # On disk, but the answer was lost.


def watch(server: ServerProcess, version: str, count: int) -> list[dict[str, Any]]:
    url = f"{server.url}{MAPS}?watch=1&resourceVersion={version}"
    with urllib.request.urlopen(url, context=server.context(), timeout=DEADLINE_S) as stream:
        return [json.loads(stream.readline()) for _ in range(count)]


def test_a_watch_resumes_after_a_restart_where_it_was(own_server: ServerProcess) -> None:
    _, first = own_server.request("POST", MAPS, {"metadata": {"name": "a"}})
    version = first["metadata"]["resourceVersion"]
    own_server.request("POST", MAPS, {"metadata": {"name": "b"}})
    own_server.request("DELETE", f"{MAPS}/a")

    own_server.kill()
    own_server.start()
    own_server.request("POST", MAPS, {"metadata": {"name": "c"}})

    events = [(e["type"], e["object"]["metadata"]["name"]) for e in watch(own_server, version, 3)]
    assert events == [("ADDED", "b"), ("DELETED", "a"), ("ADDED", "c")]


def test_revisions_never_go_back(own_server: ServerProcess) -> None:
    _, made = own_server.request("POST", MAPS, {"metadata": {"name": "a"}})
    _, gone = own_server.request("DELETE", f"{MAPS}/a")
    assert gone["status"] == "Success"

    own_server.kill()
    own_server.start()

    _, again = own_server.request("POST", MAPS, {"metadata": {"name": "a"}})
    before = int(made["metadata"]["resourceVersion"])
    assert int(again["metadata"]["resourceVersion"]) > before + 1
