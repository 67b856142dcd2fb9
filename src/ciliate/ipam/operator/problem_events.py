"""Problem events: one when a problem of an object appears, not one each time it is found."""

import logging
from collections.abc import Mapping

from ciliate.api.core import ObjectReference
from ciliate.kube.events import EventRecorder, Severity

_log = logging.getLogger(__name__)


class ProblemEvents:
    """Remembers which problems were published, by object and subject; each is logged as well."""

    def __init__(self, events: EventRecorder) -> None:
        self._events = events
        self._standing: dict[tuple[str, str, str], str] = {}

    @property
    def standing(self) -> list[str]:
        """Every present problem, as a text."""
        return [f"{kind} {name}: {text}" for (kind, name, _), text in self._standing.items()]

    def publish(
        self,
        regarding: ObjectReference,
        reason: str,
        problems: Mapping[str, str],
        *,
        with_event: bool = True,
    ) -> None:
        """Make `problems`, by subject, all problems of `reason` that an object has.

        New and changed ones become Events. Not `with_event`: they are only recorded.
        """
        place = regarding.kind, regarding.name
        prefix = f"{reason} "
        for key in [k for k in self._standing if k[:2] == place and k[2].startswith(prefix)]:
            if key[2].removeprefix(prefix) not in problems:
                _log.info("%s %s, no longer: %s", *place, self._standing.pop(key))
        for subject, text in problems.items():
            key = (*place, prefix + subject)
            if self._standing.get(key) != text:
                self._standing[key] = text
                if not with_event:
                    continue
                _log.warning("%s %s: %s", *place, text)
                self._events.record(
                    regarding, severity=Severity.WARNING, reason=reason, message=text
                )
