"""How controllers log keys that failed; the work queue tries them again."""

import logging
from collections.abc import Callable, Iterable

from ciliate.errors import CiliateError
from ciliate.kube.errors import ConflictError, NotFoundError

_log = logging.getLogger(__name__)


def log_failures(controller: str) -> Callable[[object, CiliateError], None]:
    """Return what a controller of this name reports its failures to."""

    def report(key: object, error: CiliateError) -> None:
        # An ordinary race with another writer or a deletion: the watch will show which won.
        ordinary = isinstance(error, ConflictError | NotFoundError)
        level = logging.DEBUG if ordinary else logging.WARNING
        _log.log(level, "%s %s: %s; trying again", controller, key, error)

    return report


def raise_first(outcomes: Iterable[BaseException | None]) -> None:
    """Raise the first failure of calls that were made together, if there is one."""
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
