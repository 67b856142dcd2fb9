"""A namespace's rtnetlink for the event loop: one socket, one worker thread.

The thread belongs to the namespace for life, so what it reads under /proc/sys/net is that
namespace's. Link removals hold the kernel's RTNL lock for 16 ms and more, which is why no request
ever runs on the event loop.
"""

import asyncio
import os
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from ciliate.netlink.channel import Channel
from ciliate.netlink.namespace import enter, open_namespace
from ciliate.system.threads import Threads

T = TypeVar("T")


class Rtnetlink:
    """An open conversation with the kernel about one network namespace."""

    def __init__(self, *, channel: Channel, thread: Threads) -> None:
        self._channel = channel
        self._thread = thread

    @classmethod
    def open(cls, netns: str | None = None) -> Self:
        """Return a client of the namespace at path `netns`; None means the caller's own.

        Raises:
            NetlinkError: No such namespace, or no permission to enter it.
        """
        thread = Threads(1, thread_name_prefix="rtnetlink")
        try:
            channel = thread.submit(_open_channel, netns).result()
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(channel=channel, thread=thread)

    async def run(self, work: Callable[[Channel], T]) -> T:
        """Run `work` with the socket, in the thread, and return what it returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, work, self._channel)

    def close(self) -> None:
        """Close the socket after the request under way, if any."""
        self._thread.shutdown(wait=True)
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.close)


def _open_channel(netns: str | None) -> Channel:
    if netns is not None:
        descriptor = open_namespace(netns)
        try:
            enter(descriptor, subject=netns)
        finally:
            os.close(descriptor)
    return Channel()
