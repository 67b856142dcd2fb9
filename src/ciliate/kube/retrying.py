"""How requests without which nothing goes on are asked again: with pauses, and told once a change.

A process that starts meets what a cluster is like at that moment: a role that is bound later (403), a
token that is renewed (401), a server that is busy (429, with its wish for a pause) or away. None of
it is for good, so none of it ends a process.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from ciliate.kube.errors import ForbiddenError, KubeError, UnavailableError
from ciliate.reconcile.backoff import Backoff

T = TypeVar("T")

#: A server's wish for a pause is granted up to so many seconds.
WISH_MAX_S: Final = 30.0


def pause_after(error: KubeError, backoff: Backoff) -> float:
    """Return how many seconds to wait after `error`: as long as the server wishes, at least."""
    wished_s = error.retry_after_s if isinstance(error, UnavailableError) else 0
    return max(backoff.next(), min(wished_s, WISH_MAX_S))


def waiting_text(error: KubeError) -> str:
    """Return what is waited for after `error`, with the remedy where it is somebody's to give."""
    if isinstance(error, ForbiddenError):
        return (
            f"waiting for the API server to allow a request: {error}: check our credentials"
            " and role"
        )
    return f"waiting for the API server: {error}"


async def until_answered(
    ask: Callable[[], Awaitable[T]], tell: Callable[[str], None], backoff: Backoff
) -> T:
    """Return what `ask` returns, once no KubeError comes any more; `tell` hears what is waited for.

    `ask` may be several requests: where another one is refused than before, pauses begin anew.
    """
    refused = ""
    while True:
        try:
            return await ask()
        except KubeError as error:
            if refused != error.target:
                refused = error.target
                backoff.reset()
            tell(waiting_text(error))
            await asyncio.sleep(pause_after(error, backoff))
