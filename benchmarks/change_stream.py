"""Changes simulated pods at an even pace and sees when each change is in an agent's ipcache.

A process of its own (`python -m benchmarks.change_stream`), as the pods' nodes are machines of their
own; `stream` is the other end. It changes from "start" until "stop", both lines of its standard
input, and prints a `Changes` as JSON once the last of them has arrived. Of four changes two give a
pod another identity, one deletes a pod and one creates a pod.

A change has arrived when a look-up of its address shows it, and the time counts from the API
server's acknowledgement. No address is of two changes that have not arrived.
"""

import asyncio
import contextlib
import itertools
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Final

from benchmarks.agent_process import ProcessId
from benchmarks.ipcache_map import IpcacheMap, open_ipcache
from benchmarks.simulated_pods import (
    FIRST_IDENTITY,
    IDENTITIES,
    NAMESPACE,
    SPARE_PLACES,
    SimulatedPod,
    endpoint_identity,
    identity_number,
)

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS
from ciliate.datapath.layout import PrefixKey
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient

#: Between two polls of the map, in seconds: with the polls themselves, the error of a latency.
_POLL_EVERY_S: Final = 0.001

#: A change that takes longer to arrive ends the measurement, in seconds.
ARRIVAL_TIMEOUT_S: Final = 60.0

_CHECKOUT: Final = Path(__file__).parents[1]


class StreamError(CiliateError):
    """The process that makes changes ended; `said` is what it printed."""

    def __init__(self, said: str) -> None:
        super().__init__(f"changes of simulated pods ended: {said.strip()[-2000:] or 'silently'}")


