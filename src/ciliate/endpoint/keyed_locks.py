"""One request of an attachment at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ciliate.cni.request import Attachment


class KeyedLocks:
    """A lock per attachment that exists only while a request holds or awaits it."""

    def __init__(self) -> None:
        self._locks: dict[Attachment, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def held(self, key: Attachment) -> AsyncIterator[None]:
        """Hold the lock of `key`."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)
