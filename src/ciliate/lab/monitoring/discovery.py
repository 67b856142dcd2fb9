"""The container `scrape-targets`: files of what Prometheus scrapes, kept right by watches.

    scrape-targets FOLDER

It writes FOLDER/pods.json and FOLDER/services.json, at first when the cluster is known whole, and
anew when something of them has changed; Prometheus reads them at once. What an annotation says
wrongly is told in the log.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ciliate.api.core import PODS, Pod
from ciliate.api.endpoint_slice import ENDPOINT_SLICES, EndpointSlice
from ciliate.api.service import SERVICES, Service
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.lab.monitoring.targets import (
    TARGETS_MAX,
    AnnotationError,
    ScrapeTarget,
    first,
    of_pod,
    of_service,
)
from ciliate.system.atomic_file import replace_file

PODS_FILE: Final = "pods.json"
SERVICES_FILE: Final = "services.json"

#: Changes come in groups: what follows within this time, in seconds, goes into the same files.
_SETTLE_S: Final = 0.2

#: Objects whose annotations are told to be wrong, at most; what comes beyond is left out silently.
_TOLD_MAX: Final = 100

_log = logging.getLogger(__name__)


def run(argv: list[str]) -> int:
    """Write files until SIGTERM; the exit code."""
    parser = argparse.ArgumentParser("scrape-targets", description="Targets for Prometheus.")
    parser.add_argument("folder", type=Path)
    words = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    code = 0
    try:
        asyncio.run(_watch_until_signal(words.folder))
    except* (CiliateError, OSError) as failed:
        for error in failed.exceptions:
            _log.error("scrape-targets: %s", error)
        code = 1
    return code


async def _watch_until_signal(folder: Path) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with ApiClient.in_cluster(user_agent="scrape-targets") as client:
        watching = asyncio.create_task(_watch(client, folder))
        leaving = asyncio.create_task(told.wait())
        await asyncio.wait((watching, leaving), return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        leaving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _watch(client: ApiClient, folder: Path) -> None:
    """Watch, and write, until cancelled."""
    changed = asyncio.Event()

    def wake(*_: object) -> None:
        changed.set()

    pods = Informer(client, PODS, on_change=wake)
    services = Informer(client, SERVICES, on_change=wake)
    slices = Informer(client, ENDPOINT_SLICES, on_change=wake)
    watches: tuple[Informer[Any], ...] = (pods, services, slices)
    files = TargetFiles(folder)
    async with asyncio.TaskGroup() as tasks:
        for watch in watches:
            tasks.create_task(watch.run(), name=watch.name)
        for watch in watches:
            await watch.synced()
        while True:
            changed.clear()
            files.write(pods.objects.values(), services.objects.values(), slices.objects.values())
            await changed.wait()
            await asyncio.sleep(_SETTLE_S)


@dataclass(slots=True)
class TargetFiles:
    """The files as they were written last."""

    folder: Path
    _written: dict[str, bytes] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def write(
        self, pods: Iterable[Pod], services: Iterable[Service], slices: Iterable[EndpointSlice]
    ) -> None:
        """Write the files that are other than before.

        Raises:
            OSError: One could not be written.
        """
        of_name = defaultdict[tuple[str, str], list[EndpointSlice]](list)
        for each in slices:
            of_name[each.metadata.namespace, each.service].append(each)
        self._replace(PODS_FILE, self._found(of_pod, ((pod,) for pod in pods)))
        behind = (
            (service, of_name[service.metadata.namespace, service.metadata.name])
            for service in services
        )
        self._replace(SERVICES_FILE, self._found(of_service, behind))

    def _found(
        self, targets_of: Callable[..., Iterator[ScrapeTarget]], things: Iterable[tuple[Any, ...]]
    ) -> Iterator[ScrapeTarget]:
        """Yield the targets of things; of one that says something wrong none, and tell it once."""
        for words in things:
            try:
                yield from list(targets_of(*words))
            except AnnotationError as error:
                if str(error) not in self._told and len(self._told) < _TOLD_MAX:
                    self._told.add(str(error))
                    _log.warning("not scraped: %s", error)

    def _replace(self, name: str, found: Iterator[ScrapeTarget]) -> None:
        targets = list(found)
        groups = [target.as_json() for target in first(targets)]
        content = json.dumps(groups, indent=1).encode()
        if self._written.get(name) == content:
            return
        replace_file(self.folder / name, content, mode=0o644, durable=False)
        self._written[name] = content
        _log.info("%s: %d targets", name, len(groups))
        if len(targets) > TARGETS_MAX:
            _log.warning("%s: %d targets left out", name, len(targets) - TARGETS_MAX)
