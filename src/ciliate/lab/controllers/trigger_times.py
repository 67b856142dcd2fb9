"""When what a Service's endpoints are about to tell of had happened. Pure.

Proxies measure from there how long a change took to reach them: the controllers of a cluster write the
earliest such time into the annotation of each object that they write. A pod is news since its Ready
condition turned, a Service since it was made; other news have no time, and what tells of them has no
annotation.
"""

from datetime import datetime

from ciliate.api.metadata import format_time, parse_time
from ciliate.api.resource import ObjectKey
from ciliate.api.service import Service
from ciliate.lab.objects import Pod


def pod_trigger(old: Pod | None, new: Pod | None) -> str:
    """Return when the pod became ready or ceased to be, if that is what changed; else nothing."""
    before, now = (_ready_since(pod) if pod is not None else "" for pod in (old, new))
    return now if now != before else ""


def service_trigger(old: Service | None, new: Service | None) -> str:
    """Return when the Service was made, if it is new; else nothing."""
    if old is not None or new is None:
        return ""
    return new.metadata.creation_timestamp or ""


def _ready_since(pod: Pod) -> str:
    turned = (each.last_transition_time for each in pod.status.conditions if each.type == "Ready")
    return next(turned, None) or ""


class TriggerTimes:
    """The earliest time for each Service, until an object tells of it."""

    def __init__(self) -> None:
        self._earliest: dict[ObjectKey, datetime] = {}

    def note(self, key: ObjectKey, moment: str) -> None:
        """Take in the time of a change; what is none says nothing: anybody may write a status."""
        try:
            parsed = parse_time(moment)
        except ValueError:
            return
        self._earliest[key] = min(parsed, self._earliest.get(key, parsed))

    def take(self, key: ObjectKey) -> str:
        """Return the earliest of the changes since the last call, or nothing."""
        found = self._earliest.pop(key, None)
        return format_time(found) if found is not None else ""