class NotArrivedError(CiliateError):
    """A change does not arrive in the ipcache."""

    def __init__(self, pod: SimulatedPod, wanted: int | None, *, timeout_s: float) -> None:
        super().__init__(
            f"{pod.address} ({pod.name}) has not become {wanted or 'nobody'} in the ipcache "
            f"after {timeout_s:g} s"
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of the changes between a start and a stop, all in seconds.

    `arrival_s` has one for each change. `written_s` is how long the writes took from the first one's
    begin to the last one's acknowledgement, `arrived_s` the same to the last one's arrival.
    `poll_gaps_s` are the times between polls of the map.
    """

    arrival_s: tuple[float, ...]
    written_s: float
    arrived_s: float
    poll_gaps_s: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Changes a second that the API server has acknowledged."""
        return len(self.arrival_s) / self.written_s


@dataclass(frozen=True, slots=True)
class Stream:
    """The process that makes changes, seen from outside."""

    process: ProcessId
    stdin: IO[str]
    stdout: IO[str]
    log: IO[str]

    def start(self) -> None:
        """Have changes made from now on."""
        self._send("start")

    def stop(self) -> Changes:
        """End the changes, wait until all have arrived, and return what became of them.

        Raises:
            StreamError: A write was refused, or a change does not arrive.
        """
        self._send("stop")
        answer = json.loads(self.hear())
        return Changes(
            arrival_s=tuple(answer["arrival_s"]),
            written_s=answer["written_s"],
            arrived_s=answer["arrived_s"],
            poll_gaps_s=tuple(answer["poll_gaps_s"]),
        )

    def _send(self, word: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # What it died of, `hear` raises.
            self.stdin.write(f"{word}\n")
            self.stdin.flush()

    def hear(self) -> str:
        """Return the next line of the process.

        Raises:
            StreamError: It has ended.
        """
        line = self.stdout.readline()
        if not line:
            self.log.seek(0)
            raise StreamError(self.log.read())
        return line


@contextlib.contextmanager
def stream(kubeconfig: Path, agent: ProcessId, *, pods: int, rate: int) -> Iterator[Stream]:
    """Have the process ready that changes `pods` pods at `rate` a second; it ends at the end.

    Raises:
        StreamError: It does not start.
    """
    command = [sys.executable, "-m", "benchmarks.change_stream"]
    words = [str(kubeconfig), str(agent), str(pods), str(rate)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command, *words],
            cwd=_CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            running = Stream(ProcessId(process.pid), process.stdin, process.stdout, log)
            running.hear()
            yield running
        finally:
            process.kill()


class Arrivals:
    """Polls the map for the changes that are awaited."""

    def __init__(self, ipcache: IpcacheMap) -> None:
        self._ipcache = ipcache
        self._awaited: dict[PrefixKey, tuple[int | None, asyncio.Future[float]]] = {}
        self.poll_gaps_s: list[float] = []

    def of(self, pod: SimulatedPod, number: int | None) -> asyncio.Future[float]:
        """Return when, by the performance counter, the address is of identity `number`, or free.

        To be asked for before the change is written: the agent may be faster than the answer.
        """
        key = pod.ipcache_key
        assert key not in self._awaited, "two changes of one address at once"
        arrival: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._awaited[key] = number, arrival
        return arrival

    async def poll(self) -> None:
        """Poll until cancelled."""
        before = time.perf_counter()
        while True:
            for key, (wanted, arrival) in tuple(self._awaited.items()):
                found = self._ipcache.get(key)
                # The longest match of an address without an entry is its node's CIDR.
                is_pod = found is not None and found.identity >= FIRST_IDENTITY
                if (found.identity if found is not None and is_pod else None) == wanted:
                    arrival.set_result(time.perf_counter())
                    del self._awaited[key]
            now = time.perf_counter()
            self.poll_gaps_s.append(now - before)
            before = now
            await asyncio.sleep(_POLL_EVERY_S)


class Population:
    """The pods, and the free places for new ones; makes changes and times them."""

    def __init__(
        self,
        client: ApiClient,
        arrivals: Arrivals,
        *,
        pods: int,
        arrival_timeout_s: float = ARRIVAL_TIMEOUT_S,
    ) -> None:
        self._timeout_s = arrival_timeout_s
        self._client = client
        self._arrivals = arrivals
        self._pods = deque(SimulatedPod.initial(number) for number in range(pods))
        random.shuffle(self._pods)
        self._free_places = deque(range(pods, pods + SPARE_PLACES))
        self._numbers = itertools.count(pods)
        self._kinds = itertools.cycle((self._relabel, self._delete, self._relabel, self._create))
        self._arrival_s: list[float] = []
        self._acknowledged = 0.0

    async def change_until(self, stopping: asyncio.Future[bytes], *, rate: int) -> Changes:
        """Make `rate` changes a second until `stopping` is done, and wait for all of them."""
        self._arrival_s.clear()
        self._arrivals.poll_gaps_s.clear()
        begin = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number, change in enumerate(self._kinds):
                await asyncio.sleep(max(0.0, begin + number / rate - time.perf_counter()))
                if stopping.done():
                    break
                tasks.create_task(change())
        return Changes(
            arrival_s=tuple(self._arrival_s),
            written_s=self._acknowledged - begin,
            arrived_s=time.perf_counter() - begin,
            poll_gaps_s=tuple(self._arrivals.poll_gaps_s),
        )

    async def _relabel(self) -> None:
        """Give another identity to the pod that has not changed for longest."""
        pod = self._pods.popleft()
        other = (pod.identity + random.randrange(1, IDENTITIES)) % IDENTITIES
        changed = replace(pod, identity=other)
        patch = {"status": {"identity": endpoint_identity(other)}}
        write = self._client.patch(CILIUM_ENDPOINTS, pod.name, patch, namespace=NAMESPACE)
        await self._time(write, changed, identity_number(other))
        self._pods.append(changed)

    async def _delete(self) -> None:
        pod = self._pods.popleft()
        write = self._client.delete(CILIUM_ENDPOINTS, pod.name, namespace=NAMESPACE)
        await self._time(write, pod, None)
        self._free_places.append(pod.place)

    async def _create(self) -> None:
        number = next(self._numbers)
        place = self._free_places.popleft()
        pod = SimulatedPod(number, place=place, identity=number % IDENTITIES)
        write = self._client.create(CILIUM_ENDPOINTS, pod.endpoint())
        await self._time(write, pod, identity_number(pod.identity))
        self._pods.append(pod)

    async def _time(
        self, write: Awaitable[object], pod: SimulatedPod, identity: int | None
    ) -> None:
        """Write a change, wait until it has arrived, and note how long after the answer."""
        arrival = self._arrivals.of(pod, identity)
        await write
        acknowledged = self._acknowledged = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                arrived = await arrival
        except TimeoutError as error:
            raise NotArrivedError(pod, identity, timeout_s=self._timeout_s) from error
        self._arrival_s.append(max(0.0, arrived - acknowledged))


async def _serve(kubeconfig: Path, agent: ProcessId, *, pods: int, rate: int) -> None:
    """Make changes from each odd line of standard input to the line after it, until its end."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    with open_ipcache(agent) as ipcache:
        arrivals = Arrivals(ipcache)
        async with ApiClient.from_kubeconfig(kubeconfig) as client, asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(arrivals.poll())
            population = Population(client, arrivals, pods=pods)
            print("ready", flush=True)
            while await lines.readline():
                stopping = asyncio.ensure_future(lines.readline())
                changes = await population.change_until(stopping, rate=rate)
                print(json.dumps(asdict(changes)), flush=True)
            polling.cancel()


if __name__ == "__main__":
    # Ctrl-C is for the parent process, which then ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    config, process_id, pod_count, a_second = sys.argv[1:]
    asyncio.run(
        _serve(Path(config), ProcessId(int(process_id)), pods=int(pod_count), rate=int(a_second))
    )
