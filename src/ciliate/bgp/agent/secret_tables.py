"""The Secrets that peers' configurations name, each watched by itself: the others are not read."""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from ciliate.api.secret import SECRETS, Secret
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ForbiddenError
from ciliate.kube.informer import Informer

#: The key of a Secret that holds the password.
PASSWORD_KEY: Final = "password"  # noqa: S105 - its name, not one.

#: Secrets of one node; peers that name more have no session.
SECRETS_MAX: Final = 32


class SecretTables:
    """What the Secrets hold; `changed` is called when one does something else."""

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        tasks: asyncio.TaskGroup,
        changed: Callable[[], object],
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._tasks = tasks
        self._changed = changed
        self._tables: dict[str, Informer[Secret]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def follow(self, names: Collection[str]) -> None:
        """Watch these, and no others."""
        for name in self._tables.keys() - names:
            self._running.pop(name).cancel()
            del self._tables[name]
        for name in sorted(names - self._tables.keys()):
            if len(self._tables) < SECRETS_MAX:
                self._watch(name)

    @property
    def have_synced(self) -> bool:
        """Whether each that is followed is known, or may not be: then its peers have no password."""
        return all(
            table.has_synced or isinstance(table.last_error, ForbiddenError)
            for table in self._tables.values()
        )

    def password_of(self, name: str) -> bytes | None:
        """Return the password in a Secret; None: there is none, or it is not known."""
        table = self._tables.get(name)
        found = table.get(name, self._namespace) if table is not None else None
        return found.data.get(PASSWORD_KEY) if found is not None else None

    def _watch(self, name: str) -> None:
        table: Informer[Secret] = Informer(
            self._client,
            SECRETS,
            namespace=self._namespace,
            field_selector=f"metadata.name={name}",
        )
        table.add_listener(lambda _old, _new: self._tell())
        self._tables[name] = table
        self._running[name] = self._tasks.create_task(self._follow(table))

    def _tell(self) -> None:
        self._changed()

    async def _follow(self, table: Informer[Secret]) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(table.run())
            await table.synced()
            self._changed()
