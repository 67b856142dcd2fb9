"""Names of nodes that should be served: each once, none by two workers at a time."""

import asyncio
from collections import OrderedDict


class NodeQueue:
    """First come, first served; a name put while it is worked on comes again afterwards."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._working: set[str] = set()
        self._again: set[str] = set()
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, name: str) -> None:
        """Have `name` served, once, however often it is put before that."""
        if name in self._working:
            self._again.add(name)
            return
        self._waiting[name] = None
        self._ready.set()

    def put_after(self, name: str, delay_s: float) -> None:
        """Have `name` served in `delay_s` seconds of the loop's clock, which never jumps."""
        asyncio.get_running_loop().call_later(delay_s, self.put, name)

    async def take(self) -> str:
        """Return the next name; `done` must follow."""
        while not self._waiting:
            self._ready.clear()
            await self._ready.wait()
        name, _ = self._waiting.popitem(last=False)
        self._working.add(name)
        return name

    def done(self, name: str) -> None:
        """Let `name` be served again."""
        self._working.discard(name)
        if name in self._again:
            self._again.discard(name)
            self.put(name)
