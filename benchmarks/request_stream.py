"""Asks for a page at an even pace, each time by a connection of its own, and counts what fails.

A process of its own (`python -m benchmarks.request_stream ADDRESS PORT RATE`), since it runs where a
client is; `stream` is the other end. It asks from its start until its standard input ends, and then
prints a `Requests` as JSON. A request that comes late is not left out: the pace does not wait.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.machine import Machine

from ciliate.errors import CiliateError

_CHECKOUT: Final = Path(__file__).parents[1]

#: A request that takes longer has failed, in seconds: three SYNs lost in a row.
_TIMEOUT_S: Final = 5.0

#: Requests under way at once; beyond, the pace cannot be kept and requests fail.
_REQUESTS_MAX: Final = 4000


class StreamError(CiliateError):
    """The process that asks ended without a result."""

    def __init__(self, code: int) -> None:
        super().__init__(f"requests ended with code {code} and no result: see standard error")


@dataclass(frozen=True, slots=True)
class Requests:
    """What became of requests: how many there were, how long they took, and why some failed."""

    sent: int
    elapsed_s: float
    median_s: float
    p99_s: float
    problems: Mapping[str, int]

    @property
    def failed(self) -> int:
        """How many failed."""
        return sum(self.problems.values())


class Stream:
    """Requests that are being made; `result` is there at the end."""

    result: Requests


@contextlib.contextmanager
def stream(client: Machine, address: str, port: int, *, rate: int) -> Iterator[Stream]:
    """Have `client` ask `rate` times a second meanwhile.

    Raises:
        StreamError: The client ended.
    """
    python = ["env", f"PYTHONPATH={_CHECKOUT}", sys.executable, "-m", "benchmarks.request_stream"]
    command = client.command([*python, address, str(port), str(rate)])
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            process.stdout.readline()
            running = Stream()
            yield running
            answer, _nothing = process.communicate()
        finally:
            process.kill()
    if not answer:
        raise StreamError(process.returncode)
    running.result = Requests(**json.loads(answer))


class _Client:
    """Asks, and keeps what became of it."""

    def __init__(self, address: str, port: int) -> None:
        self._address = address
        self._port = port
        self._taken_s: list[float] = []
        self._problems: Counter[str] = Counter()
        self._request = (
            f"GET /bench HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
        )

    async def ask_until(self, stopping: asyncio.Future[bytes], *, rate: int) -> Requests:
        """Ask `rate` times a second until `stopping` is done, and wait for all answers."""
        begin, sent = time.perf_counter(), 0
        async with asyncio.TaskGroup() as tasks:
            under_way: set[asyncio.Task[None]] = set()
            while not stopping.done():
                due = int((time.perf_counter() - begin) * rate) + 1
                for _request in range(due - sent):
                    if len(under_way) >= _REQUESTS_MAX:
                        self._problems["too many under way"] += 1
                        continue
                    task = tasks.create_task(self._ask())
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                sent = due
                await asyncio.sleep(1 / rate)
            elapsed_s = time.perf_counter() - begin
        taken = sorted(self._taken_s) or [0.0]
        return Requests(
            sent,
            elapsed_s,
            median_s=taken[len(taken) // 2],
            p99_s=taken[len(taken) * 99 // 100],
            problems=dict(self._problems),
        )

    async def _ask(self) -> None:
        begin = time.perf_counter()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await self._answer()
        except TimeoutError:
            self._problems["no answer in time"] += 1
        except OSError as error:
            self._problems[error.strerror or type(error).__name__] += 1
        else:
            if answer.startswith(b"HTTP/1.1 200 "):
                self._taken_s.append(time.perf_counter() - begin)
            else:
                self._problems[answer[:40].decode(errors="replace") or "closed, no answer"] += 1

    async def _answer(self) -> bytes:
        reader, writer = await asyncio.open_connection(self._address, self._port)
        try:
            writer.write(self._request)
            return await reader.read()
        finally:
            writer.close()


async def _serve(address: str, port: int, rate: int) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    print("ready", flush=True)
    stopping = asyncio.ensure_future(lines.read())
    print(json.dumps(asdict(await _Client(address, port).ask_until(stopping, rate=rate))))


if __name__ == "__main__":
    # Ctrl-C is for the parent process, which then ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
